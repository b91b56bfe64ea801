"""The `onnx` detector: scores windows with the model of a bundle.

Promises
- It is built only if the bundle verifies and every tag of the model is in the line in its unit.
- Windows that close together are scored in one run, and each score is the same as if alone.
- A tag with too little data makes it blind for that window: no score, and `blind` names the tag.
  What little is missing else is bridged within the window, from the row before to the row after.
- It judges only while its gate is open: the line's `when`, or else the one it was trained with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from detectors.bundle.bundle import Manifest, load
from detectors.bundle.calibration import Budget
from detectors.bundle.phrases import spoken
from detectors.runtime.gaps import fill, stack
from detectors.runtime.gate import Gate, GateOptions
from detectors.runtime.known_tags import known_tags
from gateway.api.contracts import ConfigError, Places
from gateway.api.model import SECOND, Alarm, Bools, Floats, Nanos, Score, Tag, Window, WindowSpec

HYSTERESIS = 0.1
_HOUR = 3600 * SECOND


class OnnxOptions(GateOptions):
    """A learnt model; tags, period, window, hop and threshold come from its manifest."""

    type: Literal["onnx"]
    bundle: str
    """Folder with model.onnx and manifest.json, relative to the line file."""
    threshold: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Alarm above this score; the manifest's if not given."""
    false_alarms: Budget | None = None
    """As many as may be borne, as in 1 per week, instead of a threshold; it comes from how the
    model scored normal running it had not seen, and not rarer than one in three times its
    length."""
    hysteresis: Annotated[float, Field(ge=0, lt=1)] = HYSTERESIS
    """How far below the threshold the score must fall, as a fraction of it."""
    min_coverage: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of a tag's rows that must be observed in a window; the manifest's if not given."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.threshold is not None and self.false_alarms is not None:
            raise ValueError("threshold and false_alarms both set the threshold: give one of them")
        return self


class OnnxDetector:
    """One alarm, `anomaly`: the model's score is above its threshold."""

    Options: ClassVar[type[OnnxOptions]] = OnnxOptions

    def __init__(
        self, name: str, options: OnnxOptions, tags: Mapping[str, Tag], places: Places
    ) -> None:
        self.name = name
        manifest, self._model = load(places.config / options.bundle)
        _check_tags(name, manifest, tags, gate_is_trained=options.when is None)
        names = tuple(tag.name for tag in manifest.tags)
        self._names = names
        own = WindowSpec(names, manifest.period, manifest.window, manifest.hop)
        self._gate = _gate(name, options, manifest, tags, own)
        self.spec = self._gate.spec
        threshold = options.threshold or _budgeted(name, options.false_alarms, manifest)
        self.warnings = _warnings(options.false_alarms, manifest)
        self.alarms: Sequence[Alarm] = (
            Alarm(
                "anomaly",
                threshold,
                options.severity,
                hysteresis=options.hysteresis * threshold,
                on_delay=_given(options, "on_delay", manifest.on_delay),
                off_delay=_given(options, "off_delay", manifest.off_delay),
            ),
        )
        self._min_coverage = options.min_coverage or manifest.min_coverage
        self._id = manifest.model
        self._blank = Score(0, np.array([np.nan]), 0.0, self._id)
        self.reference = self._gate.reference(manifest.reference)

    def score(self, windows: Sequence[Window]) -> Sequence[Score]:
        """One value per window; NaN and `blind` where a tag had too little data, or none now.

        NaN and `idle` where the gate is shut.
        """
        return self._gate.judge(windows, self._seen, self._blank)

    def _seen(self, windows: Sequence[Window]) -> Sequence[Score]:
        if not windows:
            return []
        values, observed = stack(windows)
        seen = observed.mean(axis=1)
        # The newest row decides too: a tag that has just fallen silent must not look strange.
        missing = (seen < self._min_coverage) | ~observed[:, -1]
        blind = missing.any(axis=1)
        judged = iter(
            self._judged(
                [window for window, is_blind in zip(windows, blind, strict=True) if not is_blind],
                fill(values, observed)[~blind],
                seen[~blind].mean(axis=1),
            )
        )
        return [
            self._blind(window, missing[row]) if blind[row] else next(judged)
            for row, window in enumerate(windows)
        ]

    def _judged(self, windows: Sequence[Window], filled: Floats, coverage: Floats) -> list[Score]:
        if not windows:
            return []
        found = self._model.run(filled)
        return [
            Score(
                at=window.end,
                values=found.score[row : row + 1],
                coverage=float(coverage[row]),
                model=self._id,
                contribution=found.contribution[row],
                expected=None if found.expected is None else found.expected[row],
                actual=filled[row, -1],
                blind="the model gave no number" if np.isnan(found.score[row]) else "",
            )
            for row, window in enumerate(windows)
        ]

    def _blind(self, window: Window, missing: Bools) -> Score:
        gone = [tag for tag, is_gone in zip(self._names, missing, strict=True) if is_gone]
        blind = f"no data for {', '.join(gone)}"
        return replace(self._blank, at=window.end, coverage=window.coverage, blind=blind)


def _gate(
    detector: str,
    options: OnnxOptions,
    manifest: Manifest,
    tags: Mapping[str, Tag],
    own: WindowSpec,
) -> Gate:
    trained = manifest.gate
    when = trained.when if options.when is None else options.when
    settle = options.settle if "settle" in options.model_fields_set else trained.settle
    return Gate(detector, when, settle if when else options.settle, tags, own, own.length)


def _budgeted(detector: str, between: Nanos | None, manifest: Manifest) -> float:
    if between is None:
        return manifest.threshold
    if manifest.calibration is None:
        raise ConfigError(
            f"detector {detector}: the bundle {manifest.model} does not say how it scored normal "
            "running, so false_alarms cannot be kept: train it anew, or give a threshold"
        )
    return manifest.calibration.threshold(between)


def _warnings(between: Nanos | None, manifest: Manifest) -> Sequence[str]:
    if between is None or manifest.calibration is None or between <= manifest.calibration.furthest:
        return ()
    wished, furthest = (spoken(each / _HOUR) for each in (between, manifest.calibration.furthest))
    told = (
        f"one false alarm in {wished} cannot be promised by the data that {manifest.model} was "
        f"learnt from: it can speak of one in {furthest} at the most, for which the threshold is"
    )
    return (told,)


def _given(options: OnnxOptions, name: str, usual: Nanos) -> Nanos:
    return getattr(options, name) if name in options.model_fields_set else usual


def _check_tags(
    detector: str, manifest: Manifest, tags: Mapping[str, Tag], *, gate_is_trained: bool
) -> None:
    units = {tag.name: tag.unit for tag in manifest.tags}
    units |= manifest.gate.units if gate_is_trained else {}
    wrong = [
        f"{has.name} is in {has.unit!r} here and in {wanted!r} in the model"
        for has, wanted in zip(known_tags(detector, units, tags), units.values(), strict=True)
        if has.unit and wanted and has.unit != wanted
    ]
    if wrong:
        raise ConfigError(
            f"detector {detector}: {'; '.join(wrong)}: scale the tag, or train a model in its unit"
        )
