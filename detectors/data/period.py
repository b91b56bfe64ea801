"""The period of the grid on which a recording is learnt.

Promises
- A line's own periods are used where the data has them: a model lives on the grid of its line.
- Without a line, a step that no line would have is said, since it shows that rows are missing or
  that tags were recorded one by one.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from detectors.data.resample import typical_step
from gateway.api.model import SECOND, Nanos
from gateway.api.options import format_duration
from gateway.history.reading import current
from gateway.history.wide import Recording

_MS: Nanos = 1_000_000
_MINUTE, _HOUR = 60 * SECOND, 3600 * SECOND
_USUAL = (
    *(n * _MS for n in (1, 2, 4, 5, 10, 20, 25, 40, 50, 100, 200, 250, 500)),
    *(n * SECOND for n in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)),
    *(n * _MINUTE for n in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)),
    *(n * _HOUR for n in (1, 2, 3, 4, 6, 8, 12, 24)),
)
"""Periods that lines have."""
_NEAR = 0.05
"""Share by which a measured step may differ from the period that is meant."""
_AS_FAST = 1.5
"""How much slower than its line a recording may be on the line's grid."""


def grid_period(recording: Recording, tag_periods: Mapping[str, Nanos]) -> Nanos:
    """The period for these tags, ns; `tag_periods` are those of a line file, by name."""
    measured = min(_own_steps(recording), default=None) or typical_step(recording.times)
    usual = min(_USUAL, key=lambda period: abs(period - measured))
    is_usual = abs(usual - measured) <= _NEAR * usual
    of_line = [tag_periods[name] for name in recording.names if name in tag_periods]
    if of_line and measured <= _AS_FAST * min(of_line):
        return min(of_line)
    period = usual if is_usual else measured
    if not is_usual:
        current().tell(
            f"the data has a row every {format_duration(period)}, and so has the grid of the "
            "model; if the line reads its tags more evenly, give its file or --period"
        )
    elif of_line:
        current().tell(
            f"the data has a row every {format_duration(period)}, and the line a sample every "
            f"{format_duration(min(of_line))}: the grid of the model is that of the data"
        )
    return period


def _own_steps(recording: Recording) -> Iterator[Nanos]:
    """The typical step of each tag's own samples, as rows may hold one tag at a time."""
    for column in recording.values.T:
        times = recording.times[~np.isnan(column)]
        if len(times) > 1 and times[0] < times[-1]:
            yield typical_step(times)
