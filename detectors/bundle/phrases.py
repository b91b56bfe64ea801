"""Numbers as people say them. Pure."""

_UNITS = ((48.0, 24.0, "days"), (2.0, 1.0, "h"), (2 / 60, 1 / 60, "min"), (0.0, 1 / 3600, "s"))


def spoken(hours: float) -> str:
    """A time of so many hours, with three digits, in the unit that suits its length."""
    size, unit = next((size, unit) for least, size, unit in _UNITS if hours >= least)
    return f"{figure(hours / size)} {unit}"


def counted(number: int, noun: str) -> str:
    """So many of a thing: 1 alarm, 2 alarms."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def figure(value: float | None) -> str:
    """A number with three digits, whole from a thousand on; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if 999.5 <= abs(value) < 1e9 else f"{value:.3g}"
