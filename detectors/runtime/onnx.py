"""The `onnx` detector, which scores windows with the model of a bundle.

Promises
- It is built only if the bundle verifies and the line has every tag of the model in its unit, under
  the model's name or the one that `tags` maps it to.
- Windows that close together are scored in one run; each score is the same as for the window alone.
- A tag with too little data makes the detector blind for that window: no score, and `blind` names
  the tag. Shorter gaps are interpolated within the window.
- A score that is no number, as NaN and infinity, makes it blind for that window too.
- It scores only while its gate is open: `when` of the line, or else of the training.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from detectors.bundle.bundle import load
from detectors.bundle.manifest import Manifest
from detectors.bundle.phrases import format_hours
from detectors.bundle.threshold import Budget
from detectors.runtime.alarm_fields import alarm_fields
from detectors.runtime.gaps import fill, stack
from detectors.runtime.gate import Gate, GateOptions
from detectors.runtime.tag_mapping import TagMapping
from gateway.api.alarm_options import AlarmOverrides, Phrase
from gateway.api.alarms import Alarm
from gateway.api.conditions import When
from gateway.api.contracts import ConfigError, ModelError, Places
from gateway.api.model import SECOND, Bools, Floats, Nanos, Score, Tag, Window, WindowSpec
from gateway.api.options import FilePath, Text
from gateway.api.wording import listed

HYSTERESIS = 0.1
LARGEST = 1e300
"""Largest score, and part of one: sums of them are still numbers."""
_HOUR = 3600 * SECOND


class OnnxOptions(GateOptions):
    """A trained model; tags, period, window, hop and threshold come from its manifest."""

    type: Literal["onnx"]
    bundle: FilePath
    """Folder with model.onnx and manifest.json, relative to the line file."""
    tags: dict[Annotated[str, Field(min_length=1)], str] = {}
    """The line's tags for those of the model that have other names, as in {"Öldruck": oil}: first
    the model's name, then the line's."""
    threshold: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Alarm above this score; by default the manifest's."""
    false_alarms: Budget | None = None
    """Budget of false alarms, as in 1 per week, instead of a threshold. The threshold is derived
    from the model's scores on held-out normal running; the budget can be at most one in three
    times its length."""
    hysteresis: Annotated[float, Field(ge=0, lt=1)] = HYSTERESIS
    """How far below the threshold the score must fall to clear the alarm, as a fraction of it."""
    title: Text | None = None
    """The alarm's name for people, as in "Pump runs strangely"."""
    phrase: Phrase | None = None
    """Its message when it is raised, with {alarm}, {value}, {limit}, {since} and {tags}."""
    min_coverage: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of a tag's rows that must be observed in a window; by default the manifest's."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.threshold is not None and self.false_alarms is not None:
            raise ValueError(
                "threshold and false_alarms both set the threshold: give only one of them"
            )
        return self


class OnnxDetector:
    """Detector with one alarm, `anomaly`: the model's score is above its threshold."""

    Options: ClassVar[type[OnnxOptions]] = OnnxOptions

    def __init__(
        self, name: str, options: OnnxOptions, tags: Mapping[str, Tag], places: Places
    ) -> None:
        self.name = name
        manifest, self._model = load(places.config / options.bundle)
        gate_is_trained = options.when is None
        mapping = TagMapping(name, manifest, options.tags, tags, gate_is_trained=gate_is_trained)
        names = mapping.names([tag.name for tag in manifest.tags])
        self._names = names
        own = WindowSpec(names, manifest.period, manifest.window, manifest.hop)
        self.judged_rows = manifest.window
        """Rows that the model is shown; the gate may look at more."""
        when = mapping.conditions(manifest.gate.when) if gate_is_trained else options.when or ()
        self._gate = _gate(name, options, manifest, when, tags, own)
        self.spec = self._gate.spec
        threshold = options.threshold or _budgeted(name, options.false_alarms, manifest)
        self.warnings = (
            *_beyond_the_data(options.false_alarms, manifest),
            *_out_of_reach(options.threshold, manifest),
            *mapping.warnings,
        )
        self.alarms: Sequence[Alarm] = (
            Alarm(
                "anomaly",
                threshold,
                options.severity,
                hysteresis=options.hysteresis * threshold,
                title=options.title or "",
                phrase=options.phrase or "",
                **alarm_fields(options, [_delays_of(manifest, options)]),
            ),
        )
        self._min_coverage = options.min_coverage or manifest.min_coverage
        self._id = manifest.model
        self._blank = Score(0, np.array([np.nan]), 0.0, self._id)
        self.reference = self._gate.reference(manifest.reference)

    def score(self, windows: Sequence[Window]) -> Sequence[Score]:
        """Returns one value per window.

        NaN and `blind` where a tag had too little data, or none in the newest row; NaN and `idle`
        where the gate is shut.
        """
        return self._gate.judge(windows, self._score_open, self._blank)

    def _score_open(self, windows: Sequence[Window]) -> Sequence[Score]:
        if not windows:
            return []
        values, observed = stack(windows)
        seen = observed.mean(axis=1)
        # The newest row must be observed too: a tag that just stopped must not look anomalous.
        missing = (seen < self._min_coverage) | ~observed[:, -1]
        blind = missing.any(axis=1)
        scores = iter(
            self._score_filled(
                [window for window, is_blind in zip(windows, blind, strict=True) if not is_blind],
                fill(values, observed)[~blind],
                seen[~blind].mean(axis=1),
            )
        )
        return [
            self._blind(window, missing[row]) if blind[row] else next(scores)
            for row, window in enumerate(windows)
        ]

    def _score_filled(
        self, windows: Sequence[Window], filled: Floats, coverage: Floats
    ) -> list[Score]:
        if not windows:
            return []
        outputs = self._model.run(filled)
        is_number = np.abs(outputs.score) <= LARGEST
        expected = outputs.expected
        if expected is not None:
            expected = np.where(np.isfinite(expected), expected, np.nan)
        contribution = np.clip(np.nan_to_num(outputs.contribution), -LARGEST, LARGEST)
        return [
            Score(
                at=window.end,
                values=outputs.score[row : row + 1] if is_number[row] else np.array([np.nan]),
                coverage=float(coverage[row]),
                model=self._id,
                contribution=contribution[row],
                expected=None if expected is None else expected[row],
                actual=filled[row, -1],
                blind="" if is_number[row] else f"the model returned {_said(outputs.score[row])}",
            )
            for row, window in enumerate(windows)
        ]

    def _blind(self, window: Window, missing: Bools) -> Score:
        without = [tag for tag, is_missing in zip(self._names, missing, strict=True) if is_missing]
        blind = f"no data for {listed(without)}"
        return replace(self._blank, at=window.end, coverage=window.coverage, blind=blind)


