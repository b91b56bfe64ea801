"""Plots as inline SVG: no script, nothing fetched, no text from outside.

Promises
- A plot contains only numbers and times; tag names are in the page beside it, where they are
  escaped.
- The size of a plot is bounded whatever the length of the data: many points are drawn as a range.
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
"""Most points of a line in a plot."""
BINS = 40
"""Bins of a histogram."""
MIN_LABEL_GAP = 0.022
"""Least distance between two numbered alarms, as a share of the time axis, to be legible."""
MAX_SHADED = 500
"""Most spans that are shaded."""
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


class PlotSeries(NamedTuple):
    """Points of a line: times datetime64[n], and lowest, mean and highest value float64[n]."""

    at: Any
    low: Floats
    mean: Floats
    high: Floats


def downsampled(times: Times, values: Floats) -> PlotSeries:
    """At most POINTS points, equally spaced in time, with NaN where there is no data."""
    if len(times) <= POINTS:
        return _points(times, values)
    edges = np.linspace(times[0], times[-1] + 1, POINTS + 1)
    bins = np.minimum(np.searchsorted(edges, times, side="right") - 1, POINTS - 1)
    starts = np.flatnonzero(np.diff(bins, prepend=-1))
    count = np.add.reduceat(~np.isnan(values), starts, dtype=np.float64)
    full = np.full((3, POINTS), np.nan)
    full[0, bins[starts]] = np.fmin.reduceat(values, starts)
    full[1, bins[starts]] = np.add.reduceat(np.nan_to_num(values), starts) / np.maximum(count, 1)
    full[2, bins[starts]] = np.fmax.reduceat(values, starts)
    full[1, np.isnan(full[0])] = np.nan
    return PlotSeries(_moment((edges[:-1] + edges[1:]).astype(np.int64) // 2), *full)


def _points(times: Times, values: Floats) -> PlotSeries:
    steps = np.diff(times)
    gaps = np.flatnonzero(steps > 3 * np.median(steps)) + 1 if len(steps) else steps
    at = np.insert(times, gaps, times[gaps - 1] + 1)
    shown = np.insert(values, gaps, np.nan)
    return PlotSeries(_moment(at), shown, shown, shown)


def scores(
    times: Times,
    values: Floats,
    threshold: float,
    alarms: Sequence[Span] = (),
    labels: Sequence[Span] = (),
) -> str:
    """Plot of the scores over time, with threshold, alarms numbered from 1, and labelled spans."""
    figure, [axis] = _figure(9.0, 2.3)
    _shade(axis, alarms, _ALARM)
    _shade(axis, labels, _LABEL, upto=0.08)
    shown = downsampled(times, values)
    axis.plot(shown.at, shown.high, color=_LINE)
    axis.axhline(threshold, color=_LIMIT, linestyle=(0, (5, 3)), linewidth=1.2)
    highest = max(threshold, float(np.nanmax(values, initial=0.0)))
    if highest > 5 * threshold:
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter("{x:g}")
    else:
        axis.set_ylim(0, 1.15 * highest)
    gap = MIN_LABEL_GAP * float(times[-1] - times[0])
    for number, start in _numbered(alarms, gap):
        top = (_moment(start), 1.02)
        axis.annotate(str(number), top, xycoords=("data", "axes fraction"), fontsize=8)
    axis.set_ylabel("anomaly score")
    return _svg(figure)


def _numbered(alarms: Sequence[Span], gap: float) -> Iterator[tuple[int, Nanos]]:
    """Yields number and start of each alarm that starts at least `gap` after the last one."""
    free = -math.inf
    for number, (start, _) in enumerate(alarms, 1):
        if start >= free:
            yield number, start
            free = start + gap


def around(times: Times, values: Floats, alarm: Span) -> str:
    """Plot of one tag around an alarm, which is shaded."""
    figure, [axis] = _figure(4.2, 1.25)
    _shade(axis, [alarm], _ALARM)
    _draw(axis, downsampled(times, values))
    return _svg(figure)


def tag(times: Times, values: Floats) -> str:
    """Plot of one tag over all of the data, with its histogram."""
    figure, [trend, histogram] = _figure(4.2, 1.35, widths=(4, 1))
    _draw(trend, downsampled(times, values))
    known = values[~np.isnan(values)]
    count, edges = np.histogram(known, bins=BINS)
    histogram.stairs(count, edges, orientation="horizontal", fill=True, color=_LINE)
    histogram.sharey(trend)
    histogram.tick_params(labelleft=False, labelbottom=False, left=False, bottom=False)
    histogram.spines[["left", "bottom"]].set_visible(False)
    return _svg(figure)


def _figure(width: float, height: float, widths: Sequence[float] = (1,)) -> tuple[Figure, Any]:
    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots(1, len(widths), width_ratios=widths, squeeze=False)[0]
    # With fewer ticks the locator has no interval for some lengths.
    locator = AutoDateLocator(None, *((2, 5) if width < 5 else (3, 9)))
    axes[0].xaxis.set_major_locator(locator)
    axes[0].xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes[0].yaxis.set_major_locator(MaxNLocator(4))
    return figure, axes


def _draw(axis: Any, shown: PlotSeries) -> None:
    axis.fill_between(shown.at, shown.low, shown.high, color=_RANGE, linewidth=0)
    axis.plot(shown.at, shown.mean, color=_LINE)


def _shade(axis: Any, spans: Sequence[Span], colour: str, upto: float = 1.0) -> None:
    """Shades spans, up to a share of the height."""
    for start, end in spans[:MAX_SHADED]:
        axis.axvspan(_moment(start), _moment(end), ymax=upto, color=colour, linewidth=0.8)


def _moment(at: Nanos | Times) -> Any:
    return np.asarray(at).astype("datetime64[ns]")


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    with rc_context(_STYLE):
        figure.savefig(text, format="svg", metadata=_NO_METADATA, transparent=True)
    plain = text.getvalue()[text.getvalue().index("<svg") :]
    # Each plot numbers its groups from 1, but an id must be unique within a page.
    return re.sub(r'<g id="[^"]*"', "<g", plain)
