"""Texts that stand for numbers, where the line file says so: names of states, or digits (pure).

Promises
- Only what the file asks for is read. Separators of thousands, another decimal mark, another unit
  and names of no number are refused, never guessed.
"""

import re
import unicodedata
from collections.abc import Mapping
from math import isfinite
from typing import Literal

from connectors.mqtt.wording import EMPTY, not_a_number, shown

TextForm = Literal["number", "hex"]
Decimal = Literal[".", ","]
_AROUND = " \t\r\n\0\u00a0\u202f\u2009"
"""Spaces, and what C programs leave at the end."""
_NUMBERS: Mapping[Decimal, re.Pattern[str]] = {
    ".": re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII),
    ",": re.compile(r"[-+]?(\d+,?\d*|,\d+)([eE][-+]?\d+)?", re.ASCII),
}
_BEGINNING = re.compile(r"[-+]?[\d.,]*\d([eE][-+]?\d+)?", re.ASCII)
_HEX = re.compile(r"(?:0[xX]|[$#])?([0-9A-Fa-f]{1,16})", re.ASCII)


class TextNumbers:
    """Reads texts as numbers: by name, and if `form` is given by their digits.

    `unit` may follow the digits, `decimal` is their decimal mark.
    """

    def __init__(
        self,
        names: Mapping[str, float],
        form: TextForm | None = None,
        decimal: Decimal = ".",
        unit: str = "",
    ) -> None:
        self._names, self._form, self._decimal = names, form, decimal
        self._unit = _unit(unit)

    def number(self, text: str) -> float | None:
        """The number; None if it is not one."""
        named = self._names.get(text)
        if named is not None or self._form is None:
            return named
        digits = self._digits(text)
        if self._form == "hex":
            match = _HEX.fullmatch(digits)
            return float(int(match[1], 16)) if match else None
        if not _NUMBERS[self._decimal].fullmatch(digits):
            return None
        value = float(digits.replace(",", "."))
        return value if isfinite(value) else None

    def _digits(self, text: str) -> str:
        """The text without spaces and its unit; a typographic minus sign is one of ASCII."""
        digits = text.strip(_AROUND).replace("\N{MINUS SIGN}", "-", 1)
        number = _BEGINNING.match(digits) if self._unit else None
        if number and _unit(digits[number.end() :]) == self._unit:
            return number[0].rstrip(_AROUND)
        return digits

    def why_not(self, text: str) -> str:
        """Why a text is not a number, in words for people."""
        if self._form is None:
            return f"text, not in the enumeration: {shown(text)}"
        return self._why_not_digits(text, self._digits(text))

    def _why_not_digits(self, text: str, digits: str) -> str:
        if _NUMBERS[self._decimal].fullmatch(digits):
            return "too large for a number"
        if self._form == "hex" or not digits:
            return f"text, not a hexadecimal number: {shown(text)}" if digits else EMPTY
        other: Decimal = "," if self._decimal == "." else "."
        if digits.count(other) == 1 and _NUMBERS[other].fullmatch(digits):
            return f'a number with the decimal mark {other}: `decimal: "{other}"` reads it'
        number = _BEGINNING.match(digits)
        rest = digits[number.end() :] if number else digits
        if number and not rest:
            return "a number with separators of thousands, which could mean another number"
        if number and not any(each.isdigit() for each in rest):
            mine = f"`unit: {self._unit}`" if self._unit else "the tag has no `unit`"
            return f"a number with the unit {shown(rest.strip(_AROUND))}: {mine}"
        return not_a_number(text, is_asked=True)


def _unit(text: str) -> str:
    """A unit, however its signs are encoded: ℃ is °C."""
    return unicodedata.normalize("NFKC", text).strip(_AROUND)