def _said(score: float) -> str:
    if np.isnan(score):
        return "NaN"
    return "infinity" if np.isinf(score) else f"a score beyond {LARGEST:g}"


def _gate(
    detector: str,
    options: OnnxOptions,
    manifest: Manifest,
    when: When,
    tags: Mapping[str, Tag],
    own: WindowSpec,
) -> Gate:
    given = "settle" in options.model_fields_set
    settle = options.settle if given else manifest.gate.settle
    return Gate(detector, when, settle if when else options.settle, tags, own, own.length)


def _budgeted(detector: str, between: Nanos | None, manifest: Manifest) -> float:
    if between is None:
        return manifest.threshold
    if manifest.calibration is None:
        raise ConfigError(
            f"detector {detector}: the bundle {manifest.model} has no calibration, so no threshold "
            "can be derived from false_alarms: train the model again, or set threshold"
        )
    try:
        threshold = manifest.calibration.threshold(between)
    except (ArithmeticError, ValueError) as error:
        raise _overflow(manifest) from error
    if not 0 < threshold < np.inf:
        raise _overflow(manifest)
    return threshold


def _overflow(manifest: Manifest) -> ModelError:
    return ModelError(
        f"the calibration of {manifest.model} gives no threshold for false_alarms: its figures are "
        "too large or too small"
    )


def _out_of_reach(threshold: float | None, manifest: Manifest) -> Iterator[str]:
    """A warning about a threshold of the line file that no window may ever reach."""
    highest = max(vector.score for vector in manifest.golden.vectors)
    if threshold is not None and threshold > max(highest, manifest.threshold):
        yield (
            f"the threshold {threshold:.4g} is above the score {highest:.4g} of the strangest "
            f"window that {manifest.model} was tested with, one with a tag shifted by 8 standard "
            f"deviations, so it may never be reached; that of the model is "
            f"{manifest.threshold:.4g}"
        )


def _beyond_the_data(between: Nanos | None, manifest: Manifest) -> Iterator[str]:
    """A warning about a budget of false alarms that the training data does not support."""
    calibration = manifest.calibration
    if between is None or calibration is None or between <= calibration.longest_interval:
        return
    requested, longest = (
        format_hours(each / _HOUR) for each in (between, calibration.longest_interval)
    )
    yield (
        f"one false alarm in {requested} cannot be promised by the training data of "
        f"{manifest.model}: it supports at most one in {longest}, and the threshold is set for that"
    )


def _delays_of(manifest: Manifest, options: OnnxOptions) -> AlarmOverrides:
    """The delays of the bundle, where the line file gives none of its own."""
    given = options.model_fields_set
    is_counted = "on_delay" in given or options.n_of_m is not None
    return AlarmOverrides.model_construct(
        on_delay=None if is_counted else manifest.on_delay,
        off_delay=None if "off_delay" in given else manifest.off_delay,
    )
