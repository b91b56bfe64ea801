"""Plots of the tags that caused an alarm, around its time."""

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

from detectors.evaluation.apply import Judged
from detectors.reporting import plots
from detectors.reporting.page import safe
from gateway.api.model import Floats, Nanos, Times

SHOWN = 100
"""Most alarms that are listed."""
DRAWN = 12
"""Most alarms that are plotted."""
TAGS = 3
"""Tags plotted for each alarm."""
MARGIN = 2
"""Time plotted before and after an alarm, in lengths of the alarm."""
AROUND = 60
"""Fewest rows plotted before and after it."""

Picture = tuple[str, str, Markup]
"""A tag, its unit, and the plot."""


def spans_of(judged: Judged) -> list[tuple[Nanos, Nanos]]:
    """Start and end of each alarm, ns."""
    return [(each.raised, each.cleared or int(judged.at[-1])) for each in judged.episodes]


def alarm_pictures(
    judged: Judged,
    names: Sequence[str],
    times: Times,
    values: Floats,
    units: Mapping[str, str],
) -> list[list[Picture]]:
    """Plots of the strongest tags of the first alarms, from values float64[row, tag] at `times`."""
    step = int(np.median(np.diff(times)))
    column = {name: values[:, number] for number, name in enumerate(names)}
    return [
        [
            (top.tag, units.get(top.tag, ""), _around(times, column[top.tag], span, step))
            for top in episode.top[:TAGS]
        ]
        for episode, span in zip(judged.episodes[:DRAWN], spans_of(judged), strict=False)
    ]


def _around(times: Times, values: Floats, span: tuple[Nanos, Nanos], step: Nanos) -> Markup:
    start, end = span
    margin = max(MARGIN * (end - start), AROUND * step)
    rows = slice(*np.searchsorted(times, (start - margin, end + margin)))
    return safe(plots.around(times[rows], values[rows], span))
