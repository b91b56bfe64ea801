"""Application of a bundle to a recording, by the code that runs live.

Promises
- Windows are cut by the line's alignment, scored by the line's detector, and turned into alarms
  by the line's alarm machine with its delays and hysteresis. Nothing is reimplemented here.
- The result at a time depends on nothing that was recorded later.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from detectors.bundle.bundle import load
from detectors.data.recordings import Recording
from detectors.data.resample import cut_windows
from detectors.runtime.onnx import OnnxDetector, OnnxOptions
from gateway.api.alarms import Alarm, TopTag
from gateway.api.conditions import parse_condition
from gateway.api.contracts import ConfigError, Places
from gateway.api.mistakes import sentences
from gateway.api.model import Bools, Floats, Nanos, Score, Tag, Times, Window
from gateway.core.alarms.machine import AlarmMachine

CHUNK = 4096
"""Windows scored in one call, which bounds the memory."""
_NO_PERIODS: Mapping[str, Nanos] = {}


class Episode(NamedTuple):
    """One alarm, from raise to clear, ns; `cleared` is None if it was active to the end."""

    raised: Nanos
    cleared: Nanos | None
    peak: float
    top: tuple[TopTag, ...]
    """Tags that caused its highest score, the strongest first."""


class Judged(NamedTuple):
    """Scores and alarms of a recording, one row per window: its end int64 ns, score and alarm.

    The score is NaN where the detector was blind or idle. `number` int64[row] is the index of the
    active episode; -1 without an alarm.
    """

    at: Times
    score: Floats
    number: Times
    idle: Bools
    """Bool[row]: the gate was shut."""
    threshold: float
    episodes: tuple[Episode, ...]

    @property
    def alarm(self) -> Bools:
        """Bool[row]: an alarm was active."""
        return self.number >= 0

    def at_times(self, times: Times) -> "Judged":
        """Resamples to other times, int64 ns: each gets the window whose last cell contains it.

        Before the first window and in gaps there is no score and no alarm.
        """
        row = np.searchsorted(self.at, times)
        held = np.minimum(row, len(self.at) - 1)
        step = int(np.median(np.diff(self.at))) if len(self.at) > 1 else 0
        known = (row < len(self.at)) & (self.at[held] - times < max(step, 1))
        score = np.where(known, self.score[held], np.nan)
        number, idle = np.where(known, self.number[held], -1), self.idle[held] & known
        return Judged(times, score, number, idle, self.threshold, self.episodes)


def detector_for(bundle: Path, **alarm: Any) -> OnnxDetector:
    """Builds the detector of a line that has only the tags of this bundle.

    `alarm` are options of a line file: threshold, hysteresis, on_delay, off_delay, when and settle,
    durations as text; None is the default. ConfigError or ModelError as on a line.
    """
    given = {name: value for name, value in alarm.items() if value is not None}
    fields = {"type": "onnx", "bundle": str(bundle.absolute()), **given}
    try:
        options = OnnxOptions.model_validate(fields)
    except ValidationError as error:
        raise ConfigError("; ".join(sentences(error))) from error
    manifest = load(bundle).manifest
    units = {parse_condition(text).tag: "" for text in options.when or ()}
    units |= manifest.gate.units | {tag.name: tag.unit for tag in manifest.tags}
    tags = {name: Tag(name, "recording", manifest.period, unit) for name, unit in units.items()}
    return OnnxDetector(manifest.id, options, tags, Places(bundle, bundle))


def _ignore(_share: float) -> None:
    """Ignores the progress."""


def judge(
    detector: OnnxDetector,
    recording: Recording,
    on_progress: Callable[[float], None] = _ignore,
    tag_periods: Mapping[str, Nanos] = _NO_PERIODS,
) -> Judged:
    """Scores a recording; ConfigError if it lacks a tag or is shorter than a window.

    `on_progress` gets the share that is done, from 0 to 1; `tag_periods`: ns, from a line file.
    """
    spec = detector.spec
    missing = sorted(set(spec.tags) - set(recording.names))
    if missing:
        raise ConfigError(f"the data has no column for the model's tags {', '.join(missing)}")
    only = recording.only(spec.tags)
    windows = cut_windows(only, spec.period, spec.length, spec.hop, tag_periods)
    if not windows:
        raise ConfigError(f"the data is shorter than one window of the model ({spec.length} rows)")
    return follow(detector.alarms[0], spec.tags, _scored(detector, windows, on_progress))


def _scored(
    detector: OnnxDetector, windows: list[Window], on_progress: Callable[[float], None]
) -> Iterator[Score]:
    for start in range(0, len(windows), CHUNK):
        on_progress(start / len(windows))
        yield from detector.score(windows[start : start + CHUNK])
    on_progress(1.0)


def follow(alarm: Alarm, tags: Sequence[str], scores: Iterable[Score]) -> Judged:
    """Runs the alarm machine over scores in order of time."""
    machine = AlarmMachine("model", (alarm,), tags)
    rows, ended = [], []
    for score in scores:
        ended += [alert for alert in machine.step(score) if not alert.is_active]
        number = len(ended) if machine.active else -1
        rows.append((score.at, score.values[0], number, bool(score.idle)))
    at, value, numbers, idle = (np.array(column) for column in zip(*rows, strict=True))
    episodes = [Episode(each.opened_at, each.at, each.peak, each.top_tags) for each in ended]
    standing = [each for each in machine.standing() if each.is_active]
    active = [Episode(e.opened_at, None, e.peak, e.top_tags) for e in standing]
    return Judged(at, value, numbers, idle, alarm.threshold, (*episodes, *active))
