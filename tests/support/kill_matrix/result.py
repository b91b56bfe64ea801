"""What a cell of the matrix shows, and whether that is good enough (pure)."""

from dataclasses import asdict, dataclass

from kill_matrix.faults import Fault

WITHIN_S = 5.0
"""The goal for every recovery."""


@dataclass(frozen=True)
class Figures:
    """What a cell shows; times in s, None for never.

    notice: from the fault to the first tag that is not fresh; None if all of them always were.
    recover: from the end of its cause until all tags are fresh again. neighbours: where only some
    tags are gone, from the fault until the others are fresh. lost: samples of one tag that the
    plant had and that never came, the most of any tag. wrong: values taken for good that were not
    true. leaked: sessions or connections that stayed on the server besides the one in use.
    """

    notice: float | None
    recover: float | None
    lost: int
    wrong: int
    leaked: int
    neighbours: float | None = None
    said: str = ""
    """What the operator was told when the fault ended."""


@dataclass(frozen=True)
class Cell:
    """One fault against one kind of plant; no `figures` where there is no such fault.

    `broken` says why there are none although there should be.
    """

    kind: str
    fault: Fault
    figures: Figures | None
    broken: str = ""

    @property
    def is_harmless(self):
        """Read again, sooner or later, with no wrong value and nothing left behind."""
        figures = self.figures
        if figures is None:
            return not self.broken
        return figures.recover is not None and figures.wrong == figures.leaked == 0

    @property
    def meets_goal(self):
        """And read again in time, without loss where the server keeps what is cut off."""
        figures = self.figures
        if figures is None or not self.is_harmless:
            return self.is_harmless
        is_lossless = figures.lost == 0 or not (self.kind == "opcua" and self.fault.is_cut)
        return is_lossless and max(figures.recover, figures.neighbours or 0) <= WITHIN_S

    def facts(self):
        """As JSON."""
        why = self.fault.without.get(self.kind, self.broken)
        figures = None if self.figures is None else asdict(self.figures)
        head = {"protocol": self.kind, "fault": self.fault.name}
        return head | {"figures": figures, "without": why, "met": self.meets_goal}
