"""The tags behind an alarm, drawn around it."""

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

from detectors.evaluation.apply import Judged
from detectors.reporting import plots
from detectors.reporting.page import drawn
from gateway.api.model import Floats, Nanos, Times

SHOWN = 100
"""Alarms that are listed at the most."""
DRAWN = 12
"""Alarms that are drawn at the most."""
TAGS = 3
"""Tags of an alarm that are drawn."""
MARGIN = 2
"""How much is drawn before and after an alarm, in its own lengths."""
AROUND = 60
"""Rows that are drawn before and after it at the least."""

Picture = tuple[str, str, Markup]
"""A tag, its unit, and the plot."""


def spans_of(judged: Judged) -> list[tuple[Nanos, Nanos]]:
    """From when to when each alarm was active."""
    return [(each.raised, each.cleared or int(judged.at[-1])) for each in judged.episodes]


def alarm_pictures(
    judged: Judged,
    names: Sequence[str],
    times: Times,
    values: Floats,
    units: Mapping[str, str],
) -> list[list[Picture]]:
    """For each of the first alarms its strongest tags, of values float64[row, tag] at `times`."""
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
    return drawn(plots.around(times[rows], values[rows], span))
