"""Selection of the windows in which the machine ran, for a training with a gate.

Promises
- The gate is the one that runs live, on rows aligned as on a line.
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
"""Cells processed at once, which bounds the memory."""


class Running(NamedTuple):
    """Conditions under which a machine is running: `when` has held for `settle` ns or longer."""

    when: When = ()
    settle: Nanos = 0

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags of the conditions."""
        return tuple(dict.fromkeys(parse_condition(text).tag for text in self.when))

    def __str__(self) -> str:
        return " and ".join(self.when)


ALWAYS = Running()


def running_ends(
    running: Running,
    recording: Recording,
    period: Nanos,
    length: int,
    hop: int,
    tag_periods: Mapping[str, Nanos],
) -> Times:
    """Ends, ns, of the windows of `length` rows in which the machine ran throughout."""
    tags = {name: Tag(name, "recording", period) for name in recording.names}
    own = WindowSpec((), period, length, hop)
    gate = Gate("train", running.when, running.settle, tags, own, judged=length)
    spec = gate.spec
    windows = cut_windows(recording.only(spec.tags), period, spec.length, hop, tag_periods)
    step = max(1, CELLS // (spec.length * len(spec.tags)))
    parts = [windows[n : n + step] for n in range(0, len(windows), step)]
    ends = [
        window.end
        for part in parts
        for window, is_open in zip(part, gate.state(part).is_open, strict=True)
        if is_open
    ]
    return np.array(ends, dtype=np.int64)
