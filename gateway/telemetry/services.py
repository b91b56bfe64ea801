"""What became of the connections to the daemon's local services: HTTP and the control socket.

Promises
- Every connection that is closed or refused is counted by its reason.
- Each reason is logged at its 1st, 2nd, 4th, 8th … time: a flood of connections is no flood of the
  log.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from gateway.api.masking import mask

log = structlog.get_logger()

REASONS = {
    "crowded": "closed to make room for a newer one",
    "descriptors": "not accepted, because the process has no file descriptor left",
    "failed": "answered with an internal error",
    "foreign": "refused: another user, or the page of another site",
    "malformed": "what came is not HTTP",
    "slow": "closed, because its request did not come or its answer was not taken in time",
    "taps": "refused, because as many watch the line as may",
}
"""Why connections end that were not simply answered."""


@dataclass(slots=True)
class LocalService:
    """One service: open connections, and those that came to nothing."""

    name: str
    open: int = 0
    streams: int = 0
    ended: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(REASONS, 0)))

    def count(self, reason: str) -> int:
        """Count one of REASONS, and return how often that was."""
        self.ended[reason] += 1
        return self.ended[reason]

    def note(self, reason: str, why: str = "") -> None:
        """Count one of REASONS, and log it the more rarely the more often it happens."""
        times = self.count(reason)
        if times & (times - 1) == 0:
            words = why or REASONS[reason]
            log.warning(
                "service.refused", service=self.name, reason=reason, why=mask(words), times=times
            )

    def facts(self) -> Mapping[str, object]:
        """Open connections, how many of them are streams, and the others by reason."""
        return {
            "name": self.name,
            "open": self.open,
            "streams": self.streams,
            "ended": {reason: count for reason, count in self.ended.items() if count},
        }
