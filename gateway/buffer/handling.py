"""Operations on points that the buffer is given, since it does not read their bytes itself."""

from collections.abc import Sequence
from typing import Protocol

from gateway.api.model import Envelope, Loss, Nanos


class PointHandling(Protocol):
    """Reads, merges and creates points for the buffer."""

    merge_interval: Nanos
    """Summaries of one interval since 1970 may become one."""

    def merge(self, summaries: Sequence[Envelope]) -> tuple[Sequence[Envelope], Sequence[int]]:
        """Merge stored summaries; returns what is written, and the numbers that it replaces.

        A merged summary has the highest number of its parts. Whatever cannot be merged is in
        neither list.
        """
        ...

    def alarm(self, alert: Envelope) -> tuple[str, bool] | None:
        """The id of the alarm in a stored alert, and whether it is active; None if unreadable."""
        ...

    def gap_marker(self, loss: Loss, at: Nanos) -> Envelope:
        """The point that reports a loss to the cloud."""
        ...
