"""Supervision of every task of a line: restart it, or end the process.

Promises
- A task that fails unexpectedly is logged with its traceback, counted and restarted after a
  back-off; the other tasks run on.
- `Fatal` goes through: the process ends and systemd restarts it. There is no third policy.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from gateway.api.cancellation import heed_cancellation
from gateway.api.contracts import Fatal
from gateway.core.backoff import Backoff

log = structlog.get_logger()

HEALTHY_S = 30.0
"""Resets the back-off after this long without a failure."""


async def supervise(
    name: str, run: Callable[[], Awaitable[object]], on_failure: Callable[[], None]
) -> None:
    """Keep `run` running; it is expected never to return."""
    backoff = Backoff(first=0.5, cap=5.0)
    while True:
        started = time.monotonic()
        try:
            await run()
        except Fatal:
            raise
        except Exception as error:
            log.exception("task.failed", task=name, error_type=type(error).__name__)
        else:
            log.error("task.ended", task=name)
        on_failure()
        if time.monotonic() - started > HEALTHY_S:
            backoff.reset()
        heed_cancellation()
        await asyncio.sleep(backoff.next())
