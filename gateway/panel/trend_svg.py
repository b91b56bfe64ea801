"""The trend of a tag as an inline SVG, and a small one without axes (pure).

`trend` is what GET /trend gives for one tag: {"unit", "t", "min", "mean", "max"}. A page includes
the text unescaped, and `static/trend.css` once, whose custom properties a theme sets. JavaScript is
not needed.

    trend_svg("power", facts["tags"]["power"], since=since, until=until, ident="trend-1",
              limits=[("limit", 5.0)], anomaly=(began_at, at), expected=4.2)
    sparkline_svg("power", facts["tags"]["power"], since=since, until=until, ident="spark-1")

Promises
- Names, units and labels are escaped, and control characters in them visible: a daemon, a device
  or a line file chose them. What is no number is a gap.
- Colours and strokes are the stylesheet's: there is no style attribute, which the panel's
  Content-Security-Policy forbids, and no information is in a colour alone.
- A screen reader has the range, the newest value, the limits, the shaded time and the gaps.
- A limit or an expected value far outside the data is named at the edge and does not flatten them.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo
from itertools import pairwise
from typing import Any, NamedTuple

from gateway.api.model import Nanos
from gateway.api.visible import brief
from gateway.panel import svg
from gateway.panel.axes import tick_text, time_texts, time_ticks, value_ticks
from gateway.panel.curve import (
    Band,
    Bin,
    Marked,
    description,
    marked,
    quantity,
    segments,
    span,
    value_range,
)

WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 74, 12, 26, 40
SPARK = (160, 32)
TEXT_HEIGHT = 15
SIGN_WIDTH = 7.2
MOST_LABEL = 0.32
"""The share of the picture that labels may take."""
THINNEST = 2.0


class Frame(NamedTuple):
    """Where times and values are in the picture."""

    since: Nanos
    until: Nanos
    low: float
    high: float
    left: float
    top: float
    right: float
    bottom: float

    def x(self, at: Nanos) -> float:
        """The place of a time, within the frame."""
        share = (at - self.since) / max(self.until - self.since, 1)
        return self.left + min(max(share, 0.0), 1.0) * (self.right - self.left)

    def y(self, value: float) -> float:
        """The place of a value, within the frame."""
        share = (value - self.low) / (self.high - self.low)
        return self.bottom - min(max(share, 0.0), 1.0) * (self.bottom - self.top)

    def beyond(self, value: float) -> str:
        """Where a value is that has no place; empty if it has one."""
        return _beyond(value, (self.low, self.high))


def _beyond(value: float, shown: Band) -> str:
    return " (above)" if value > shown[1] else " (below)" if value < shown[0] else ""


def trend_svg(
    name: str,
    trend: Mapping[str, Any],
    *,
    since: Nanos,
    until: Nanos,
    ident: str,
    limits: Sequence[tuple[str, float]] = (),
    anomaly: tuple[Nanos, Nanos] | None = None,
    expected: float | Band | None = None,
    why: str = "",
    zone: tzinfo | None = None,
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> str:
    """A plot with axes. `ident` is unique on the page; `why` is shown if there is nothing to draw.

    `limits` are labels with their values. `anomaly` is a span of time that is shaded; `expected` is
    a value or a band, drawn in that span, or over everything without one. Times are in `zone`, by
    default the machine's.
    """
    pieces, shown = segments(trend), marked(trend, limits, anomaly, expected)
    words, (width, height) = (name, description(pieces, shown, since, until, zone)), size
    if not pieces:
        empty = svg.text(width / 2, height / 2, why or "no data in this time", "trend-empty")
        return svg.document(ident, "trend", size, words, [empty])
    values = value_range(pieces, shown)
    labels = [(value, f"{label}{_beyond(value, values)}") for value, label in _marks(shown)]
    beside = _width_of_labels(labels, width)
    edges = (LEFT, TOP, width - RIGHT - beside, height - BOTTOM)
    frame = Frame(since, until, *values, *edges)
    parts = [
        *_shade(frame, anomaly),
        *_value_axis(frame, shown.unit),
        *_time_axis(frame, zone),
        *_expected(frame, shown),
        *_curves(frame, pieces),
        *_limits(frame, shown),
        *_labels(frame, labels, int(beside / SIGN_WIDTH)),
    ]
    return svg.document(ident, "trend", size, words, parts)


def sparkline_svg(
    name: str,
    trend: Mapping[str, Any],
    *,
    since: Nanos,
    until: Nanos,
    ident: str,
    anomaly: tuple[Nanos, Nanos] | None = None,
    zone: tzinfo | None = None,
    size: tuple[int, int] = SPARK,
) -> str:
    """A curve without axes, for a row of a table."""
    pieces, shown = segments(trend), marked(trend, (), anomaly, None)
    words, (width, height) = (name, description(pieces, shown, since, until, zone)), size
    parts: list[str] = []
    if pieces:
        frame = Frame(since, until, *value_range(pieces, Marked()), 1, 2, width - 1, height - 2)
        parts = [*_shade(frame, anomaly), *_curves(frame, pieces)]
    return svg.document(ident, "trend trend-spark", size, words, parts)


def _shade(frame: Frame, anomaly: tuple[Nanos, Nanos] | None) -> Iterator[str]:
    if anomaly is None or anomaly[1] < frame.since or anomaly[0] > frame.until:
        return
    left, right = frame.x(anomaly[0]), frame.x(anomaly[1])
    wide = max(right - left, THINNEST)
    height = frame.bottom - frame.top
    yield svg.rect(min(left, frame.right - wide), frame.top, wide, height, "trend-anomaly")


def _value_axis(frame: Frame, unit: str) -> Iterator[str]:
    ticks = value_ticks(frame.low, frame.high, max(int((frame.bottom - frame.top) / 28), 2))
    for value in ticks:
        y = frame.y(value)
        yield svg.line(frame.left, y, frame.right, y, "trend-grid")
        yield svg.text(frame.left - 8, y + 4, tick_text(value, ticks), "trend-value")
    if unit:
        yield svg.text(frame.left - 8, frame.top - 12, unit, "trend-value trend-unit")


def _time_axis(frame: Frame, zone: tzinfo | None) -> Iterator[str]:
    most = max(int((frame.right - frame.left) / 84), 2)
    ticks = time_ticks(frame.since, frame.until, most, zone)
    for at, (time, date) in zip(ticks, time_texts(ticks, zone), strict=True):
        x = frame.x(at)
        yield svg.line(x, frame.bottom, x, frame.bottom + 4, "trend-tick")
        yield svg.text(x, frame.bottom + 18, time, "trend-time")
        if date:
            yield svg.text(x, frame.bottom + 33, date, "trend-time trend-date")
    yield svg.line(frame.left, frame.bottom, frame.right, frame.bottom, "trend-axis")


def _expected(frame: Frame, shown: Marked) -> Iterator[str]:
    band = shown.expected
    if band is None or frame.beyond(band[0]) == frame.beyond(band[1]) != "":
        return
    left, right = (frame.x(at) for at in shown.anomaly or (frame.since, frame.until))
    wide, top, bottom = max(right - left, THINNEST), frame.y(band[1]), frame.y(band[0])
    if bottom > top:
        yield svg.rect(left, top, wide, bottom - top, "trend-expected-band")
    else:
        yield svg.line(left, top, left + wide, top, "trend-expected")


def _curves(frame: Frame, pieces: Sequence[Sequence[Bin]]) -> Iterator[str]:
    half = _half_a_bin(pieces)
    for piece in pieces:
        # A bin beside a gap is drawn as long as it is, so that a lone one is seen.
        first, last = piece[0], piece[-1]
        whole = [first._replace(at=first.at - half), *piece, last._replace(at=last.at + half)]
        upper = [(frame.x(each.at), frame.y(each.high)) for each in whole]
        lower = [(frame.x(each.at), frame.y(each.low)) for each in reversed(whole)]
        yield svg.path("polygon", upper + lower, "trend-band")
        means = [(frame.x(each.at), frame.y(each.mean)) for each in whole]
        yield svg.path("polyline", means, "trend-mean")


def _half_a_bin(pieces: Sequence[Sequence[Bin]]) -> Nanos:
    times = [each.at for piece in pieces for each in piece]
    return min((b - a for a, b in pairwise(times)), default=0) // 2


def _limits(frame: Frame, shown: Marked) -> Iterator[str]:
    for _, value in shown.limits:
        if not frame.beyond(value):
            y = frame.y(value)
            yield svg.line(frame.left, y, frame.right, y, "trend-limit")


def _labels(frame: Frame, labels: Sequence[tuple[float, str]], most: int) -> Iterator[str]:
    """The words of all that is marked, of `most` signs, beside the curve and none upon another."""
    places, place = list[float](), frame.top - TEXT_HEIGHT
    ordered = sorted((frame.y(value), words) for value, words in labels)
    for y, _ in ordered:
        place = max(y + 4, place + TEXT_HEIGHT)
        places.append(place)
    # If the last came below the frame, all move up.
    excess = max(place - frame.bottom, 0.0)
    for (_, words), at in zip(ordered, places, strict=True):
        yield svg.text(frame.right + 8, at - excess, brief(words, most), "trend-label")


def _marks(shown: Marked) -> list[tuple[float, str]]:
    """The values that are marked, with their labels."""
    unit, band = shown.unit, shown.expected
    marks = [(value, f"{label} {quantity(value, unit)}") for label, value in shown.limits]
    return marks if band is None else [*marks, (band[1], f"expected {span(band, unit)}")]


def _width_of_labels(labels: Sequence[tuple[float, str]], width: float) -> float:
    longest = max((len(words) for _, words in labels), default=0)
    return min((longest + 2) * SIGN_WIDTH, MOST_LABEL * width) if longest else 0.0
