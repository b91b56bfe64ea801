"""Formats of times in text, as regular expressions of RE2 and Python alike.

The named groups are those of `strptime` as far as they exist there: Y year, y year of two digits,
m month, B its name, d day, H hour, M minute, S second, f fraction, p of AM or PM, z zone. In dates
whose order is open, a and b are the first and second number.
"""

import re
from typing import NamedTuple

from gateway.api.contracts import ConfigError

_CLOCK = (
    r"(?P<H>\d{1,2})[:.h](?P<M>\d{2})(?:[:.m](?P<S>\d{2})s?(?:[.,:](?P<f>\d{1,9}))?)?"
    r"(?:\s*(?P<p>[AaPp])\.?[Mm]\.?)?"
)
_ZONE = (
    r"(?:\s*[\[(]?(?P<z>[Zz]|(?:UTC|GMT|utc|gmt)?[+-]\d{1,2}(?::?\d{2})?|[A-Z]{3,5}|utc|gmt"
    r"|[A-Z][A-Za-z_]+/[A-Za-z_/+-]+[0-9]*)[\])]?(?:\s*\[[^\]]*\]|\s+[A-Z]{3,4})?)?"
)
_WEEKDAY = r"(?:\pL{2,10}\.?,?\s+)?"
_GAP = r"(?:[T_]|\s*[,;]?\s+|\s*[,;]\s*)"
_YEAR = r"(?P<Y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})"
_OPEN = r"(?P<a>\d{1,2})(?P<s>[-/.])(?P<b>\d{1,2})[-/.](?P<y>\d{4}|\d{2})"
_NAMED = r"(?P<d>\d{1,2})[-. /]*(?P<B>\pL{3,9})\.?[-. /,]*(?P<y>\d{4}|\d{2})"
_NAMED_FIRST = r"(?P<B>\pL{3,9})\.?\s+(?P<d>\d{1,2}),?\s+(?P<y>\d{4})"
_COMPACT = r"(?P<Y>(?:19|20)\d{2})(?P<m>\d{2})(?P<d>\d{2})"
_COMPACT_CLOCK = r"(?P<H>\d{2}):?(?P<M>\d{2})(?::?(?P<S>\d{2})(?:[.,]?(?P<f>\d{1,9}))?)?"


LONGEST = 200
"""Characters of a time or a number; the search in a longer text would take long."""


class Format(NamedTuple):
    """A format: its expression, and which parts of a time it holds."""

    pattern: str
    has_date: bool
    has_clock: bool
    is_given: bool = False
    """The user named it, so that it is not guessed."""

    def fits(self, text: str) -> bool:
        """Whether a text has this form; its numbers may still be those of no day."""
        if len(text) > LONGEST:
            return False
        match = re.match(_python(self.pattern), text)
        return match is not None and _is_month_named(match)


def _python(pattern: str) -> str:
    return pattern.replace(r"\pL", r"[^\W\d_]")


def _is_month_named(match: re.Match[str]) -> bool:
    name = match.groupdict().get("B")
    return name is None or name.lower()[:3] in MONTHS


def _both(date: str, gap: str, clock: str) -> Format:
    return Format(f"^{date}{gap}{clock}{_ZONE}$", has_date=True, has_clock=True)


MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan jän ene gen",
            "feb fév fev",
            "mar mär mrz maa",
            "apr avr abr",
            "may mai maj mei mag",
            "jun giu",
            "jul lug",
            "aug aoû aou ago",
            "sep set",
            "oct okt ott out",
            "nov",
            "dec dez déc dic",
        ),
        1,
    )
    for name in names.split()
}
"""Months by the first three letters, in English, German and other languages of Europe."""

WITH_CLOCK = (
    _both(_WEEKDAY + _YEAR, _GAP, _CLOCK),
    _both(_WEEKDAY + _OPEN, _GAP, _CLOCK),
    _both(_COMPACT, r"[T _-]?", _COMPACT_CLOCK),
    _both(_WEEKDAY + _NAMED, _GAP, _CLOCK),
    _both(_WEEKDAY + _NAMED_FIRST, _GAP, _CLOCK),
    Format(
        rf"^{_WEEKDAY}(?P<B>\pL{{3}})\s+(?P<d>\d{{1,2}})\s+{_CLOCK}{_ZONE}\s+(?P<y>\d{{4}})$",
        has_date=True,
        has_clock=True,
    ),
)
DATES = tuple(
    Format(f"^{_WEEKDAY}{date}$", has_date=True, has_clock=False)
    for date in (_YEAR, _OPEN, _COMPACT, _NAMED, _NAMED_FIRST)
)
CLOCKS = (Format(f"^{_CLOCK}{_ZONE}$", has_date=False, has_clock=True),)

COMPACT_CLOCK = Format(f"^{_COMPACT_CLOCK}$", has_date=False, has_clock=True)
"""Six digits: a time of day only where the column is called so, and the date is compact, too."""

_DIRECTIVES = {
    "Y": r"(?P<Y>\d{4})",
    "y": r"(?P<y>\d{2})",
    "m": r"(?P<m>\d{1,2})",
    "d": r"(?P<d>\d{1,2})",
    "e": r"(?P<d>\d{1,2})",
    "b": r"(?P<B>\pL{3,9})\.?",
    "B": r"(?P<B>\pL{3,9})\.?",
    "H": r"(?P<H>\d{1,2})",
    "I": r"(?P<H>\d{1,2})",
    "M": r"(?P<M>\d{1,2})",
    "S": r"(?P<S>\d{1,2})",
    "f": r"(?P<f>\d{1,9})",
    "p": r"(?P<p>[AaPp])\.?[Mm]\.?",
    "z": r"(?P<z>[Zz]|[+-]\d{2}(?::?\d{2})?)",
    "Z": r"(?P<z>[A-Za-z]{1,5}|[A-Z][A-Za-z_]+/[A-Za-z_/+-]+[0-9]*)",
    "a": r"\pL{2,10}\.?",
    "A": r"\pL{2,10}\.?",
    "%": "%",
}
_SHORT = {"F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M", "D": "%m/%d/%y"}


def given(time_format: str) -> Format:
    """The format that a user names as for `strptime`; ConfigError if it is not one."""
    for short, long in _SHORT.items():
        time_format = time_format.replace(f"%{short}", long)
    parts = [_piece(piece, time_format) for piece in re.findall(r"%.?|[^%]+", time_format)]
    pattern = "^" + "".join(parts) + "$"
    has = set(re.findall(r"\(\?P<(\w)>", pattern))
    if len(has) < len(re.findall(r"\(\?P<", pattern)):
        raise ConfigError(f"--time-format {time_format!r} names a part of the time twice")
    has_date = bool(has & set("Yy")) and bool(has & set("mB")) and "d" in has
    if not has_date:
        raise ConfigError(
            f"--time-format {time_format!r} must name day, month and year, as in "
            "'%d.%m.%Y %H:%M:%S'"
        )
    return Format(pattern, has_date, "H" in has, is_given=True)


def _piece(piece: str, time_format: str) -> str:
    if not piece.startswith("%"):
        return r"\s+".join(re.escape(word) for word in re.split(r"\s+", piece))
    expression = _DIRECTIVES.get(piece[1:])
    if expression is None:
        raise ConfigError(
            f"--time-format {time_format!r}: {piece!r} is not known; use "
            f"{', '.join('%' + name for name in _DIRECTIVES)}"
        )
    return expression
