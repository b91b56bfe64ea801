"""From a recording to the windows that are learnt from.

Promises
- Nothing has to be told: the grid and the length of what is judged together follow from the data.
- A tag that is constant or hardly there, and a switch that hardly ever changes, is left out and
  named; too little data is refused.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from detectors.data.recordings import Recording
from detectors.data.resample import aligned, typical_step, windows_of
from detectors.models.lagged import recency
from detectors.models.switches import reason_to_exclude
from detectors.runtime.gaps import fill, stack
from detectors.training.choose import Windows
from detectors.training.running import ALWAYS, Running, ends
from gateway.api.contracts import ConfigError
from gateway.api.model import Bools, Floats, Nanos, Window
from gateway.api.options import format_duration
from gateway.core.grid import Rows

USUAL_LAG, USUAL_STRETCHES = 10, 20
MAX_INPUTS = 640
"""Values that are judged together at the most, so that a window costs little."""
LARGEST = 1e100
"""Of numbers that are still to be squared and added up."""
MIN_WINDOWS = 200
MIN_LENGTHS = 10
MAX_FAULTY = 400
"""Labelled windows by which candidates are compared."""
MAX_CELLS = 20_000_000
"""Cells of windows that are learnt from; more, evenly thinned, add time and nothing else."""


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """What to learn; what is None is inferred. Durations in ns."""

    period: Nanos | None = None
    window: Nanos | None = None
    hop: Nanos | None = None
    min_coverage: float = 0.5
    false_alarms: Nanos | None = None
    """Time between two; None for as rare as the data can speak of."""
    tag_periods: Mapping[str, Nanos] = field(default_factory=dict)
    running: Running = ALWAYS
    """Only windows in which the machine ran are learnt from."""
    beside: Sequence[str] = ()
    """Columns that are no tags of the model: `running` or `labels` asks for them."""
    labels: str | None = None
    """Column that is not 0 where something was wrong, which is not learnt from."""


class Prepared(NamedTuple):
    """Windows of the usable tags, and what became of the others."""

    windows: Windows
    names: tuple[str, ...]
    dropped: dict[str, str]
    lag: int
    hop: int
    total: int
    """Whole windows there were, of which `windows` may be a part."""
    fingerprint: str
    running: Running
    idle: int
    """Whole windows that were left out because the machine did not run."""
    wrong: int
    """Whole windows that were left out because something was wrong in them, by the labels."""
    faulty: Floats
    """Float64[window, time, tag]: some of those that end where something was wrong."""

    @property
    def gaps(self) -> list[tuple[Nanos, Nanos]]:
        """Between these times, ns, there was no window to learn from."""
        ends, (_, length, _) = self.windows.ends, self.windows.values.shape
        after = np.flatnonzero(np.diff(ends) > self.windows.step) + 1
        first = ends[after] - (length - 1) * self.windows.period
        return list(zip(ends[after - 1].tolist(), first.tolist(), strict=True))

    @property
    def recency(self) -> Floats:
        """Weights of a window's stretches."""
        return recency(self.windows.values.shape[1] - self.lag + 1)


