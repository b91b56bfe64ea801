"""Addresses as people write them, and what would be right (pure).

Manuals often give a register's *number*: 40001 is the first holding register, which is address 0 on
the wire. As an address 40001 is possible too, so it is a matter of a warning.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

_FIRST_DIGIT: Mapping[str, str] = {"0": "coil", "1": "discrete", "3": "input", "4": "holding"}
_NUMBERED = re.compile(r"([0134])[xX]?:?(\d{4,5})")
_IEC = re.compile(r"%?([IMQ])([XWDB]?)(\d+)(?:\.(\d+))?", re.IGNORECASE)
_LETTERS = re.compile(r"(HR|IR|DI|CO|DO|[IMQD])[A-Z]?\s*(\d+)", re.IGNORECASE)
_HEX = re.compile(r"(?:0x|16#|#|\$|&H)([0-9a-f]{1,4})h?|([0-9a-f]{1,5})h", re.IGNORECASE)
_TABLE_OF = {"HR": "holding", "IR": "input", "DI": "discrete", "CO": "coil", "DO": "coil"}


class Numbered(NamedTuple):
    """A register's number as in a manual: the table and the address that it stands for."""

    table: str
    address: int

    def __str__(self) -> str:
        table = "" if self.table == "holding" else f", table: {self.table}"
        return f"`address: {self.address}{table}`"


def numbered(text: str) -> Numbered | None:
    """What 40001, 400001, 30012 or 4x0001 stands for; None if it is no such number."""
    match = _NUMBERED.fullmatch(text)
    if not match or not 1 <= int(match[2]) <= 65536:
        return None
    return Numbered(_FIRST_DIGIT[match[1]], int(match[2]) - 1)


def address_hint(given: object) -> str:
    """What would be right instead of something that is not an address; empty if that is unknown."""
    text = str(given).strip()
    if text.isdigit() and len(text) <= 5 and int(text) <= 65535:
        return ""
    hints = (_of_bit, _of_number, _of_range, _of_hexadecimal, _of_plc_memory, _of_letters)
    return next((hint for find in hints if (hint := find(text))), "")


def _of_bit(text: str) -> str:
    number, _, bit = text.partition(".")
    if not (bit.isdigit() and number.isdigit()):
        return ""
    place = str(numbered(number) or f"`address: {number}`")
    return f"a bit is a field of its own: write {place[:-1]}, bit: {int(bit)}`"


def _of_number(text: str) -> str:
    meant = numbered(text)
    return f"{text} is a register's number in a manual: write {meant}" if meant else ""


def _of_range(text: str) -> str:
    if not (span := re.fullmatch(r"(\d+)\s*(?:-|\.\.|:)\s*\d+", text)):
        return ""
    return f"write the first register, `address: {span[1]}`: data_type says how many there are"


def _of_hexadecimal(text: str) -> str:
    match = _HEX.fullmatch(text)
    digits = (match[1] or match[2]).upper() if match else ""
    return f"write a hexadecimal address as `address: 0x{digits}`" if digits else ""


def _of_plc_memory(text: str) -> str:
    if not (match := _IEC.fullmatch(text)):
        return ""
    bit = f", bit: {match[4] or 0}" if match[2].upper() == "X" else ""
    inside = f"{text} is a name inside the PLC: write the address that its manual gives for Modbus"
    return f"{inside}, often `address: {match[3]}{bit}`"


def _of_letters(text: str) -> str:
    if not (match := _LETTERS.fullmatch(text)):
        return ""
    return f"write {Numbered(_TABLE_OF.get(match[1].upper(), 'holding'), int(match[2]))}"


def looks_numbered(address: int, table: str) -> Numbered | None:
    """What an address stands for if it is a number from a manual for this table, or close to it."""
    meant = numbered(str(address)) if address >= 10_000 else None
    if meant is None:
        return None
    return meant if table in (meant.table, "holding") else None


def numbered_warning(tags: Iterable[tuple[str, int, str]]) -> str:
    """The warning for tags (name, address, table) whose addresses look like numbers; or empty."""
    found = [
        (name, address, meant)
        for name, address, table in tags
        if (meant := looks_numbered(address, table))
    ]
    if not found:
        return ""
    name, address, meant = found[0]
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return (
        f"address {address} ({name}{more}) looks like a register's number in a manual, which would "
        f"be {meant}: addresses count from 0. Leave it if the device really has address {address}"
    )
