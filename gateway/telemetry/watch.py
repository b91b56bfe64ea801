"""Watches the heartbeats in a thread of its own, says what is stuck, and feeds systemd's watchdog.

Promises
- A part is logged once when it gets stuck, and once when it goes on.
- The watchdog is fed unless a part is stuck that a restart would help. A thread feeds it, so that
  a blocked event loop can be named before it is ended.
- The thread waits for nothing but its next round, and no error ends it.
"""

import asyncio
import contextvars
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Self

import structlog

from gateway.core.heartbeats import Stuck
from gateway.core.wait_limits import EVENT_LOOP_S
from gateway.telemetry.heartbeats import LOOP, Heartbeats
from gateway.telemetry.systemd import notify, watchdog_interval

log = structlog.get_logger()

EVERY_S = 1.0
PAUSED_S = 3.0
"""If a round comes later than that, the process did not run: it was frozen, or the machine was."""
BLOCKED_S = 0.5
"""If the event loop takes longer than that to answer, nothing else could go on meanwhile."""
FRAMES = 4
"""Calls that a log entry shows of what blocks the event loop."""


class Watch:
    """The thread of one daemon; to be made in its event loop. `words` are systemd's STATUS."""

    def __init__(self, beats: Heartbeats, words: str) -> None:
        self._beats = beats
        self._words: Callable[[], str] = lambda: words
        self._note_lag: Callable[[float], None] = lambda _: None
        self._loop = asyncio.get_running_loop()
        self._loop_part = beats.part(LOOP, restart_helps=True)
        self._asked = False
        self._known: Mapping[str, Stuck] = {}
        self._every = min(watchdog_interval() or EVERY_S, EVERY_S)
        self._ended = threading.Event()
        self._main = threading.get_ident()
        # The log's fields are those of the daemon.
        work = contextvars.copy_context()
        self._thread = threading.Thread(target=work.run, args=(self._run,), name="watch")
        self._thread.daemon = True

    def report_on(self, words: Callable[[], str], note_lag: Callable[[float], None]) -> None:
        """From now on these are the words; `note_lag` gets how long the loop took to answer (s)."""
        self._words, self._note_lag = words, note_lag

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        before = time.monotonic()
        while not self._ended.wait(self._every):
            now = time.monotonic()
            self._note_pause(now - before - self._every)
            before = now
            try:
                self.look()
            except Exception as error:
                log.exception("watch.failed", error_type=type(error).__name__)

    def _note_pause(self, late: float) -> None:
        if late > PAUSED_S:
            self._beats.miss(late)
            log.warning("process.paused", seconds=round(late, 1))

    def look(self) -> None:
        """One round: ask the loop for an answer, say what is news, tell systemd."""
        self._ask_loop()
        stuck = {each.part: each for each in self._beats.stuck()}
        for part, each in stuck.items():
            if part not in self._known:
                self._beats.hangs[part] = self._beats.hangs.get(part, 0) + 1
                self._say(each)
        for part in self._known.keys() - stuck.keys():
            log.info("part.goes_on", part=part)
        self._known = stuck
        feed = [] if any(each.restart_helps for each in stuck.values()) else ["WATCHDOG=1"]
        notify(f"STATUS={self._words()}", *feed)

    def _say(self, stuck: Stuck) -> None:
        facts = {"part": stuck.part, "why": stuck.why, "restart_helps": stuck.restart_helps}
        if stuck.part == LOOP:
            facts["at"] = calls_of(self._main)
        log.error("part.stuck", **facts)

    def _ask_loop(self) -> None:
        if self._asked:
            return
        self._asked = True
        self._loop_part.does("not answering", EVENT_LOOP_S)
        try:
            self._loop.call_soon_threadsafe(self._answer)
        except RuntimeError:
            # The loop is closed.
            self._loop_part.rest()

    def _answer(self) -> None:
        lag = self._loop_part.seconds
        self._note_lag(lag)
        self._loop_part.rest()
        if lag > BLOCKED_S:
            self._beats.miss(lag)
        self._asked = False


def calls_of(thread: int | None) -> str:
    """What the thread of this number does just now, the innermost call first."""
    frame = sys._current_frames().get(thread or 0)  # noqa: SLF001 - documented for this use
    calls = traceback.extract_stack(frame)[-FRAMES:] if frame else []
    return ", ".join(f"{c.name} ({c.filename}:{c.lineno})" for c in reversed(calls))
