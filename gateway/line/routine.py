"""What a line stores whether or not anything happens: its summaries and the gateway's own point.

Promises
- The gateway's point comes at the end of each interval, and the byte ledger is entered with it.
"""

from gateway.api.model import Envelope, Nanos, SampleBatch
from gateway.config.load import LineConfig
from gateway.core import points
from gateway.core.grid import FUTURE_LIMIT
from gateway.core.summary import Summariser
from gateway.telemetry.health import Health


class Routine:
    """The summaries of a line's tags and its own point; `ledger` is the ledger's checkpoint."""

    def __init__(self, config: LineConfig, health: Health, now: Nanos) -> None:
        self._config, self._health = config, health
        self._every = config.file.summaries.every
        self._summariser = Summariser(config.tags, self._every, config.file.timing.lateness, now)
        self.ledger = b"{}"
        self.restart(now)

    def restart(self, now: Nanos) -> None:
        """The next point of the gateway is due at the end of this interval."""
        self._due = (now // self._every + 1) * self._every

    def restore(self, ledger: bytes | None) -> None:
        """Take up the ledger of the last run, if it left one."""
        self.ledger = ledger or self.ledger
        self._health.ledger.restore(self.ledger)

    @property
    def late(self) -> int:
        """Samples that came after the summary of their interval."""
        return self._summariser.late

    def push(self, batch: SampleBatch, now: Nanos) -> None:
        """Take in samples; samples of the future are left out."""
        self._summariser.push(batch.rows(batch.at <= now + FUTURE_LIMIT))

    def advance(self, now: Nanos) -> list[Envelope]:
        """The points whose interval is over."""
        site, line = self._config.site, self._config.line
        summaries = self._summariser.advance(now)
        self._health.summaries += len(summaries)
        envelopes = [points.summary_envelope(summary, site, line) for summary in summaries]
        if now >= self._due:
            self.restart(now)
            self._health.record_bytes(now)
            self.ledger = self._health.ledger.checkpoint()
            fields = self._health.gateway_fields(now)
            envelopes.append(points.gateway_envelope(fields, site, line, now))
        return envelopes
