"""Supervision of every task of a line: restart it, or end the process.

Promises
- A task that fails unexpectedly is logged with its traceback, counted and restarted after a
  back-off; the other tasks run on.
- A failure that repeats is logged at its 1st, 2nd, 4th, 8th … time, without the traceback.
- `Fatal` goes through: the process ends and systemd restarts it. There is no third policy.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from gateway.api.cancellation import heed_cancellation
from gateway.api.contracts import Fatal
from gateway.api.masking import mask
from gateway.core.backoff import Backoff

log = structlog.get_logger()

HEALTHY_S = 30.0
"""Resets the back-off after this long without a failure."""


async def supervise(
    name: str, run: Callable[[], Awaitable[object]], on_failure: Callable[[str], None]
) -> None:
    """Keep `run` running; it is expected never to return. `on_failure` gets the reason."""
    backoff = Backoff(first=0.5, cap=5.0)
    last, times = "", 0
    while True:
        started = time.monotonic()
        try:
            await run()
        except Fatal:
            raise
        except Exception as error:
            times = times + 1 if repr(error) == last else 1
            last = repr(error)
            facts = {"task": name, "error_type": type(error).__name__}
            if times == 1:
                log.exception("task.failed", **facts)
            elif times & (times - 1) == 0:
                log.error("task.failed", **facts, why=str(error), times=times)
            on_failure(mask(f"{type(error).__name__}: {error}"))
        else:
            log.error("task.ended", task=name)
            on_failure("it ended")
        if time.monotonic() - started > HEALTHY_S:
            backoff.reset()
            last = ""
        heed_cancellation()
        await asyncio.sleep(backoff.next())
