"""From a recording of normal running to a model with a threshold. Pure but for progress messages.

Promises
- Strict split in time: the model is fitted on the first 70 %, its threshold comes from the last
  30 %, scored by the very graph that will run live, and no window lies in both.
- A tag that is constant or hardly there is left out and named; too little data is refused.

The threshold lies well above everything the held-out part showed: a sustained score above it is
rare in hours, not only in minutes. A budget of false alarms is a finer instrument than that.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from detectors.bundle import Model, Outputs
from detectors.gaps import fill, stack
from detectors.training.data import Recording
from detectors.training.export import graph_bytes
from detectors.training.pca import MOST_FITTED, LaggedPca, fit
from detectors.training.resample import cut_windows, typical_step
from gateway.contracts import ConfigError
from gateway.model import Floats, Nanos, Window
from gateway.options import format_duration

FITTED_SHARE = 0.7
LEAST_WINDOWS = 200
LEAST_LENGTHS = 10
QUANTILE = 0.9995
DEVIATIONS = 6.0
MARGIN = 2.5
"""Over the highest held-out scores: normal running that is new, or live samples that fall now in
one cell and now in the next, often score twice as high as a clean recording."""
DRIFTED = 3.0
CHUNK = 4096


@dataclass(frozen=True, slots=True)
class Wishes:
    """What to learn; what is None is inferred. Durations in ns."""

    period: Nanos | None = None
    window: Nanos | None = None
    hop: Nanos | None = None
    min_coverage: float = 0.5
    tag_periods: Mapping[str, Nanos] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Learnt:
    """A model, its graph, and how it did on the held-out part. Times are ends of windows, ns."""

    pca: LaggedPca
    graph: bytes
    names: tuple[str, ...]
    period: Nanos
    length: int
    hop: int
    min_coverage: float
    threshold: float
    examples: Floats
    fingerprint: str
    dropped: dict[str, str]
    rows: int
    fitted: int
    calibrated: int
    first: Nanos
    last: Nanos
    scores: Floats
    """Of the held-out windows, in order."""

    @property
    def exceedances(self) -> int:
        """Held-out windows above the threshold."""
        return int((self.scores > self.threshold).sum())

    @property
    def has_drifted(self) -> bool:
        """Whether the held-out part is unlike the fitted one."""
        return float(np.median(self.scores)) > DRIFTED


def learn(recording: Recording, wishes: Wishes, say: Callable[[str], None]) -> Learnt:
    """Learn what is normal; ConfigError if the recording does not allow it."""
    period = wishes.period or typical_step(recording.times)
    length = _rows("window", wishes.window, period, 10)
    hop = _rows("hop", wishes.hop, period, 1)
    say("aligning the recording")
    windows = cut_windows(recording, period, length, hop, wishes.tag_periods)
    usable, dropped = _usable_tags(recording.names, windows, wishes.min_coverage)
    if dropped:
        kept = recording.only(usable)
        windows = cut_windows(kept, period, length, hop, wishes.tag_periods)
    windows = [w for w in windows if w.coverage_per_tag.min() >= wishes.min_coverage]
    first, rest = _split(windows, length)
    say(f"fitting on {len(first)} windows of {len(usable)} tags")
    pca = fit(_filled(first[:: -(-len(first) // MOST_FITTED)]))
    graph = graph_bytes(pca)
    say(f"calibrating on {len(rest)} windows")
    scores = _scores(Model(graph), rest)
    return Learnt(
        pca, graph, usable, period, length, hop, wishes.min_coverage,
        threshold=threshold(scores),
        examples=_examples(_filled([rest[i] for i in _typical_and_highest(scores)]), pca),
        fingerprint=_fingerprint(usable, windows),
        dropped=recording.left_out | dropped,
        rows=len(recording.times),
        fitted=len(first),
        calibrated=len(rest),
        first=windows[0].end,
        last=windows[-1].end,
        scores=scores,
    )  # fmt: skip


def threshold(scores: Floats) -> float:
    """Above what the held-out scores reach, and above what their spread makes likely."""
    middle = float(np.median(scores))
    spread = 1.4826 * float(np.median(np.abs(scores - middle)))
    return MARGIN * max(float(np.quantile(scores, QUANTILE)), middle + DEVIATIONS * spread)


def _rows(what: str, asked: Nanos | None, period: Nanos, usual: int) -> int:
    if asked is None:
        return usual
    if asked % period or asked < period:
        raise ConfigError(
            f"the {what} of {format_duration(asked)} must be a multiple of the period, "
            f"{format_duration(period)}"
        )
    return asked // period


def _usable_tags(
    names: Sequence[str], windows: Sequence[Window], min_coverage: float
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Tags that the fitted part can teach something about, and the others with the reason."""
    part = windows[: round(len(windows) * FITTED_SHARE)]
    if not part:
        raise ConfigError(_too_short(0))
    # A pause of the whole line is no fault of any tag.
    part = [window for window in part if window.observed[-1].any()] or part[:1]
    # Last rows are enough to judge a tag by, and far less memory than whole windows.
    seen = np.stack([window.observed[-1] for window in part])
    values = np.where(seen, np.stack([window.values[-1] for window in part]), np.nan)
    dropped = {}
    for column, name in enumerate(names):
        found = values[seen[:, column], column]
        if len(found) < min_coverage * len(part):
            dropped[name] = f"data in only {len(found) / len(part):.0%} of the time"
        elif found.min() == found.max():
            dropped[name] = f"constant at {found[0]:g}"
    usable = tuple(name for name in names if name not in dropped)
    if not usable:
        why = "; ".join(f"{name}: {reason}" for name, reason in dropped.items())
        raise ConfigError(f"at least one tag that varies is needed ({why})")
    return usable, dropped


