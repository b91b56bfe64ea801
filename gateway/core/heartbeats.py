"""Which parts of a line are stuck: a plain function of what each of them waits for. Pure.

Promises
- A part is stuck if its wait is longer than the limit that it declared, or if it fails again and
  again. A part whose wait has no limit is not: it waits for work, or for another part.
- What is stuck is one sentence, which names the part, what it does, for how long, and the limit.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.core.wait_limits import FAILING_S


@dataclass(frozen=True, slots=True)
class Wait:
    """What a part does, since a time in s on some clock; `limit` in s, None for no limit."""

    what: str
    since: float
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class PartState:
    """What a part does, and since when and how it fails, if it does."""

    part: str
    wait: Wait
    failing: Wait | None = None
    restart_helps: bool = False
    """Whether a new process would be rid of it: not for what depends on a server or a device."""


@dataclass(frozen=True, slots=True)
class Stuck:
    """A part that is stuck, as a sentence."""

    part: str
    what: str
    seconds: float
    limit: float
    restart_helps: bool

    @property
    def why(self) -> str:
        """'sending 12 points for 34 s, limit 30 s'."""
        return f"{self.what} for {self.seconds:.0f} s, limit {self.limit:.0f} s"

    def __str__(self) -> str:
        return f"{self.part}: {self.why}"


def find_stuck(parts: Iterable[PartState], now: float) -> list[Stuck]:
    """The parts that are stuck at `now`, which is on the clock of their times."""
    return [stuck for state in parts if (stuck := _stuck(state, now)) is not None]


def _stuck(state: PartState, now: float) -> Stuck | None:
    for wait in (state.wait, state.failing):
        if wait is not None and wait.limit is not None and now - wait.since > wait.limit:
            seconds = now - wait.since
            return Stuck(state.part, wait.what, seconds, wait.limit, state.restart_helps)
    return None


def failing(before: Wait | None, why: str, now: float) -> Wait:
    """A part has failed at `now`; `before` is how it was failing already."""
    return Wait(f"failing ({why})", before.since if before else now, FAILING_S)
