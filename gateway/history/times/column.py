"""Which column holds the times.

Promises
- A column of dates wins over a column of numbers, wherever it stands and whatever it is called.
- Numbers that give no plausible times are refused, with what they would mean.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gateway.history.columns import Columns
from gateway.history.delimited.cells import is_number
from gateway.history.reading import Notes, Reading, quoted
from gateway.history.times import epoch
from gateway.history.times.formats import CLOCKS, COMPACT_CLOCK, DATES, WITH_CLOCK, Format, given
from gateway.history.times.names import rank

_ENOUGH = 0.6
"""Share of a column's cells that must have the form of a time."""
_RIGHT = (
    "write times as 2026-01-31T12:00:00Z or as seconds since 1970, or name their column with "
    "--time-column and their format with --time-format"
)


class Source(NamedTuple):
    """Where the times are: one column, or those of date and time of day."""

    columns: tuple[int, ...]
    formats: tuple[Format, ...] = ()
    """Formats of a text; without any, the column holds numbers or times."""


def source_of(columns: Columns, reading: Reading, notes: Notes) -> Source:
    """The columns that hold the times; ConfigError if there are none."""
    candidates = _candidates(columns, reading.time_columns, notes)
    if reading.time_format is not None:
        return _in_given_format(columns, candidates, given(reading.time_format), notes)
    found = _dates(columns, candidates, notes) or _numbers(columns, candidates, reading)
    if found is None:
        raise _refusal(columns, candidates, notes)
    return found


def _candidates(columns: Columns, wanted: Sequence[str], notes: Notes) -> list[int]:
    for name in wanted:
        if name not in columns.names:
            raise notes.refuse(
                f"no column {name!r} for --time-column, only {', '.join(columns.names)}"
            )
    if wanted:
        return [columns.names.index(name) for name in wanted]
    numbers = range(len(columns.names))
    worst = len(columns.names) + 1000
    return sorted(numbers, key=lambda n: (_rank(columns.names[n], worst), n))


def _rank(name: str, worst: int) -> int:
    found = rank(name)
    return worst if found is None else found


def _share(cells: Sequence[str], formats: Sequence[Format]) -> float:
    fits = sum(any(form.fits(cell) for form in formats) for cell in cells)
    return fits / len(cells) if cells else 0.0


def _in_given_format(
    columns: Columns, candidates: Sequence[int], form: Format, notes: Notes
) -> Source:
    texts = [n for n in candidates if columns.is_text(n)]
    alone = {n: _share(columns.sample(n), [form]) for n in texts}
    best = max(alone, key=lambda n: alone[n], default=None)
    if best is not None and alone[best] >= _ENOUGH:
        return Source((best,), (form,))
    for date in texts:
        for clock in texts:
            pairs = zip(columns.sample(date), columns.sample(clock), strict=False)
            both = [f"{first} {second}" for first, second in pairs]
            if date != clock and _share(both, [form]) >= _ENOUGH:
                return Source((date, clock), (form,))
    shown = next(((n, columns.sample(n)) for n in texts if columns.sample(n)), None)
    example = (
        ""
        if shown is None
        else f"; column {columns.names[shown[0]]!r} holds such as " + (quoted(shown[1][0]))
    )
    raise notes.refuse(f"no column holds times in the --time-format given{example}")


def _dates(columns: Columns, candidates: Sequence[int], notes: Notes) -> Source | None:
    """The column of dates with times of day, or those of both, or of dates alone."""
    typed = [n for n in candidates if _is_typed(columns.arrays[n])]
    samples = {n: columns.sample(n) for n in candidates if columns.is_text(n)}
    whole = [n for n in samples if _share(samples[n], WITH_CLOCK) >= _ENOUGH]
    full = [n for n in candidates if n in (*typed, *whole)]
    if full:
        if len(full) > 1:
            others = ", ".join(repr(columns.names[n]) for n in full[1:])
            notes.say(
                f"the times are those of column {columns.names[full[0]]!r}; {others} also holds "
                "times and is left out (--time-column chooses)"
            )
        return Source((full[0],), () if full[0] in typed else (*WITH_CLOCK, *DATES))
    dates = [n for n in samples if _share(samples[n], DATES) >= _ENOUGH]
    clocks = [n for n in samples if _share(samples[n], _clock_formats(columns.names[n])) >= _ENOUGH]
    if clocks and len(dates) > 1:
        # A time of day with points, 08.10.11, also has the form of a date.
        dates = [n for n in dates if n not in clocks or rank(columns.names[n]) is not None]
        dates.sort(key=lambda n: n in clocks)
    clocks = [n for n in clocks if n != (dates[0] if dates else None)]
    if dates and clocks:
        return Source((dates[0], clocks[0]), WITH_CLOCK)
    return Source((dates[0],), DATES) if dates else None


def _clock_formats(name: str) -> tuple[Format, ...]:
    return CLOCKS if rank(name) is None else (*CLOCKS, COMPACT_CLOCK)


def _is_typed(array: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_timestamp(array.type) or pa.types.is_date(array.type))


def _numbers(columns: Columns, candidates: Sequence[int], reading: Reading) -> Source | None:
    """The column of numbers that give plausible times."""
    for column in candidates:
        named = bool(reading.time_columns) or rank(columns.names[column]) is not None
        numbers = _sampled_numbers(columns, column)
        unit = epoch.unit_of(numbers) if len(numbers) else None
        rises = bool((np.diff(numbers) >= 0).all())
        if unit is not None and (named or (rises and unit != epoch.EXCEL)):
            return Source((column,))
    return None


def _sampled_numbers(columns: Columns, column: int) -> Any:
    """Some numbers of a column, in order; empty if it holds none."""
    import pyarrow as pa

    array = columns.arrays[column]
    if columns.is_text(column):
        cells = columns.sample(column)
        if not cells or not all(is_number(cell) for cell in cells):
            return np.array([])
        try:
            return np.array([float(cell.replace(",", ".")) for cell in cells])
        except ValueError:
            return np.array([])
    if not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        return np.array([])
    numbers = np.asarray(array.drop_null(), dtype=np.float64)
    return numbers[np.isfinite(numbers)][:10_000]


def _refusal(columns: Columns, candidates: Sequence[int], notes: Notes) -> Exception:
    column = candidates[0]
    name = repr(columns.names[column])
    numbers = _sampled_numbers(columns, column)
    if len(numbers):
        held = f"no column holds times: column {name} holds {epoch.described(numbers)}"
        if epoch.unit_of(numbers) == epoch.EXCEL:
            held += f" (for Excel's day numbers, give --time-column {columns.names[column]})"
        return notes.refuse(f"{held}; {_RIGHT}")
    clock = _clock_alone(columns, candidates)
    if clock is not None:
        return notes.refuse(
            f"column {columns.names[clock]!r} holds times of day, such as "
            f"{quoted(columns.sample(clock)[0])}, and no column the date: write both, as in "
            "2026-01-31T12:00:00Z"
        )
    cells = columns.sample(column) if columns.is_text(column) else []
    holds = f"holds {quoted(cells[0])}" if cells else "is empty"
    if any(rank(each) is not None for each in columns.names) or cells:
        return notes.refuse(f"no column holds times: column {name} {holds}; {_RIGHT}")
    return notes.refuse(f"no column holds times; {_RIGHT}")


def _clock_alone(columns: Columns, candidates: Sequence[int]) -> int | None:
    """The column of times of day without a date; None if there is none."""
    texts = (n for n in candidates if columns.is_text(n))
    return next((n for n in texts if _share(columns.sample(n), CLOCKS) >= _ENOUGH), None)
