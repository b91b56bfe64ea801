"""Plots as SVG to stand in a page: no script, nothing fetched, no text that somebody else wrote.

Promises
- Only numbers and times are drawn; names stand in the page beside the plot, where they are escaped.
- However long the data is, a plot has a bounded size: many points are drawn as their range.
- The same data gives the same bytes.
"""

import io
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gateway.api.model import Floats, Nanos, Times

POINTS = 400
"""Columns of a plot at the most."""
BINS = 40
APART, SHADED = 0.022, 500
"""Share of the time between two alarms that both get their number, so that these can be read;
stretches that are shaded at the most."""
_LINE, _RANGE, _LIMIT, _ALARM, _LABEL = "#1d4f7c", "#b9cfe2", "#8f1d1d", "#efc3bd", "#8a7a3c"
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "andon",
    "font.size": 9,
    "axes.edgecolor": "#777777",
    "axes.labelcolor": "#333333",
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.0,
}
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))

Span = tuple[Nanos, Nanos]


class Columns(NamedTuple):
    """What is drawn: times datetime64[n], and the least, middle and greatest value there."""

    at: Any
    low: Floats
    mean: Floats
    high: Floats


def columns(times: Times, values: Floats) -> Columns:
    """At most POINTS columns of equal length in time, with a hole where there is nothing."""
    if len(times) <= POINTS:
        return _points(times, values)
    edges = np.linspace(times[0], times[-1] + 1, POINTS + 1)
    place = np.minimum(np.searchsorted(edges, times, side="right") - 1, POINTS - 1)
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    count = np.add.reduceat(~np.isnan(values), starts, dtype=np.float64)
    full = np.full((3, POINTS), np.nan)
    full[0, place[starts]] = np.fmin.reduceat(values, starts)
    full[1, place[starts]] = np.add.reduceat(np.nan_to_num(values), starts) / np.maximum(count, 1)
    full[2, place[starts]] = np.fmax.reduceat(values, starts)
    full[1, np.isnan(full[0])] = np.nan
    return Columns(_moment((edges[:-1] + edges[1:]).astype(np.int64) // 2), *full)


def _points(times: Times, values: Floats) -> Columns:
    steps = np.diff(times)
    holes = np.flatnonzero(steps > 3 * np.median(steps)) + 1 if len(steps) else steps
    at = np.insert(times, holes, times[holes - 1] + 1)
    shown = np.insert(values, holes, np.nan)
    return Columns(_moment(at), shown, shown, shown)


def scores(
    times: Times,
    values: Floats,
    threshold: float,
    alarms: Sequence[Span] = (),
    labels: Sequence[Span] = (),
) -> str:
    """The highest scores over time, the threshold, alarms numbered from 1, labelled stretches."""
    figure, [axis] = _figure(9.0, 2.3)
    _shade(axis, alarms, _ALARM)
    _shade(axis, labels, _LABEL, upto=0.08)
    shown = columns(times, values)
    axis.plot(shown.at, shown.high, color=_LINE)
    axis.axhline(threshold, color=_LIMIT, linestyle=(0, (5, 3)), linewidth=1.2)
    highest = max(threshold, float(np.nanmax(values, initial=0.0)))
    if highest > 5 * threshold:
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter("{x:g}")
    else:
        axis.set_ylim(0, 1.15 * highest)
    room = APART * float(times[-1] - times[0])
    for number, start in _numbered(alarms, room):
        top = (_moment(start), 1.02)
        axis.annotate(str(number), top, xycoords=("data", "axes fraction"), fontsize=8)
    axis.set_ylabel("strangeness")
    return _svg(figure)


def _numbered(alarms: Sequence[Span], room: float) -> Iterator[tuple[int, Nanos]]:
    """The number and the start of those that begin so long after the last of them."""
    free = -math.inf
    for number, (start, _) in enumerate(alarms, 1):
        if start >= free:
            yield number, start
            free = start + room


def around(times: Times, values: Floats, alarm: Span) -> str:
    """One tag around an alarm, which is shaded."""
    figure, [axis] = _figure(4.2, 1.25)
    _shade(axis, [alarm], _ALARM)
    _draw(axis, columns(times, values))
    return _svg(figure)


def tag(times: Times, values: Floats) -> str:
    """One tag over all of the data, and how often it had which value."""
    figure, [trend, shares] = _figure(4.2, 1.35, widths=(4, 1))
    _draw(trend, columns(times, values))
    known = values[~np.isnan(values)]
    count, edges = np.histogram(known, bins=BINS)
    shares.stairs(count, edges, orientation="horizontal", fill=True, color=_LINE)
    shares.sharey(trend)
    shares.tick_params(labelleft=False, labelbottom=False, left=False, bottom=False)
    shares.spines[["left", "bottom"]].set_visible(False)
    return _svg(figure)


def _figure(width: float, height: float, widths: Sequence[float] = (1,)) -> tuple[Figure, Any]:
    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots(1, len(widths), width_ratios=widths, squeeze=False)[0]
    # With fewer ticks than this there are lengths for which the locator knows no distance.
    locator = AutoDateLocator(None, *((2, 5) if width < 5 else (3, 9)))
    axes[0].xaxis.set_major_locator(locator)
    axes[0].xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes[0].yaxis.set_major_locator(MaxNLocator(4))
    return figure, axes


def _draw(axis: Any, shown: Columns) -> None:
    axis.fill_between(shown.at, shown.low, shown.high, color=_RANGE, linewidth=0)
    axis.plot(shown.at, shown.mean, color=_LINE)


def _shade(axis: Any, spans: Sequence[Span], colour: str, upto: float = 1.0) -> None:
    """Of the height as much as `upto`."""
    for start, end in spans[:SHADED]:
        axis.axvspan(_moment(start), _moment(end), ymax=upto, color=colour, linewidth=0.8)


def _moment(at: Nanos | Times) -> Any:
    return np.asarray(at).astype("datetime64[ns]")


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    with rc_context(_STYLE):
        figure.savefig(text, format="svg", metadata=_NO_METADATA, transparent=True)
    plain = text.getvalue()[text.getvalue().index("<svg") :]
    # Groups are numbered in every plot anew; in one page a name may come only once.
    return re.sub(r'<g id="[^"]*"', "<g", plain)
