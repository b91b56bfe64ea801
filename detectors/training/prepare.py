"""From a recording to the windows of the training.

Promises
- No setting is required: the grid and the length of a window follow from the data.
- A tag that is constant or mostly missing, and a switch that hardly ever changes, is left out and
  named; too little data is refused.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from detectors.data.labels import NO_INTERVALS, Intervals, Span, overlapping
from detectors.data.period import grid_period
from detectors.data.recordings import Recording
from detectors.data.resample import aligned, windows_of
from detectors.models.lagged import recency
from detectors.models.switches import reason_to_exclude
from detectors.runtime.gaps import fill, stack
from detectors.training.choose import Windows
from detectors.training.running import ALWAYS, Running, running_ends
from gateway.api.contracts import ConfigError
from gateway.api.model import Bools, Floats, Nanos, Window
from gateway.api.options import format_duration
from gateway.core.grid import Rows

DEFAULT_LAG, DEFAULT_SUBWINDOWS = 10, 20
MAX_INPUTS = 640
"""Most values of a sub-window, which bounds the cost of scoring."""
LARGEST = 1e100
"""Largest magnitude of a value, so that squares and sums stay finite."""
MIN_WINDOWS = 200
MIN_LENGTHS = 10
"""Fewest windows, in rows of a window."""
MAX_FAULTY = 400
"""Most labelled windows by which candidates are compared."""
MAX_CELLS = 20_000_000
"""Most cells of training windows; more are evenly downsampled, since they only add time."""


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """Options of a training; None is inferred from the data. Durations in ns."""

    period: Nanos | None = None
    window: Nanos | None = None
    hop: Nanos | None = None
    min_coverage: float = 0.5
    false_alarms: Nanos | None = None
    """Time between two false alarms; None for the longest that the data supports."""
    tag_periods: Mapping[str, Nanos] = field(default_factory=dict)
    running: Running = ALWAYS
    """Only windows in which the machine ran are used."""
    auxiliary: Sequence[str] = ()
    """Columns that are not tags of the model, but needed by `running` or `labels`."""
    labels: str | None = None
    """Column that is not 0 during faults; those rows are not used."""
    intervals: Intervals = NO_INTERVALS
    """Labelled times, which are not used either."""


class Prepared(NamedTuple):
    """Training windows of the usable tags, and what was left out."""

    windows: Windows
    names: tuple[str, ...]
    dropped: dict[str, str]
    """Tags that were left out, with the reason."""
    lag: int
    hop: int
    total: int
    """Number of complete windows, of which `windows` may be a sample."""
    fingerprint: str
    running: Running
    idle: int
    """Windows left out because the machine did not run."""
    wrong: int
    """Windows left out because of labelled rows."""
    faulty: Floats
    """Float64[window, time, tag]: a sample of the windows that end in a labelled row."""

    @property
    def gaps(self) -> list[tuple[Nanos, Nanos]]:
        """Pairs of times, ns, between which there is no window, in ascending order.

        Where a few missing rows only cost windows that overlap others, there is no gap.
        """
        ends, (_, length, _) = self.windows.ends, self.windows.values.shape
        after = np.flatnonzero(np.diff(ends) > self.windows.step) + 1
        first = ends[after] - (length - 1) * self.windows.period
        pairs = zip(ends[after - 1].tolist(), first.tolist(), strict=True)
        return [(before, since) for before, since in pairs if since > before]

    @property
    def recency(self) -> Floats:
        """Weights of a window's sub-windows."""
        return recency(self.windows.values.shape[1] - self.lag + 1)


