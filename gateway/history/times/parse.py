"""Times in text, as numbers.

Promises
- A text whose numbers are those of no day or hour is not a time.
- Where day and month may change places, a row that only fits one order decides, or dates that
  follow each other at midnight; otherwise the file is refused.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.api.model import SECOND, Bools, Indices, Nanos, Times
from gateway.history.reading import Notes, quoted
from gateway.history.times.formats import MONTHS, WITH_CLOCK, Format
from gateway.history.times.zones import (
    ambiguous_name,
    is_known_zone,
    offset_of,
    to_utc,
    zone_of,
)  # fmt: skip

NO_ZONE: Nanos = -(2**63)
"""The offset of a time without a zone."""
DAY: Nanos = 86_400 * SECOND
_FIRST_YEAR, _LAST_YEAR = 1678, 2261
"""Years that fit into 64 bits of ns."""

Ints = NDArray[np.int64]
Parts = Mapping[str, Any]
"""The named groups of a format, as Arrow columns of text."""


class Parsed(NamedTuple):
    """Local times int64[row] ns, their offsets from UTC in ns, and which rows hold a time."""

    local: Times
    offset: Times
    is_known: Bools


def parse(texts: Any, formats: Sequence[Format], numbers: Indices, notes: Notes) -> Parsed:
    """The times of a column of text; each row in the first format that fits it."""
    rows = len(texts)
    if formats[:1] == WITH_CLOCK[:1] and (found := _iso(texts)) is not None:
        return found
    local, offset = np.zeros(rows, dtype=np.int64), np.full(rows, NO_ZONE, dtype=np.int64)
    known = np.zeros(rows, dtype=bool)
    used = 0
    for form in formats:
        left = np.flatnonzero(~known)
        if not len(left):
            break
        part = texts if len(left) == rows else texts.take(left)
        found = _in_format(part, form, numbers[left], notes)
        local[left], offset[left], known[left] = found
        used += bool(found.is_known.any())
    if used > 1:
        notes.say(f"times in {used} formats, each row read by its own")
    return Parsed(local, offset, known)


def _iso(texts: Any) -> Parsed | None:
    """The times of a column that is ISO 8601 throughout, ten times as fast; None for any other."""
    import pyarrow as pa

    for zone, offset in (("UTC", 0), (None, NO_ZONE)):
        try:
            # A cast that fails is slow, and mostly does so in the first rows.
            texts[:1_000].cast(pa.timestamp("ns", tz=zone))
            nanos = texts.cast(pa.timestamp("ns", tz=zone)).cast(pa.int64())
        except pa.ArrowInvalid:
            continue
        times = np.asarray(nanos)
        return Parsed(times, np.full(len(times), offset), np.ones(len(times), dtype=bool))
    return None


def _in_format(texts: Any, form: Format, numbers: Indices, notes: Notes) -> Parsed:
    from pyarrow import compute

    found = compute.extract_regex(texts, form.pattern)
    names = [field.name for field in found.type]
    parts = {name: found.field(n) for n, name in enumerate(names)}
    fits = np.asarray(found.is_valid())
    clock, is_hour = _clock(parts)
    if form.has_date:
        days, is_day = _days(parts, fits & is_hour, clock, texts, numbers, notes)
    else:
        days, is_day = np.zeros(len(texts), dtype=np.int64), np.ones(len(texts), dtype=bool)
    offset, is_zone = _zones(parts, days * DAY + clock, fits & is_hour & is_day, numbers, notes)
    return Parsed(days * DAY + clock, offset, fits & is_hour & is_day & is_zone)


def _ints(parts: Parts, name: str) -> Any:
    """A group as Ints, 0 where it is empty; None if the format lacks it."""
    import pyarrow as pa
    from pyarrow import compute

    if name not in parts:
        return None
    column = compute.fill_null(parts[name], "0")
    column = compute.if_else(compute.equal(column, ""), "0", column)
    return np.asarray(column.cast(pa.int64()))


def _clock(parts: Parts) -> tuple[Ints, Bools]:
    """The time of day in ns, and which rows hold one that exists."""
    import pyarrow as pa
    from pyarrow import compute

    hour, minute, second = (_ints(parts, name) for name in "HMS")
    zero = np.zeros(len(next(iter(parts.values()))), dtype=np.int64)
    hour, minute, second = (zero if part is None else part for part in (hour, minute, second))
    ok = (hour <= 24) & (minute <= 59) & (second <= 60)
    if "p" in parts:
        half = compute.utf8_lower(compute.fill_null(parts["p"], ""))
        is_pm, is_am = (np.asarray(compute.equal(half, letter)) for letter in "pa")
        ok &= ~((is_pm | is_am) & ((hour > 12) | (hour == 0)))
        hour = np.where(is_pm, hour % 12 + 12, np.where(is_am, hour % 12, hour))
    ok &= (hour < 24) | ((minute == 0) & (second == 0))
    fraction = zero
    if "f" in parts:
        digits = compute.utf8_rpad(compute.fill_null(parts["f"], ""), 9, "0")
        fraction = np.asarray(digits.cast(pa.int64()))
    return (hour * 3600 + minute * 60 + second) * SECOND + fraction, ok


def _days(
    parts: Parts, fits: Bools, clock: Ints, texts: Any, numbers: Indices, notes: Notes
) -> tuple[Ints, Bools]:
    """Days since 1970, and which rows hold a day that exists."""
    short = None
    if (year := _ints(parts, "Y")) is None:
        year = _ints(parts, "y")
        short = (year < 100) & fits
        if short.any():
            notes.say("years of two digits are read as 1970 to 2069")
            year = np.where(year < 70, year + 2000, np.where(year < 100, year + 1900, year))
    if "a" in parts:
        return _in_open_order(parts, year, short, fits, clock, texts, numbers, notes)
    month = _months(parts["B"]) if "B" in parts else _ints(parts, "m")
    return _civil(year, month, _ints(parts, "d"))


def _months(names: Any) -> Ints:
    from pyarrow import compute

    encoded = compute.utf8_slice_codeunits(
        compute.utf8_lower(compute.fill_null(names, "")), 0, 3
    ).dictionary_encode()
    known = [MONTHS.get(name, 0) for name in encoded.dictionary.to_pylist()]
    numbers: Ints = np.array(known, dtype=np.int64)[np.asarray(encoded.indices)]
    return numbers


def _civil(year: Any, month: Any, day: Any) -> tuple[Ints, Bools]:
    ok = (year >= _FIRST_YEAR) & (year <= _LAST_YEAR) & (month >= 1) & (month <= 12) & (day >= 1)
    months = (np.where(ok, year, 1970) - 1970) * 12 + np.where(ok, month, 1) - 1
    first = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    after = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return first + np.where(ok, day, 1) - 1, ok & (day <= after - first)


def _in_open_order(
    parts: Parts,
    year: Any,
    short: Bools | None,
    fits: Bools,
    clock: Ints,
    texts: Any,
    numbers: Indices,
    notes: Notes,
) -> tuple[Ints, Bools]:
    """Days of dates such as 01/02/2026, in the one order that the file allows."""
    a, b = _ints(parts, "a"), _ints(parts, "b")
    readings = {"day first": _civil(year, b, a), "month first": _civil(year, a, b)}
    if short is not None and short.any():
        end = _ints(parts, "y")
        full = np.where(a < 70, a + 2000, a + 1900) if a is not None else a
        readings["year first"] = _civil(full, b, end)
    if not fits.any():
        return readings["day first"]
    share = {order: float(ok[fits].mean()) for order, (_, ok) in readings.items()}
    best = max(share.values())
    possible = [order for order in readings if share[order] >= min(best, 0.999)]
    separator = next(iter(parts["s"].take(np.flatnonzero(fits)[:1]).to_pylist()))
    if separator == "." and "day first" in possible:
        return readings["day first"]
    if len(possible) > 1:
        possible = [
            order for order in possible if _is_continuous(*readings[order], fits, clock)
        ] or possible
    row = int(np.flatnonzero(fits)[0])
    if len(possible) > 1:
        text = texts[row].as_py()
        raise notes.refuse(
            f"{notes.unit} {numbers[row]}: {quoted(text)} may be read {' or '.join(possible)}, and "
            f"no other row decides it: give --time-format {suggestion(text, 'dmy')!r} or "
            f"{suggestion(text, 'mdy')!r}"
        )
    if possible[0] != "day first" or separator != ".":
        notes.say(f"dates such as {quoted(texts[row].as_py())} are read {possible[0]}")
    return readings[possible[0]]


def _is_continuous(days: Ints, ok: Bools, fits: Bools, clock: Ints) -> bool:
    """Whether the dates follow each other day by day, with several rows in a day."""
    rows = fits & ok
    steps = np.diff(days[rows])
    changes = steps[steps != 0]
    if not len(changes) or len(changes) * 3 > len(steps) or not (clock[rows] != 0).any():
        return False
    return bool((changes == 1).all() or (changes == -1).all())


def suggestion(text: str, order: str) -> str:
    """A format for --time-format in which this text would be read."""
    names = {"d": "%d", "m": "%m"}
    clock = re.search(
        r"\d{1,2}([:.h])\d{2}(?:([:.m])\d{2}(?:([.,:])\d{1,9})?)?\s*([AaPp]\.?[Mm]\.?)?$",
        re.sub(r"^\S+", "", text).strip(),
    )
    date = re.sub(
        r"^(\D*)\d{1,2}([-/.])\d{1,2}[-/.](\d{4}|\d{2})",
        lambda m: (
            f"{m[1]}{names[order[0]]}{m[2]}{names[order[1]]}{m[2]}"
            f"{'%Y' if len(m[3]) == 4 else '%y'}"
        ),
        text.split(maxsplit=1)[0],
    )
    if clock is None:
        return date
    hour = "%I" if clock[4] else "%H"
    seconds = f"{clock[2]}%S" if clock[2] else ""
    fraction = f"{clock[3]}%f" if clock[3] else ""
    return f"{date} {hour}{clock[1]}%M{seconds}{fraction}{' %p' if clock[4] else ''}"


def _zones(
    parts: Parts, local: Ints, known: Bools, numbers: Indices, notes: Notes
) -> tuple[Ints, Bools]:
    """The offset of each row, NO_ZONE without one, and which rows hold no unknown zone."""
    from pyarrow import compute

    rows = len(local)
    offset, ok = np.full(rows, NO_ZONE, dtype=np.int64), np.ones(rows, dtype=bool)
    if "z" not in parts:
        return offset, ok
    encoded = compute.fill_null(parts["z"], "").dictionary_encode()
    index, names = np.asarray(encoded.indices), encoded.dictionary.to_pylist()
    is_used = np.bincount(index[known], minlength=len(names)) > 0
    fixed, is_zone = np.full(len(names), NO_ZONE, dtype=np.int64), np.ones(len(names), dtype=bool)
    # A hostile file has another zone in each row: what is done for a name is not done by row.
    for n, name in enumerate(names):
        if not name or not is_used[n]:
            continue
        if (of_name := offset_of(name)) is not None:
            fixed[n] = of_name
            if (read_as := ambiguous_name(name)) is not None:
                notes.say(f"the zone {name!r} is read as {read_as}; several zones are called so")
        elif not is_known_zone(name):
            is_zone[n] = False
    offset, ok = fixed[index], is_zone[index]
    for n, name in enumerate(names):
        if name and is_used[n] and is_zone[n] and fixed[n] == NO_ZONE:
            mine = (index == n) & known
            converted = to_utc(local[mine], zone_of(name), numbers[mine], name, notes)
            offset[mine] = local[mine] - converted
    return offset, ok
