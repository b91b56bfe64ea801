"""The heartbeats of a line: what each part does or waits for, in one table.

Promises
- Status, metrics, /readyz, systemd's words and the watchdog all follow from this table.
- A part may be told from any thread, and the table read from any other one.
- Time in which the whole process did not run, as on a machine that was suspended, is nobody's wait.
  While the event loop is blocked, only the event loop is waited for.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway.core.heartbeats import PartState, Stuck, Wait, failing, find_stuck

LOOP = "event loop"
_IDLE = "idle"


class Part:
    """One part; `restart_helps` says whether a new process would be rid of what holds it up."""

    def __init__(
        self,
        name: str = "",
        timer: Callable[[], float] = time.monotonic,
        *,
        restart_helps: bool = False,
    ) -> None:
        self.name, self.restart_helps = name, restart_helps
        self._timer = timer
        self._failing: Wait | None = None
        self._wait = Wait(_IDLE, timer())

    def does(self, what: str, limit: float | None = None) -> None:
        """It begins something that takes at most `limit` seconds; None: as long as it takes."""
        self._wait = Wait(what, self._timer(), limit)

    def beat(self) -> None:
        """It goes on with what it does, and does not fail any more."""
        self._failing = None
        self.progress()

    def progress(self) -> None:
        """It goes on with what it does."""
        self.does(self._wait.what, self._wait.limit)

    def rest(self) -> None:
        """It has nothing to do."""
        self.does(_IDLE)

    def fail(self, why: str) -> None:
        """It failed; it is stuck if it fails for long without a `beat`."""
        self._failing = failing(self._failing, why, self._timer())

    @contextmanager
    def during(self, what: str, limit: float | None = None) -> Iterator[None]:
        """It does something in between, and goes on with what it did before."""
        before = self._wait
        self.does(what, limit)
        try:
            yield
        finally:
            self.does(before.what, before.limit)

    @property
    def state(self) -> PartState:
        """What it does now."""
        return PartState(self.name, self._wait, self._failing, self.restart_helps)

    @property
    def seconds(self) -> float:
        """For how long it does what it does."""
        return max(self._timer() - self._wait.since, 0.0)


class Heartbeats:
    """The parts of one line by name."""

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer, self._missed = timer, 0.0
        self._parts: dict[str, Part] = {}
        self.hangs: dict[str, int] = {}
        """How often each part got stuck, for those that did."""

    def now(self) -> float:
        """The time in s in which this process ran."""
        return self._timer() - self._missed

    def miss(self, seconds: float) -> None:
        """The process, or its event loop, did not run for so long."""
        self._missed += seconds

    def part(self, name: str, *, restart_helps: bool = False) -> Part:
        """The part of this name, a new one if there is none."""
        if name not in self._parts:
            part = Part(name, self.now, restart_helps=restart_helps)
            # Replaced as a whole: another thread may be reading it.
            self._parts = {**self._parts, name: part}
        return self._parts[name]

    def end(self, *kept: str) -> None:
        """The line stops: its parts end in their own time, except those that are `kept`."""
        self._parts = {name: part for name, part in self._parts.items() if name in kept}

    def __iter__(self) -> Iterator[Part]:
        return iter(self._parts.values())

    def stuck(self) -> list[Stuck]:
        """The parts that are stuck now."""
        now, loop = self.now(), self._parts.get(LOOP)
        blocked = loop.seconds if loop is not None and loop.state.wait.limit is not None else 0.0
        others = [part.state for part in self if part is not loop]
        stuck = find_stuck(others, now - blocked)
        return [*(find_stuck([loop.state], now) if loop else ()), *stuck]

    def facts(self) -> list[dict[str, object]]:
        """Each part for a status: what it does, for how long, its limit, and why it is stuck."""
        why = {stuck.part: stuck.why for stuck in self.stuck()}
        states = [part.state for part in self]
        return [
            {
                "part": state.part,
                "does": state.wait.what,
                "for_s": round(max(self.now() - state.wait.since, 0.0), 1),
                "limit_s": state.wait.limit,
                "stuck": why.get(state.part, ""),
                "hangs": self.hangs.get(state.part, 0),
                "restart_helps": state.restart_helps,
            }
            for state in states
        ]
