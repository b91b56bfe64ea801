"""A thread that does one job after the other, and that the end of the program does not wait for.

The threads of `concurrent.futures` are joined when Python ends: one that is stuck would keep a
daemon from ending.
"""

import asyncio
import contextlib
import queue
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

Jobs = queue.SimpleQueue[Callable[[], None] | None]
"""None is the end."""


class Worker:
    """One thread, started with the first job. It ends with this object, or by `end`."""

    def __init__(self, name: str) -> None:
        self._name, self._is_started = name, False
        self._jobs: Jobs = queue.SimpleQueue()
        weakref.finalize(self, self._jobs.put, None)

    def run(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        """Do this in the thread. The result is in the future, also if it is not waited for."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def job() -> None:
            result, error = None, None
            try:
                result = work()
            except Exception as failure:  # noqa: BLE001 - handed to whoever waits
                error = failure
            # The loop is closed and waits no longer.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_settle, future, result, error)

        self._jobs.put(job)
        if not self._is_started:
            self._is_started = True
            threading.Thread(target=_work, args=(self._jobs,), name=self._name, daemon=True).start()
        return future

    def end(self) -> None:
        """Let the thread end when its jobs are done."""
        self._jobs.put(None)


def _work(jobs: Jobs) -> None:
    while (job := jobs.get()) is not None:
        job()


def _settle(future: "asyncio.Future[Any]", result: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