def prepare(recording: Recording, wishes: TrainingOptions) -> Prepared:
    """ConfigError says why there is nothing to learn from."""
    period = wishes.period or typical_step(recording.times)
    asked = _rows("window", wishes.window, period)
    hop = _rows("hop", wishes.hop, period) or 1
    whole = recording
    recording = whole.only([name for name in whole.names if name not in wishes.beside])
    stretches = aligned(recording, period, wishes.tag_periods)
    names, dropped, count = _usable_tags(whole, recording, stretches, period, wishes)
    lag = _lag(-(-asked // 3) if asked else USUAL_LAG, count, len(names))
    length = asked or lag + USUAL_STRETCHES - 1
    if dropped:
        stretches = aligned(recording.only(names), period, wishes.tag_periods)
    cut, idle = _cut(whole, stretches, period, length, hop, wishes)
    windows = [window for window in cut if window.coverage_per_tag.min() >= wishes.min_coverage]
    normal, faulty = _by_label(windows, whole, wishes.labels)
    _check_enough(len(normal), length, wishes)
    thin = -(-len(normal) * length * len(names) // MAX_CELLS)
    some = normal[::thin]
    values = fill(*stack(some))
    if still := _still(names, values[:, -1]):
        others = prepare(whole.only([name for name in whole.names if name not in still]), wishes)
        return others._replace(dropped=dropped | others.dropped | still)
    return Prepared(
        Windows(
            values,
            np.array([window.end for window in some]),
            period,
            thin * hop * period,
            hop * period,
        ),
        names,
        dropped,
        lag,
        hop,
        len(normal),
        _fingerprint(names, normal),
        wishes.running,
        idle,
        len(windows) - len(normal),
        fill(*stack(faulty)) if faulty else np.empty((0, length, len(names))),
    )


def _by_label(
    windows: Sequence[Window], whole: Recording, labels: str | None
) -> tuple[list[Window], list[Window]]:
    """Windows without any row in which something was wrong, and some of those that end in one."""
    if labels is None or not windows:
        return list(windows), []
    wrong = whole.times[np.nan_to_num(whole.values[:, whole.names.index(labels)]) != 0]
    ends = np.array([window.end for window in windows], dtype=np.int64)
    length, period = len(windows[0].values), windows[0].period

    def in_last(rows: int) -> Bools:
        before = np.searchsorted(wrong, ends - rows * period, "right")
        return np.asarray(np.searchsorted(wrong, ends, "right") > before)

    normal, faulty = np.flatnonzero(~in_last(length)).tolist(), np.flatnonzero(in_last(1)).tolist()
    some = faulty[:: max(1, -(-len(faulty) // MAX_FAULTY))]
    return [windows[n] for n in normal], [windows[n] for n in some]


def _cut(
    whole: Recording,
    stretches: Sequence[Rows],
    period: Nanos,
    length: int,
    hop: int,
    wishes: TrainingOptions,
) -> tuple[list[Window], int]:
    """The windows in which the machine ran, and how many others there are."""
    cut = windows_of(stretches, period, length, hop)
    if not wishes.running.when:
        return cut, 0
    ran = set(ends(wishes.running, whole, period, length, hop, wishes.tag_periods).tolist())
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


def _lag(usual: int, rows: int, tags: int) -> int:
    """Fewer rows where there are many tags: each value wants two rows of data that speak of it."""
    return max(1, min(usual, rows // (2 * tags), MAX_INPUTS // tags))


def _usable_tags(
    whole: Recording,
    recording: Recording,
    stretches: Sequence[Rows],
    period: Nanos,
    wishes: TrainingOptions,
) -> tuple[tuple[str, ...], dict[str, str], int]:
    """Tags that the data can teach something about, the others with the reason; rows there are."""
    ran, _ = _cut(whole, stretches, period, 1, 1, wishes)
    cells, _ = _by_label(ran, whole, wishes.labels)
    if not cells:
        raise ConfigError(_too_short(0, MIN_WINDOWS, wishes))
    # A pause of the whole line is no fault of any tag.
    part = [cell for cell in cells if cell.observed.any()] or cells[:1]
    seen = np.stack([cell.observed[-1] for cell in part])
    values = np.where(seen, np.stack([cell.values[-1] for cell in part]), np.nan)
    dropped = {}
    for column, name in enumerate(recording.names):
        found = values[seen[:, column], column]
        if len(found) < wishes.min_coverage * len(part):
            dropped[name] = f"data in only {len(found) / len(part):.0%} of the time"
        elif (largest := float(np.abs(found).max())) > LARGEST:
            dropped[name] = f"holds {largest:g}, which is no measurement"
        elif found.min() == found.max():
            dropped[name] = f"constant at {found[0]:g}"
        elif apart := reason_to_exclude(recording.values[:, column]):
            dropped[name] = apart
    usable = tuple(name for name in recording.names if name not in dropped)
    if not usable:
        why = "; ".join(f"{name}: {reason}" for name, reason in dropped.items())
        raise ConfigError(f"at least one tag that varies is needed ({why})")
    return usable, dropped, len(ran)


def _still(names: Sequence[str], newest: Floats) -> dict[str, str]:
    """Tags that vary, but not in the newest rows [window, tag], with the reason."""
    still = [names[column] for column in np.flatnonzero(np.ptp(newest, axis=0) == 0).tolist()]
    if len(still) == len(names):
        raise ConfigError(f"no tag varies where there are whole windows ({', '.join(still)})")
    return dict.fromkeys(still, "constant wherever there is a whole window")


def _check_enough(windows: int, length: int, wishes: TrainingOptions) -> None:
    needed = max(MIN_WINDOWS, MIN_LENGTHS * length)
    if windows < needed:
        raise ConfigError(_too_short(windows, needed, wishes))


def _too_short(windows: int, needed: int, wishes: TrainingOptions) -> str:
    held = f" in which {wishes.running} held" if wishes.running.when else ""
    if wishes.labels is not None:
        held += f" without a row that {wishes.labels!r} labels"
    return (
        f"the data gives {windows} whole windows{held} where {needed} are needed: record longer, "
        "or choose a shorter window, or leave out tags that are often missing (--tags)"
    )


def _fingerprint(names: Sequence[str], windows: Sequence[Window]) -> str:
    digest = hashlib.sha256("\n".join(names).encode())
    for window in windows:
        digest.update(window.end.to_bytes(8, "little", signed=True))
        digest.update(np.ascontiguousarray(window.values[-1]).tobytes())
    return digest.hexdigest()
