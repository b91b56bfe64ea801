"""Ends a daemon that was asked to stop and cannot: a disk that hangs holds a thread, or the loop.

Promises
- What is not over `LAST_S` after the signal is ended by force, below the unit's `TimeoutStopSec`;
  the log says what was waited for. Correctness needs no polite end.
- It needs no event loop: the loop may be what is stuck.
"""

import contextvars
import os
import signal
import threading
import time
from types import FrameType

import structlog

from gateway.telemetry.watch import calls_of

log = structlog.get_logger()

LAST_S = 15.0
STATUS = 74
"""As of a disk that fails (gateway/cli/run.py)."""


def watch_for(*numbers: signal.Signals) -> None:
    """Limits the time after the first of these signals; the loop handles them as before.

    To be called in the main thread, after the loop has its handlers.
    """
    begun: list[threading.Thread] = []
    work = contextvars.copy_context()

    def begin(_number: int, _frame: FrameType | None) -> None:
        if not begun:
            begun.append(threading.Thread(target=work.run, args=(_end_by_force,), name="ending"))
            begun[0].daemon = True
            begun[0].start()

    for number in numbers:
        # The loop itself hears of a signal by a pipe, which this leaves as it is.
        signal.signal(number, begin)


def _end_by_force() -> None:
    time.sleep(LAST_S)
    at = calls_of(threading.main_thread().ident)
    log.error("line.ended_by_force", why=f"it did not stop within {LAST_S:g} s", at=at)
    os._exit(STATUS)
