"""What one cell looks like: a number, a time, or nothing."""

import re

from gateway.history.times.formats import CLOCKS, DATES, LONGEST, WITH_CLOCK

NUMBER = r"[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][+-]?\d+)?"
"""A number with either separator, for RE2 and Python."""
AROUND = " \t\u00a0\u2007\u202f\ufeff='\""
"""Characters that are cut off around a cell: blanks, quotes, and the = of Excel's text."""
_MEASURED = re.compile(rf"{NUMBER}|[+-]?\d{{1,3}}(?:[ .,'\u00a0\u202f]\d{{3}})+(?:[.,]\d+)?")
_WITH_UNIT = re.compile(rf"({NUMBER})\s*([^\d\s.,+-]\S{{0,15}})")
MISSING = frozenset(
    (
        "", "nan", "null", "none", "nil", "n/a", "na", "#n/a", "#na", "#nv", "#wert!", "#value!",
        "#div/0!", "#ref!", "#bezug!", "-", "--", "---", "----", ".", "..", "...", "?", "??", "*",
        "x", "bad", "inf", "-inf", "+inf", "infinity", "-infinity", "1.#inf", "1.#ind", "-1.#ind",
        "1.#qnan", "missing", "empty", "error", "err", "invalid", "unknown", "void", "undefined",
        "i/o timeout", "no data", "not available", "bad input", "pt created", "comm fail",
    )
)  # fmt: skip
"""Texts, in small letters, that stand for a missing value."""


def trimmed(cell: str) -> str:
    """A cell without blanks and quotes around it."""
    return cell.strip(AROUND)


def is_missing(cell: str) -> bool:
    """Whether a trimmed cell says that there is no value."""
    return cell.lower() in MISSING


def is_number(cell: str) -> bool:
    """Whether a trimmed cell is a number, in whatever notation."""
    return len(cell) <= LONGEST and _MEASURED.fullmatch(cell.replace("\u2212", "-")) is not None


def unit_in(cell: str) -> str | None:
    """The unit behind the number of a trimmed cell; None if it is not a number with a unit."""
    if len(cell) > LONGEST:
        return None
    match = _WITH_UNIT.fullmatch(cell.replace("\u2212", "-"))
    return match[2] if match else None


def is_time(cell: str) -> bool:
    """Whether a trimmed cell is a date, a time of day or both."""
    return any(form.fits(cell) for form in (*WITH_CLOCK, *DATES, *CLOCKS))


def is_data(cell: str) -> bool:
    """Whether a trimmed cell looks like a value or a time, and not like a name."""
    return is_missing(cell) or is_number(cell) or is_time(cell) or unit_in(cell) is not None
