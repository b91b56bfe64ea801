"""The ticks of a plot's axes: round values, and round times of the local clock (pure)."""

import math
from datetime import datetime, tzinfo
from itertools import pairwise

from gateway.api.local_time import local_time
from gateway.api.model import SECOND, Nanos

_STEPS: tuple[int, ...] = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200,
    86_400, 172_800,
)  # fmt: skip
"""Seconds between two ticks."""
DAY_S = 86_400


def value_ticks(low: float, high: float, most: int) -> list[float]:
    """Round values from `low` to `high`, about `most` of them; 1, 2 or 5 times a power of ten."""
    span = high - low
    if not (math.isfinite(span) and span > 0):
        return []
    raw = span / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((m * power for m in (1, 2, 5, 10) if m * power >= raw), 10 * power)
    if step == 0:
        return []
    first, last = math.ceil(low / step), math.floor(high / step)
    return [n * step for n in range(first, min(last, first + most) + 1)]


def tick_text(value: float, ticks: list[float]) -> str:
    """A tick with as many decimals as its neighbours need."""
    step = min((b - a for a, b in pairwise(ticks)), default=abs(value) or 1.0)
    largest = max(map(abs, ticks), default=0.0)
    if largest >= 1e7 or 0 < step < 1e-4:
        return f"{value:.4g}"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    text = f"{value:,.{decimals}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text


def time_ticks(since: Nanos, until: Nanos, most: int, zone: tzinfo | None = None) -> list[Nanos]:
    """Round times of the local clock from `since` to `until`, at most `most` of them."""
    span = (until - since) / SECOND
    step = next((s for s in _STEPS if span / s <= most), math.ceil(span / most / DAY_S) * DAY_S)
    offset = _offset(since, zone)
    first = -(-(since // SECOND + offset) // step) * step
    times = ((first + n * step - offset) * SECOND for n in range(most + 1))
    return [at for at in times if since <= at <= until]


def _offset(at: Nanos, zone: tzinfo | None) -> int:
    """Seconds by which the local clock is ahead of UTC."""
    offset = datetime.fromtimestamp(at // SECOND, zone).astimezone(zone).utcoffset()
    return round(offset.total_seconds()) if offset else 0


def time_texts(ticks: list[Nanos], zone: tzinfo | None = None) -> list[tuple[str, str]]:
    """The time of each tick, and the date where it is another than that of the tick before."""
    step = min((b - a for a, b in pairwise(ticks)), default=60 * SECOND)
    form = "%H:%M" if step >= 60 * SECOND else "%H:%M:%S"
    texts, before = [], ""
    for at in ticks:
        date = local_time(at, "%Y-%m-%d", zone)
        texts.append((local_time(at, form, zone), date if date != before else ""))
        before = date
    return texts
