"""Acts of people on the running line: acknowledge an alarm, and whatever else comes to be asked.

Promises
- An act happens between two ticks: nothing else of the line runs meanwhile, and none is lost.
- What it changed is stored with the append that follows. Its caller hears of it only then; while
  the buffer refuses, the caller waits.
- An act that is refused changes nothing, and its caller hears why at once.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence

import structlog

from gateway.api.alarms import Alert
from gateway.api.contracts import AndonError
from gateway.api.model import Nanos

log = structlog.get_logger()

Act = Callable[[Nanos], Sequence[Alert]]
"""Does one thing at the given time and returns its transitions; raises AndonError to refuse."""
_Reply = asyncio.Future[Sequence[Alert]]


class Commands:
    """The queue between those who ask and the line."""

    def __init__(self) -> None:
        self._came = asyncio.Event()
        self._waiting: deque[tuple[Act, _Reply]] = deque()
        self._unstored: list[tuple[_Reply, Sequence[Alert]]] = []

    async def submit(self, act: Act) -> Sequence[Alert]:
        """Have the line do this; its transitions, once they are on disk.

        An act whose caller gives up before the line came to it is not done.
        """
        reply: _Reply = asyncio.get_running_loop().create_future()
        self._waiting.append((act, reply))
        self._came.set()
        return await reply

    async def wait(self, seconds: float) -> None:
        """Return when an act is waiting, at the latest after so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._came.wait()

    def perform(self, now: Nanos) -> list[Alert]:
        """Do all that waits, in order; the transitions to be stored."""
        self._came.clear()
        alerts: list[Alert] = []
        while self._waiting:
            act, reply = self._waiting.popleft()
            if reply.done():
                continue
            try:
                transitions = act(now)
            except AndonError as error:
                reply.set_exception(error)
            except Exception as error:
                log.exception("command.failed", error_type=type(error).__name__)
                reply.set_exception(error)
            else:
                self._unstored.append((reply, transitions))
                alerts += transitions
        return alerts

    def confirm(self) -> None:
        """Everything that was done is on disk: the callers may hear of it."""
        for reply, transitions in self._unstored:
            if not reply.done():
                reply.set_result(transitions)
        self._unstored.clear()