def _split(windows: Sequence[Window], length: int) -> tuple[Sequence[Window], Sequence[Window]]:
    """The fitted part and the held-out part, which starts where no window is shared."""
    needed = max(LEAST_WINDOWS, LEAST_LENGTHS * length)
    if len(windows) < needed:
        raise ConfigError(_too_short(len(windows), needed))
    cut = round(len(windows) * FITTED_SHARE)
    first, rest = windows[:cut], windows[cut:]
    return first, [window for window in rest if window.start > first[-1].end]


def _too_short(windows: int, needed: int = LEAST_WINDOWS) -> str:
    return (
        f"the data gives {windows} whole windows where {needed} are needed: record longer, "
        "or choose a shorter window, or leave out tags that are often missing (--tags)"
    )


def _filled(windows: Sequence[Window]) -> Floats:
    return fill(*stack(windows))


def _scores(model: Model, windows: Sequence[Window]) -> Floats:
    parts = [
        model.run(_filled(windows[start : start + CHUNK])).score
        for start in range(0, len(windows), CHUNK)
    ]
    return np.concatenate(parts)


def _typical_and_highest(scores: Floats) -> tuple[int, int]:
    order = np.argsort(scores, kind="stable")
    return int(order[len(order) // 2]), int(order[-1])


def _examples(windows: Floats, pca: LaggedPca) -> Floats:
    """The windows given, and the first once more with its first tag far off."""
    wrong = windows[:1].copy()
    wrong[:, :, 0] += 8 * pca.std[0]
    return np.concatenate((windows, wrong))


def _fingerprint(names: Sequence[str], windows: Sequence[Window]) -> str:
    digest = hashlib.sha256("\n".join(names).encode())
    for window in windows:
        digest.update(window.end.to_bytes(8, "little", signed=True))
        digest.update(np.ascontiguousarray(window.values[-1]).tobytes())
    return digest.hexdigest()


def judged(learnt: Learnt) -> Outputs:
    """What the graph makes of the examples: the golden vectors."""
    return Model(learnt.graph).run(learnt.examples)