def prepare(recording: Recording, options: TrainingOptions) -> Prepared:
    """Cuts the training windows of a recording; ConfigError if there are too few."""
    period = options.period or grid_period(recording, options.tag_periods)
    length_option = _rows("window", options.window, period)
    hop = _rows("hop", options.hop, period) or 1
    whole = recording
    recording = whole.only([name for name in whole.names if name not in options.auxiliary])
    segments = aligned(recording, period, options.tag_periods)
    names, dropped, count = _usable_tags(whole, recording, segments, period, options)
    lag = _lag(-(-length_option // 3) if length_option else DEFAULT_LAG, count, len(names))
    length = length_option or lag + DEFAULT_SUBWINDOWS - 1
    if dropped:
        segments = aligned(recording.only(names), period, options.tag_periods)
    cut, idle = _cut(whole, segments, period, length, hop, options)
    windows = [window for window in cut if window.coverage_per_tag.min() >= options.min_coverage]
    normal, faulty = _by_label(windows, whole, options)
    _check_enough(len(normal), length, options)
    stride = -(-len(normal) * length * len(names) // MAX_CELLS)
    sample = normal[::stride]
    values = fill(*stack(sample))
    if constant := _constant(names, values[:, -1]):
        others = prepare(
            whole.only([name for name in whole.names if name not in constant]), options
        )
        return others._replace(dropped=dropped | others.dropped | constant)
    return Prepared(
        Windows(
            values,
            np.array([window.end for window in sample]),
            period,
            stride * hop * period,
            hop * period,
        ),
        names,
        dropped,
        lag,
        hop,
        len(normal),
        _fingerprint(names, normal),
        options.running,
        idle,
        len(windows) - len(normal),
        fill(*stack(faulty)) if faulty else np.empty((0, length, len(names))),
    )


def _by_label(
    windows: Sequence[Window], whole: Recording, options: TrainingOptions
) -> tuple[list[Window], list[Window]]:
    """Windows without a labelled row, and a sample of those that end in a fault."""
    labels, intervals = options.labels, options.intervals
    if not windows or (labels is None and not intervals.all):
        return list(windows), []
    labelled = np.empty(0, dtype=np.int64)
    if labels is not None:
        labelled = whole.times[np.nan_to_num(whole.values[:, whole.names.index(labels)]) != 0]
    ends = np.array([window.end for window in windows], dtype=np.int64)
    length, period = len(windows[0].values), windows[0].period

    def in_last(rows: int, spans: Sequence[Span]) -> Bools:
        start = ends - rows * period
        found = np.searchsorted(labelled, ends, "right") > np.searchsorted(labelled, start, "right")
        return np.asarray(found | overlapping(spans, start, ends))

    normal = np.flatnonzero(~in_last(length, intervals.all)).tolist()
    faulty = np.flatnonzero(in_last(1, intervals.faults)).tolist()
    sample = faulty[:: max(1, -(-len(faulty) // MAX_FAULTY))]
    return [windows[n] for n in normal], [windows[n] for n in sample]


def _cut(
    whole: Recording,
    segments: Sequence[Rows],
    period: Nanos,
    length: int,
    hop: int,
    options: TrainingOptions,
) -> tuple[list[Window], int]:
    """Cuts windows: those in which the machine ran, and the number of the others."""
    cut = windows_of(segments, period, length, hop)
    if not options.running.when:
        return cut, 0
    ran = set(
        running_ends(options.running, whole, period, length, hop, options.tag_periods).tolist()
    )
    kept = [window for window in cut if window.end in ran]
    return kept, len(cut) - len(kept)


def _rows(what: str, asked: Nanos | None, period: Nanos) -> int | None:
    if asked is None:
        return None
    if asked % period or asked < period:
        raise ConfigError(
            f"the {what} of {format_duration(asked)} must be a multiple of the period, "
            f"{format_duration(period)}"
        )
    return asked // period


def _lag(default: int, rows: int, tags: int) -> int:
    """Rows of a sub-window: fewer with many tags, since each value needs two rows of data."""
    return max(1, min(default, rows // (2 * tags), MAX_INPUTS // tags))


def _usable_tags(
    whole: Recording,
    recording: Recording,
    segments: Sequence[Rows],
    period: Nanos,
    options: TrainingOptions,
) -> tuple[tuple[str, ...], dict[str, str], int]:
    """The usable tags, the others with the reason, and the number of rows."""
    ran, _ = _cut(whole, segments, period, 1, 1, options)
    cells, _ = _by_label(ran, whole, options)
    if not cells:
        raise ConfigError(_too_short(0, MIN_WINDOWS, options))
    # A pause of the whole line does not count against a tag.
    rows = [cell for cell in cells if cell.observed.any()] or cells[:1]
    observed = np.stack([cell.observed[-1] for cell in rows])
    values = np.where(observed, np.stack([cell.values[-1] for cell in rows]), np.nan)
    dropped = {}
    for column, name in enumerate(recording.names):
        known = values[observed[:, column], column]
        if len(known) < options.min_coverage * len(rows):
            dropped[name] = f"data in only {len(known) / len(rows):.0%} of the time"
        elif (largest := float(np.abs(known).max())) > LARGEST:
            dropped[name] = f"contains {largest:g}, which is not a measurement"
        elif known.min() == known.max():
            dropped[name] = f"constant at {known[0]:g}"
        elif reason := reason_to_exclude(recording.values[:, column]):
            dropped[name] = reason
    usable = tuple(name for name in recording.names if name not in dropped)
    if not usable:
        why = "; ".join(f"{name}: {reason}" for name, reason in dropped.items())
        raise ConfigError(f"no usable tag; at least one must vary ({why})")
    return usable, dropped, len(ran)


def _constant(names: Sequence[str], newest: Floats) -> dict[str, str]:
    """Tags that vary, but not in the newest rows [window, tag], with the reason."""
    constant = [names[column] for column in np.flatnonzero(np.ptp(newest, axis=0) == 0).tolist()]
    if len(constant) == len(names):
        raise ConfigError(f"no tag varies within the complete windows ({', '.join(constant)})")
    return dict.fromkeys(constant, "constant within the complete windows")


def _check_enough(windows: int, length: int, options: TrainingOptions) -> None:
    needed = max(MIN_WINDOWS, MIN_LENGTHS * length)
    if windows < needed:
        raise ConfigError(_too_short(windows, needed, options))


def _too_short(windows: int, needed: int, options: TrainingOptions) -> str:
    condition = f" in which {options.running} held" if options.running.when else ""
    if options.labels is not None:
        condition += f" without a row labelled by {options.labels!r}"
    if options.intervals.all:
        condition += " without a labelled row"
    return (
        f"the data gives {windows} complete windows{condition} where {needed} are needed: record "
        "longer, or choose a shorter window, or leave out tags that are often missing (--tags)"
    )


def _fingerprint(names: Sequence[str], windows: Sequence[Window]) -> str:
    digest = hashlib.sha256("\n".join(names).encode())
    for window in windows:
        digest.update(window.end.to_bytes(8, "little", signed=True))
        digest.update(np.ascontiguousarray(window.values[-1]).tobytes())
    return digest.hexdigest()
