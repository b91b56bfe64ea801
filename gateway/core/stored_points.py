"""What the buffer needs to know of the points it stores. Pure.

The buffer keeps bytes; this reads them for it, so that the format of a point is known here alone.
"""

from collections.abc import Sequence

from gateway.api import line_protocol
from gateway.api.model import Envelope, Loss, Nanos
from gateway.core import points, summary_merge


class StoredPoints:
    """The points of one line of one site."""

    merge_interval: Nanos = summary_merge.INTERVAL

    def __init__(self, site: str, line: str) -> None:
        self._site, self._line = site, line

    def merge(self, summaries: Sequence[Envelope]) -> tuple[list[Envelope], list[int]]:
        """Merge the summaries of each series and interval."""
        return summary_merge.merge_summaries(summaries)

    def alarm(self, alert: Envelope) -> tuple[str, bool] | None:
        """The id of the alarm, and whether it is active; None for what is not an alert."""
        try:
            fields = line_protocol.decode(alert.body).fields
        except ValueError:
            return None
        return str(fields.get("id", "")), bool(fields.get("active"))

    def gap_marker(self, loss: Loss, at: Nanos) -> Envelope:
        """The point that reports a loss to the cloud."""
        span = (loss.kind, loss.reason, loss.count, loss.since, loss.until)
        return points.gap_envelope(*span, self._site, self._line, at)
