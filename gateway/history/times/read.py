"""The times of a recording in UTC."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from gateway.api.model import SECOND, Bools, Nanos, Times
from gateway.history.columns import Columns
from gateway.history.delimited.cells import AROUND, is_missing, trimmed
from gateway.history.reading import Notes, Reading, count_of, moment, quoted
from gateway.history.times import epoch
from gateway.history.times.column import Source
from gateway.history.times.names import is_time_name, rank
from gateway.history.times.parse import DAY, NO_ZONE, Parsed, parse
from gateway.history.times.zones import to_utc, zone_in, zone_of

_LOOK = 1_000
_NANOS = {"s": SECOND, "ms": 1_000_000, "us": 1_000, "ns": 1}
_FAR: Nanos = 2**63 - 2 * DAY
_MOST_UNREADABLE = 0.1
"""Share of rows that may hold no time."""


class Read(NamedTuple):
    """Times int64[row] ns in UTC, 0 where a row has none, and which rows have one."""

    times: Times
    is_known: Bools
    is_local: bool
    """Times without a zone, read as UTC."""
    wall: Times
    """The times as they are written, without regard to their zone."""


def read_times(columns: Columns, source: Source, reading: Reading, notes: Notes) -> Read:
    """The times in these columns; ConfigError if too many rows hold none."""
    arrays = [columns.arrays[n] for n in source.columns]
    if source.formats:
        texts = _texts(arrays)
        parsed = parse(texts, source.formats, columns.numbers, notes)
    elif columns.is_text(source.columns[0]) or _is_number(arrays[0]):
        name = columns.names[source.columns[0]]
        texts, parsed = arrays[0], _from_numbers(arrays[0], name, notes)
    else:
        texts = _counts(arrays[0])
        parsed = _from_typed(arrays[0], texts)
    names = " and ".join(repr(columns.names[n]) for n in source.columns)
    _check_known(texts, parsed, columns, names, notes)
    is_local = reading.timezone is None and bool((parsed.offset == NO_ZONE).any())
    reading = _with_zone_of_header(
        parsed, reading, [columns.names[n] for n in source.columns], notes
    )
    times = _in_utc(parsed, columns, reading, notes)
    return Read(times, parsed.is_known, is_local, parsed.local)


def _with_zone_of_header(
    parsed: Parsed, reading: Reading, names: Sequence[str], notes: Notes
) -> Reading:
    """With the zone that the header names, for times that have none."""
    zone = next((found for name in names if (found := zone_in(name)) is not None), None)
    is_open = reading.timezone is None and bool((parsed.offset == NO_ZONE).any())
    if zone is None or not is_open:
        return reading
    notes.say(f"the times are read in the zone of the header, {zone}")
    return replace(reading, timezone=zone)


def _texts(arrays: list[Any]) -> Any:
    from pyarrow import compute

    cleaned = [compute.utf8_trim(compute.fill_null(a, ""), characters=AROUND) for a in arrays]
    return cleaned[0] if len(cleaned) == 1 else compute.binary_join_element_wise(*cleaned, " ")


def _is_number(array: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(array.type) or pa.types.is_floating(array.type))


def _counts(array: Any) -> Any:
    """Times or dates as numbers of their unit."""
    import pyarrow as pa

    whole = array.cast(pa.int32()) if pa.types.is_date32(array.type) else array
    return whole.cast(pa.int64())


def _from_typed(array: Any, numbers: Any) -> Parsed:
    import pyarrow as pa

    kind, zone = array.type, getattr(array.type, "tz", None)
    each = DAY if pa.types.is_date32(kind) else _NANOS[getattr(kind, "unit", "ms")]
    counts = np.asarray(numbers.fill_null(0), dtype=np.int64)
    # Others do not fit into 64 bits of ns, with any zone.
    known = np.asarray(array.is_valid()) & (counts >= -_FAR // each) & (counts <= _FAR // each)
    times = np.where(known, counts, 0) * each
    return Parsed(times, np.full(len(times), NO_ZONE if zone is None else 0), known)


def _from_numbers(array: Any, name: str, notes: Notes) -> Parsed:
    numbers, decimals = _numbers(array)
    finite = np.isfinite(numbers)
    if not finite.any():
        raise notes.refuse(f"column {name!r} holds no number")
    unit = epoch.unit_of(numbers[finite])
    if unit is None:
        raise notes.refuse(f"column {name!r} holds {epoch.described(numbers[finite])}")
    known = finite & unit.is_plausible(np.where(finite, numbers, 0))
    times = np.zeros(len(numbers), dtype=np.int64)
    times[known] = unit.times(numbers[known], decimals)
    if unit == epoch.EXCEL:
        notes.say(f"column {name!r} is read as Excel's day numbers")
        return Parsed(times, np.full(len(times), NO_ZONE), known)
    if rank(name) is None:
        notes.say(
            f"no column of times but {name!r} is plausible; its numbers are read as {unit.name} "
            f"since 1970, from {moment(times[known].min())} to {moment(times[known].max())}"
        )
    return Parsed(times, np.zeros(len(times), dtype=np.int64), known)


def _numbers(array: Any) -> tuple[Any, int]:
    """The numbers, whole ones in 64 bits, and the most digits behind a separator."""
    import pyarrow as pa
    from pyarrow import compute

    if pa.types.is_integer(array.type) and not array.null_count:
        return np.asarray(array.cast(pa.int64(), safe=False)), 0
    if not (pa.types.is_string(array.type)):
        return np.array(array.cast(pa.float64()).to_numpy(zero_copy_only=False)), 15
    text = compute.replace_substring(compute.utf8_trim(array, characters=AROUND), ",", ".")
    try:
        return np.asarray(text.cast(pa.int64())), 0
    except pa.ArrowInvalid:
        pass
    fits = compute.match_substring_regex(text, r"^\d+\.?\d*(?:[eE][+-]?\d+)?$")
    text = compute.if_else(fits, text, None)
    behind = compute.extract_regex(text, r"\.(?P<digits>\d+)")
    lengths = compute.max(compute.utf8_length(behind.field(0))).as_py() if len(text) else 0
    values = np.array(text.cast(pa.float64()).to_numpy(zero_copy_only=False))
    return values, int(lengths or 0)


def _check_known(texts: Any, parsed: Parsed, columns: Columns, names: str, notes: Notes) -> None:
    """Says which rows hold no time; ConfigError if those are too many."""
    unknown = np.flatnonzero(~parsed.is_known)
    if not len(unknown):
        return
    _check_headers(columns, unknown[:_LOOK], notes)
    total = len(parsed.is_known)
    cells = [trimmed(str(text or "")) for text in texts.take(unknown[:_LOOK]).to_pylist()]
    odd = next((n for n, cell in enumerate(cells) if not is_missing(cell)), None)
    shown = "without a time" if odd is None else f"such as {quoted(cells[odd])}"
    where = notes.rows(columns.numbers[unknown])
    if len(unknown) == total and odd is None:
        raise notes.refuse(f"column {names} does not hold times (it is empty)")
    if len(unknown) > max(2, _MOST_UNREADABLE * total) or len(unknown) == total:
        line = notes.rows(columns.numbers[unknown[odd or 0]][None])
        raise notes.refuse(
            f"column {names} does not hold a time in {count_of(len(unknown), 'row')} of {total:,}, "
            f"{shown} in {line}: give their format with --time-format, as in '%d.%m.%Y %H:%M:%S', "
            "or their column with --time-column"
        )
    notes.say(f"{where} skipped, which {_has(len(unknown))} no time, {shown}")


def _check_headers(columns: Columns, rows: Any, notes: Notes) -> None:
    """ConfigError if a row is the header of another table, whose columns may be others."""
    texts = [n for n in range(len(columns.names)) if columns.is_text(n)]
    cells = [[trimmed(text or "") for text in columns.arrays[n].take(rows).to_pylist()]
             for n in texts]  # fmt: skip
    names = tuple(columns.names[n] for n in texts)
    for at, row in enumerate(zip(*cells, strict=True)):
        if any(is_time_name(cell) for cell in row) and row != names:
            raise notes.refuse(
                f"{notes.unit} {columns.numbers[rows[at]]} is another header, {', '.join(row)}: "
                "the file holds several tables; split it there"
            )


def _has(count: int) -> str:
    return "has" if count == 1 else "have"


def _in_utc(parsed: Parsed, columns: Columns, reading: Reading, notes: Notes) -> Times:
    zoned = parsed.offset != NO_ZONE
    local = parsed.is_known & ~zoned
    times = np.where(zoned, parsed.local - np.where(zoned, parsed.offset, 0), parsed.local)
    if not local.any():
        if reading.timezone is not None:
            zone_of(reading.timezone)
            notes.say("the times have a zone of their own, so that --timezone is not used")
        return times
    if zoned[parsed.is_known].any():
        notes.say(
            f"{notes.rows(columns.numbers[local])} without a zone, unlike the others: read in "
            f"{reading.timezone or 'UTC'}"
        )
    if reading.timezone is None:
        notes.say("the times have no zone and are read as UTC (--timezone names another)")
        return times
    times[local] = _localised(parsed.local[local], columns.numbers[local], reading.timezone, notes)
    return times


def _localised(local: Times, numbers: Any, name: str, notes: Notes) -> Times:
    """Times of a zone in UTC; a file with the newest row first is read from its end."""
    zone = zone_of(name)
    if (np.diff(local) < 0).sum() * 2 > len(local):
        return to_utc(local[::-1], zone, numbers[::-1], name, notes)[::-1]
    return to_utc(local, zone, numbers, name, notes)
