"""Keeps one source open: the connector opens a session, this reopens it.

Promises
- A connector never retries; every reconnect, its back-off and its log line are here.
- Data flows again within the back-off's cap (3 s) of the source's return.
- Change is logged, not repetition: once when the source is lost, once when it is back.
"""

import asyncio
import time

import structlog

from gateway.backoff import Backoff
from gateway.contracts import ConfigError, Connector, SourceLost
from gateway.health import SourceHealth
from gateway.inbox import Inbox

log = structlog.get_logger()

STEADY_S = 10.0
"""A session that delivered this long resets the back-off."""
HUMAN_S = 30.0
"""What only a human can mend is tried this often."""


async def keep_reading(
    connector: Connector, first_tag: int, inbox: Inbox, health: SourceHealth
) -> None:
    """Read for ever; returns only by cancellation or by a bug in the connector."""
    backoff = Backoff(first=0.25, cap=3.0)
    while True:
        opened = time.monotonic()
        try:
            await _read_session(connector, first_tag, inbox, health)
        except SourceLost as lost:
            if health.note_lost(str(lost)):
                log.warning("source.lost", source=health.name, why=str(lost))
            wait = lost.wait
        except ConfigError as wrong:
            # A certificate or a secret that somebody may put right while the line runs on.
            if health.note_lost(str(wrong)):
                log.error("source.misconfigured", source=health.name, why=str(wrong))
            wait = HUMAN_S
        if time.monotonic() - opened > STEADY_S:
            backoff.reset()
        await asyncio.sleep(max(wait, backoff.next()))


async def _read_session(
    connector: Connector, first_tag: int, inbox: Inbox, health: SourceHealth
) -> None:
    async with connector.open() as batches:
        async for batch in batches:
            if not health.up:
                log.info("source.up", source=health.name, away_s=health.note_up())
            health.note(batch)
            inbox.put(batch, first_tag)
    raise SourceLost("the session ended")
