"""Durations, counts and numbers as text for reports. Pure."""

_UNITS = ((48.0, 24.0, "days"), (2.0, 1.0, "h"), (2 / 60, 1 / 60, "min"), (0.0, 1 / 3600, "s"))


def format_hours(hours: float) -> str:
    """Formats a duration in hours with three digits and a suitable unit, as in 3.46 h or 2 days."""
    size, unit = next((size, unit) for least, size, unit in _UNITS if hours >= least)
    return f"{format_number(hours / size)} {unit}"


def format_count(number: int, noun: str) -> str:
    """Formats a count with its noun: 1 alarm, 2 alarms."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def format_number(value: float | None) -> str:
    """Formats a number with three digits, as an integer from 1,000; None is a dash."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if 999.5 <= abs(value) < 1e9 else f"{value:.3g}"
