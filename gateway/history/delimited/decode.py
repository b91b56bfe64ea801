"""The text of a file, or why it is not one."""

import codecs
import re
from pathlib import Path

from gateway.api.contracts import ConfigError
from gateway.history.extent import check_bytes, check_memory, check_values
from gateway.history.files import at, opened, size_of, whole
from gateway.history.reading import Notes, count_of

_SIGNATURES = (
    (b"PK\x03\x04", "an Excel workbook or a zip archive: save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook: save the sheet as CSV"),
    (b"\x1f\x8b", "compressed with gzip: unpack it first"),
    (b"BZh", "compressed with bzip2: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd: unpack it first"),
    (b"\xfd7zXZ", "compressed with xz: unpack it first"),
    (b"%PDF", "a PDF document: export the table as CSV"),
    (b"SQLite format 3", "a SQLite database: export the table as CSV"),
    (b"\x89HDF", "an HDF5 file: export the table as CSV or Parquet"),
)
_MARKUP = re.compile(r"<[!?A-Za-z]")
_JSON = re.compile(r"(\{\s*[\"}]|\[\s*[\[{\"\d])")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f]")
_BLOCK = 8
"""Zero bytes in a row from which a part of the file was never written."""
_LOOK = 4096
PARQUET = (b"PAR1", b"PARE")
"""First bytes of a Parquet file, and of one that is encrypted."""
LONGEST_LINE = 1 << 20
"""Characters in one line."""
_MEMORY_A_BYTE, _MEMORY_A_LINE = 6, 150
"""Bytes of memory at the peak of reading, for each byte and each line of the file; measured."""


def read_bytes(path: Path, most: int, notes: Notes) -> bytes:
    """The bytes of a text file; ConfigError if it cannot be read, is none, is empty or too large.

    `most` is the number of values that it may have.
    """
    with opened(path) as file:
        start = at(file, 0, _LOOK)
        for signature, what in _SIGNATURES:
            if start.startswith(signature):
                raise notes.refuse(f"not a table in text, but {what}")
        size = size_of(file)
        check_bytes(size, most, "it has", notes)
        check_memory(_MEMORY_A_BYTE * size, notes)
        data = whole(path, file)
    if not data.strip(b"\x00 \t\r\n"):
        raise ConfigError(f"{path} cannot be read: it is empty")
    return data


def lines_of(text: str, most: int, notes: Notes) -> list[str]:
    """The lines of a text, without their ends; ConfigError if one, or their number, is too long."""
    count = text.count("\n") + 1
    check_values(count, 2, most, notes)
    check_memory(_MEMORY_A_LINE * count, notes)
    lines = text.split("\n")
    longest = max(map(len, lines))
    if longest > LONGEST_LINE:
        number = next(n for n, line in enumerate(lines, 1) if len(line) > LONGEST_LINE)
        raise notes.refuse(
            f"line {number} has {len(lines[number - 1]):,} characters, and at most "
            f"{LONGEST_LINE:,} are read: not a table, or without line ends"
        )
    return lines


def decode(data: bytes, notes: Notes) -> str:
    """The text, in UTF-8, UTF-16 or Windows-1252; ConfigError if it is not a table."""
    data = _without_zeros(data, notes)
    text = _decoded(data, notes)
    start = text[:_LOOK].lstrip()
    if len(_CONTROL.findall(start)) > len(start) / 100:
        raise notes.refuse("not a table in text, but binary data: export it as CSV or Parquet")
    if _MARKUP.match(start):
        raise notes.refuse("not a table in text, but HTML or XML: export the data as CSV")
    if _JSON.match(start):
        raise notes.refuse("not a table in text, but JSON: export the data as CSV")
    if not start:
        raise notes.refuse("cannot be read: it is empty")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _without_zeros(data: bytes, notes: Notes) -> bytes:
    if bytes(_BLOCK) not in data or _utf_16(data):
        return data
    whole = re.sub(rb"\0{%d,}" % _BLOCK, b"\n", data)
    skipped = data.count(b"\0") - whole.count(b"\0")
    notes.say(f"{count_of(skipped, 'zero byte')} skipped, as a power failure leaves them")
    return whole


def _decoded(data: bytes, notes: Notes) -> str:
    for mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        if data.startswith(mark):
            return data.decode("utf-16", errors="replace")
    if wide := _utf_16(data):
        notes.say("read as UTF-16")
        return data.decode(wide, errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start >= len(data) - 3:
            # A file that was cut within a letter.
            return data[: error.start].decode("utf-8-sig")
    text = data.decode("cp1252", errors="replace")
    if not _CONTROL.search(text[:_LOOK]):
        notes.say("not UTF-8; read as Windows-1252, the encoding of Excel in Western Europe")
    return text


def _utf_16(data: bytes) -> str | None:
    """The byte order of UTF-16 without a mark: every second byte of a Latin text is zero."""
    start = data[:_LOOK]
    zeros = [start[n::2].count(0) / max(len(start) // 2, 1) for n in (0, 1)]
    if max(zeros) < 0.8 or min(zeros) > 0.05:
        return None
    return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
