"""A trend in one row of a terminal (pure)."""

from gateway.top.facts import Facts, amount, every, figure, words

BARS = "▁▂▃▄▅▆▇█"
GAP = " "


def sparkline(trend: Facts, width: int) -> str:
    """The means of a trend as bars over this width; a gap is empty."""
    values = _stretched(means(trend), width)
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    return "".join(GAP if value is None else _bar(value, low, high) for value in values)


def _stretched(values: list[float | None], width: int) -> list[float | None]:
    """As many values as there are columns, each as long as its bin; of more, the newest."""
    if len(values) >= width:
        return values[-width:]
    return [values[column * len(values) // width] for column in range(width)] if values else []


def _bar(value: float, low: float, high: float) -> str:
    # A constant value is in the middle.
    share = (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5
    return BARS[min(int(share * len(BARS)), len(BARS) - 1)]


def means(trend: Facts) -> list[float | None]:
    """The mean of each bin, None where there is none."""
    values = trend.get("mean")
    if not isinstance(values, list):
        return []
    return [amount({"mean": value}, "mean") for value in values]


def caption(name: str, trend: Facts, since: str) -> str:
    """What the bars show: tag, span, and its lowest, highest and newest value."""
    unit, values = words(trend, "unit"), [v for v in means(trend) if v is not None]
    if not values:
        return f"{name}  no value since {since}"
    lows, highs = (_numbers(trend, key) or values for key in ("min", "max"))
    return (
        f"{name} since {since}: {figure(min(lows))} to {figure(max(highs), unit)}, "
        f"at last {figure(values[-1], unit)}"
    )


def _numbers(trend: Facts, key: str) -> list[float]:
    values = trend.get(key)
    rows = every([{key: value} for value in values] if isinstance(values, list) else [])
    return [value for row in rows if (value := amount(row, key)) is not None]
