"""When the machine ran, of a recording: what is learnt from where a gate is wished.

Promises
- The gate is the one that runs live, on the rows that the line's alignment makes.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from detectors.data.recordings import Recording
from detectors.data.resample import cut_windows
from detectors.runtime.gate import Gate
from gateway.api.conditions import When, parse_condition
from gateway.api.model import Nanos, Tag, Times, WindowSpec

CELLS = 4_000_000
"""Cells that are looked at in one go, which bounds the memory."""


class Running(NamedTuple):
    """When a machine counts as running: `when` held, for `settle` ns and longer."""

    when: When = ()
    settle: Nanos = 0

    @property
    def tags(self) -> tuple[str, ...]:
        """What it looks at."""
        return tuple(dict.fromkeys(parse_condition(text).tag for text in self.when))

    def __str__(self) -> str:
        return " and ".join(self.when)


ALWAYS = Running()


def ends(
    running: Running,
    recording: Recording,
    period: Nanos,
    length: int,
    hop: int,
    tag_periods: Mapping[str, Nanos],
) -> Times:
    """The ends, ns, of the windows of `length` rows on which the machine ran throughout."""
    tags = {name: Tag(name, "recording", period) for name in recording.names}
    own = WindowSpec((), period, length, hop)
    gate = Gate("train", running.when, running.settle, tags, own, judged=length)
    spec = gate.spec
    windows = cut_windows(recording.only(spec.tags), period, spec.length, hop, tag_periods)
    step = max(1, CELLS // (spec.length * len(spec.tags)))
    parts = [windows[n : n + step] for n in range(0, len(windows), step)]
    found = [
        window.end
        for part in parts
        for window, is_open in zip(part, gate.state(part).is_open, strict=True)
        if is_open
    ]
    return np.array(found, dtype=np.int64)
