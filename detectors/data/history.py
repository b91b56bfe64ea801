"""Reader of the gateway's own history: Parquet with one row per sample (docs/history.md).

Promises
- Good samples are averaged on the grid of the fastest tag by the line's own alignment; no value is
  held or filled in.
- A time without a good sample of any tag has no row, so an interruption stays a gap.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gateway.api.contracts import ConfigError
from gateway.api.model import SECOND, Floats, Indices, Nanos, Quality, SampleBatch, Times
from gateway.core import grid
from gateway.core.grid import FUTURE_LIMIT
from gateway.history.names import files_in
from gateway.history.reading import count_of, current, moment

_MILLISECOND = 1_000_000
LATE: Nanos = 3600 * SECOND
"""Samples that arrived later than this after their time are dropped."""


class _Samples(NamedTuple):
    """Good samples of one file; `tag` indexes the names of all files."""

    tag: Indices
    at: Times
    value: Floats


def files(paths: Sequence[Path]) -> list[Path]:
    """Returns the history files among the paths, including those in folders."""
    history_files: list[Path] = []
    for path in paths:
        if path.is_dir():
            history_files += files_in(path)
        elif path.suffix == ".parquet" and _is_history(path):
            history_files.append(path)
    return history_files


def _is_history(path: Path) -> bool:
    from gateway.history import table

    return bool(table.read_facts(path))


def read(paths: Sequence[Path]) -> tuple[tuple[str, ...], Times, Floats]:
    """Returns names, times int64[row], ns, and values float64[row, tag] of all files together."""
    number: dict[str, int] = {}
    parts, samples, most = list[_Samples](), 0, current().most_values
    for path in paths:
        parts.append(_read_file(path, number))
        samples += len(parts[-1].at)
        if samples > most:
            raise ConfigError(
                f"{path} and the history files before it have {samples:,} samples, and at most "
                f"{most:,} are read: give fewer files, or raise the limit with --most-values"
            )
    step = _step(parts)
    _check_grid(paths, parts, len(number), step)
    rows = [_on_grid(part, len(number), step) for part in parts if len(part.at)]
    if not rows:
        raise ConfigError(f"{paths[0]} and the other history files hold no good sample")
    times = np.concatenate([times for times, _ in rows])
    return tuple(number), times, np.concatenate([values for _, values in rows])


def _check_grid(paths: Sequence[Path], parts: Sequence[_Samples], tags: int, step: Nanos) -> None:
    """ConfigError if the span of a file has far more cells than may be read."""
    cells, most = 0, current().most_values
    for path, part in zip(paths, parts, strict=True):
        if len(part.at):
            cells += (int(part.at.max()) - int(part.at.min())) // step * tags
        if cells > most:
            raise ConfigError(
                f"{path}: its samples, {moment(part.at.min())} to {moment(part.at.max())}, have "
                f"{cells:,} cells for {tags} tags at a period of {step / SECOND:g} s, and at most "
                f"{most:,} are used: give fewer files, or raise the limit with --most-values"
            )


def _read_file(path: Path, number: dict[str, int]) -> _Samples:
    from gateway.history import table

    parts = [_NONE, *(_good(path, rows, number) for rows in table.groups(path))]
    return _Samples(
        np.concatenate([part.tag for part in parts]),
        np.concatenate([part.at for part in parts]),
        np.concatenate([part.value for part in parts]),
    )


_NONE = _Samples(np.array([], dtype=np.int32), np.array([], dtype=np.int64), np.array([]))


def _good(path: Path, rows: Any, number: dict[str, int]) -> _Samples:
    """The good samples of some rows."""
    from pyarrow import compute

    good = compute.equal(rows["quality"], Quality.GOOD.name.lower())
    given = compute.and_(rows["tag"].is_valid(), rows["value"].is_valid())
    rows = rows.filter(compute.and_(good, given))
    names = rows["tag"].unify_dictionaries().combine_chunks()
    own = [number.setdefault(name, len(number)) for name in names.dictionary.to_pylist()]
    tag = np.array(own, dtype=np.int32)[np.asarray(names.indices)]
    at, arrived = (np.asarray(rows[name].cast("int64")) for name in ("time", "arrived"))
    # A source with a wrong clock would stretch the grid over years; a line drops it too.
    plausible = (at <= arrived + FUTURE_LIMIT) & (at > arrived - LATE)
    _tell(path, at[~plausible], arrived[~plausible])
    return _Samples(tag[plausible], at[plausible], np.asarray(rows["value"])[plausible])


def _tell(path: Path, at: Times, arrived: Times) -> None:
    """Says which samples are left out for their time."""
    if len(at):
        current().tell(
            f"{path}: {count_of(len(at), 'sample')} left out, whose time is far from that of "
            f"{'its' if len(at) == 1 else 'their'} arrival, such as {moment(at[0])} at "
            f"{moment(arrived[0])}"
        )


def _step(parts: Sequence[_Samples]) -> Nanos:
    """Median interval of the fastest tag's samples, ns, rounded to milliseconds."""
    largest = max(parts, key=lambda part: len(part.at))
    steps = [
        np.median(np.diff(times))
        for tag in np.unique(largest.tag)
        if len(times := np.unique(largest.at[largest.tag == tag])) > 1
    ]
    if not steps:
        raise ConfigError("the history holds too few samples: at least one tag needs two")
    return max(round(float(min(steps)) / _MILLISECOND), 1) * _MILLISECOND


def _on_grid(part: _Samples, tags: int, step: Nanos) -> tuple[Times, Floats]:
    good = np.full(len(part.at), Quality.GOOD, dtype=np.uint8)
    no_hold = np.zeros(tags, dtype=np.int64)
    samples = SampleBatch(part.tag, part.at, part.value, good)
    times, values, observed = grid.resample([samples], tags, step, no_hold)
    some = observed.any(axis=1)
    return times[some], values[some]
