"""Keeps one source open: reopens the connector's session whenever it ends.

Promises
- A connector never retries; every reconnect, its back-off and its log line are here.
- Data flows again within the back-off's cap (3 s) of the source's return.
- Change is logged, not repetition: once when the source is lost, once when it is back. It is back
  with its first data; one that can only listen is back when it listens.
- A source that is lost makes its tags bad at once: the last values are not held as if they stood
  still, so that silence never looks like an anomaly.
- The source's `timestamp` option is applied here, before anything else sees or records a sample.
"""

import asyncio
import time

import numpy as np
import structlog

from gateway.api.cancellation import heed_cancellation
from gateway.api.contracts import ConfigError, Connector, HasDiagnostics, MayBeSilent, SourceLost
from gateway.api.going_on import reporting_to
from gateway.api.model import Nanos, Quality, SampleBatch
from gateway.core.backoff import Backoff
from gateway.core.time_correction import TimeCorrection
from gateway.core.wait_limits import CONNECTING_S, SILENCE_S
from gateway.line.inbox import Inbox
from gateway.telemetry.heartbeats import Part
from gateway.telemetry.source_health import SourceHealth

log = structlog.get_logger()

STEADY_S = 10.0
"""A session that delivered this long resets the back-off."""
LOGGED = 10
"""Tags that a log entry names; the others are counted."""
HUMAN_S = 30.0
"""Retry interval for what only a human can mend."""


async def keep_reading(
    connector: Connector,
    tags: range,
    inbox: Inbox,
    health: SourceHealth,
    correction: TimeCorrection | None = None,
    *,
    part: Part | None = None,
    silence: float = SILENCE_S,
) -> None:
    """Read for ever; returns only by cancellation or by a bug in the connector.

    `tags` are the connector's own among the line's. A connector that does not only listen is stuck
    if it delivers nothing for `silence` seconds.
    """
    correction = correction or TimeCorrection((), "source")
    part = part or Part()
    limit = None if _listens(connector) else silence
    backoff = Backoff(first=0.25, cap=3.0)
    if isinstance(connector, HasDiagnostics):
        health.diagnostics = connector.diagnostics
    while True:
        opened, delivered = time.monotonic(), health.samples
        try:
            part.does("connecting", CONNECTING_S)
            with reporting_to(part.progress):
                await _read_session(connector, tags.start, inbox, health, correction, part, limit)
        except SourceLost as lost:
            if health.note_lost(str(lost)):
                log.warning("source.lost", source=health.name, why=health.error)
            wait = lost.wait
        except ConfigError as wrong:
            # A certificate or a secret that somebody may put right while the line runs on.
            if health.note_lost(str(wrong)):
                log.error("source.misconfigured", source=health.name, why=health.error)
            wait = HUMAN_S
        except Exception as bug:
            # The supervisor logs it and starts this again.
            health.note_lost(f"{type(bug).__name__}: {bug}")
            inbox.put(bad_batch(len(tags), time.time_ns(), health.error), tags.start)
            part.does("waiting after a failure")
            raise
        if health.samples != delivered:
            inbox.put(bad_batch(len(tags), time.time_ns(), health.error), tags.start)
        if time.monotonic() - opened > STEADY_S:
            backoff.reset()
        heed_cancellation()
        part.does("waiting to connect again")
        await asyncio.sleep(max(wait, backoff.next()))


def bad_batch(tags: int, now: Nanos, why: str) -> SampleBatch:
    """One bad sample for each tag of a source that is away, which is why."""
    return SampleBatch(
        np.arange(tags, dtype=np.int32),
        np.full(tags, now, dtype=np.int64),
        np.full(tags, np.nan),
        np.full(tags, Quality.BAD, dtype=np.uint8),
        reasons=dict.fromkeys(range(tags), why),
    )


async def _read_session(
    connector: Connector,
    first_tag: int,
    inbox: Inbox,
    health: SourceHealth,
    correction: TimeCorrection,
    part: Part,
    silence: float | None,
) -> None:
    async with connector.open() as batches:
        if _listens(connector):
            _note_up(health)
            part.does("listening")
        async for batch in batches:
            part.does("waiting for data", silence)
            _note_up(health)
            health.note(inbox.put(correction.apply(batch, time.time_ns()), first_tag))
            _log_corrections(correction, health)
            heed_cancellation()
    raise SourceLost("the session ended")


def _listens(connector: Connector) -> bool:
    """Whether it is up once it is open, even without any data."""
    return isinstance(connector, MayBeSilent) and connector.listens


def _log_corrections(correction: TimeCorrection, health: SourceHealth) -> None:
    for change in correction.news():
        health.corrected = correction.corrected
        facts = {"source": health.name, "count": len(change.tags), "tags": [*change.tags[:LOGGED]]}
        if change.by:
            log.warning("source.time_corrected", **facts, by=change.by)
        else:
            log.warning("source.time_not_corrected", **facts)


def _note_up(health: SourceHealth) -> None:
    if not health.up:
        log.info("source.up", source=health.name, away_s=health.note_up())
