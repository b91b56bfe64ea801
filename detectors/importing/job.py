"""One import of `andon models import`, from a foreign ONNX file to a verified bundle.

Promises
- Safety first: `detectors.bundle.safety` checks the bytes before any library reads them, and the
  model, with its scaling and score, is bounded and tried in a process of its own as by the daemon.
- The model is tried on disturbed windows before its bundle is written; one that could never raise
  an alarm is refused (see `trial`).
- The threshold comes from held-out normal data that the scaling was not fitted on, by a budget of
  false alarms as for a trained model. Only its author knows if the model was trained on that data.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from detectors.bundle.bundle import LARGEST, MODEL
from detectors.bundle.distribution import Distribution
from detectors.bundle.files import read_file
from detectors.bundle.manifest import FORMAT, Golden, GoldenVector, Manifest, Training
from detectors.bundle.model import Model
from detectors.bundle.safety import check_model
from detectors.bundle.threshold import Calibration, Scale
from detectors.calibration.held_out import Interval, calibrate, confidence_interval, default_delay
from detectors.data.columns import choose_columns
from detectors.data.inputs import Inputs, read_inputs
from detectors.data.period import grid_period
from detectors.data.resample import cut_windows
from detectors.importing.quantize import Quantization, quantized
from detectors.importing.scaling import Scaling, scaling_for
from detectors.importing.signature import Kind, Signature, SignatureHints, signature_of
from detectors.importing.trial import ImportTrial, try_model
from detectors.importing.verdict import Asked, refusal
from detectors.importing.wrap import Centring, wrapped
from detectors.runtime.gaps import fill, stack
from detectors.training.choose import FOLDS
from detectors.training.prepare import MIN_WINDOWS
from detectors.training.publish import (
    LIVE_COVERAGE,
    TOLERANCE,
    ModelIdentity,
    check_place,
    manifest_tags,
    write_bundle,
)
from gateway.api.contracts import ConfigError, ModelError
from gateway.api.model import SECOND, Floats, Nanos, Window
from gateway.api.options import format_duration
from gateway.api.wording import in_a_line
from gateway.history.as_live import ASK, NoValues

MIN_COVERAGE = 0.5
"""Share of a tag's rows that must be observed in a window used for the calibration."""
FITTED_SHARE = 0.7
"""Share of the data for the scaling; the rest calibrates the threshold."""
SCALES: dict[Kind, Scale] = {
    "reconstruction": Scale.LOG,
    "forecast": Scale.LOG,
    "probability": Scale.LOGIT,
    "score": Scale.LINEAR,
}


@dataclass(frozen=True, slots=True)
class Import:
    """Model, data, options and output of an import.

    `data` empty: the history of the line; `tags` in the model's order, empty: all. `trial`: refuse
    a model that cannot raise an alarm.
    """

    file: Path
    data: Sequence[Path]
    out: Path
    identity: ModelIdentity
    hints: SignatureHints
    line: Path | None = None
    tags: Sequence[str] = ()
    period: Nanos | None = None
    hop: Nanos | None = None
    window: Nanos | None = None
    scaling: str = "standard"
    threshold: float | None = None
    false_alarms: Nanos | None = None
    """Requested time between two, ns; None for the longest that the data supports."""
    lower_is_worse: bool = False
    quantize: bool = False
    force: bool = False
    no_values: NoValues = ASK
    trial: bool = True


class Limit(NamedTuple):
    """Held-out scores float64[window], their calibration, and the threshold."""

    scores: Floats
    calibration: Calibration
    threshold: float

    @property
    def confidence_interval(self) -> Interval:
        """Confidence interval of the time between two false alarms."""
        return confidence_interval(self.scores, FOLDS, self.calibration, self.threshold)


class Imported(NamedTuple):
    """Result of an import; `quantization` is None if it was not requested.

    `inputs` with what was left out of the data, and why.
    """

    manifest: Manifest
    signature: Signature
    limit: Limit
    budget: Nanos | None
    quantization: Quantization | None
    trial: ImportTrial
    objection: str
    """Why the trial would have refused the model; empty if it would not."""
    inputs: Inputs


def run(job: Import, on_step: Callable[[str], None]) -> Imported:
    """Imports a model and writes its bundle; ConfigError or ModelError if that is impossible."""
    check_place(job.out, replace=job.force)
    try:
        return _run(job, on_step)
    except ModelError as error:
        raise ModelError(f"{job.file}: {error}") from error


def _run(job: Import, on_step: Callable[[str], None]) -> Imported:
    data = _read(job.file)
    proto = _parsed(data)
    on_step("reading the data")
    inputs, names = choose_columns(read_inputs(job.data, job.line, job.out), job.tags)
    inputs = inputs.only(names).as_live(job.no_values)
    recording = inputs.recording
    period = job.period or grid_period(recording, inputs.periods)
    signature = signature_of(proto, len(names), replace(job.hints, rows=_rows(job, period)))
    hop = _multiple("hop", job.hop or period, period) // period
    on_step("aligning the recording")
    cut = cut_windows(recording, period, signature.window, hop, inputs.periods)
    fitted, held_out = _parts(cut, signature.window)
    scaling = scaling_for(job.scaling, names, fitted)
    on_step("running the model")
    graph = _fused(job, proto, signature, scaling, fitted)
    on_step(f"calibrating on {len(held_out)} windows")
    limit = _limit(job, graph, signature, held_out, period, hop)
    quantization = None
    if job.quantize:
        on_step("trying 8 bits")
        graph, quantization = quantized(graph, fitted, held_out, limit.threshold)
        limit = _limit(job, graph, signature, held_out, period, hop)
    on_step("trying the model on disturbed windows")
    trial, objection = _tried(job, graph, signature, names, held_out, limit)
    on_step("writing the bundle")
    units = inputs.units
    made = _Made(job, signature, names, scaling, period, hop, limit, graph, fitted, held_out, units)
    manifest = made.manifest(hashlib.sha256(data).hexdigest(), cut)
    write_bundle(job.out, manifest, graph, replace=job.force)
    budget = job.false_alarms
    return Imported(manifest, signature, limit, budget, quantization, trial, objection, inputs)


def _read(file: Path) -> bytes:
    data = read_file(file, LARGEST[MODEL])
    check_model(data)
    return data


def _parsed(data: bytes) -> Any:
    import onnx

    try:
        return onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's DecodeError; protobuf is not imported here
        raise ModelError(f"it is not an ONNX file: {in_a_line(error)}") from error


def _rows(job: Import, period: Nanos) -> int | None:
    """Rows of the model's input, if the user gave the length of a window."""
    if job.window is None:
        return None
    return _multiple("window", job.window, period) // period


def _multiple(what: str, length: Nanos, period: Nanos) -> Nanos:
    if length < period or length % period:
        raise ConfigError(
            f"the {what} of {format_duration(length)} must be a multiple of the period, "
            f"{format_duration(period)}"
        )
    return length


def _parts(windows: Sequence[Window], length: int) -> tuple[Floats, Floats]:
    """Earlier windows float64[window, time, tag] for the scaling, later ones for the threshold."""
    complete = [w for w in windows if w.coverage_per_tag.min() >= MIN_COVERAGE]
    cut = round(len(complete) * FITTED_SHARE)
    fitted = complete[:cut]
    held_out = [w for w in complete[cut:] if w.start > fitted[-1].end]
    if len(complete) < MIN_WINDOWS or not held_out:
        raise ConfigError(
            f"the data gives {len(complete)} complete windows of {length} rows where {MIN_WINDOWS} "
            "are needed to calibrate: record longer, or leave out tags that are often missing"
        )
    return fill(*stack(fitted)), fill(*stack(held_out))


def _fused(
    job: Import, proto: Any, signature: Signature, scaling: Scaling, fitted: Floats
) -> bytes:
    """The fused graph; a `score` is normalised by its median and spread on the fitted part."""
    graph = wrapped(proto, signature, scaling, Centring())
    raw = Model(graph).run(fitted).score
    if not np.isfinite(raw).all():
        raise ModelError("it returns NaN or infinity for normal data: check the scaling")
    if signature.kind != "score":
        return graph
    centre = float(np.median(raw))
    spread = 1.4826 * float(np.median(np.abs(raw - centre)))
    if not spread:
        raise ModelError(
            "it returns the same score for half of the normal data: it is useless here"
        )
    factor = (-1 if job.lower_is_worse else 1) / spread
    return wrapped(proto, signature, scaling, Centring(centre, factor))


def _limit(
    job: Import, graph: bytes, signature: Signature, held_out: Floats, period: Nanos, hop: int
) -> Limit:
    scores = Model(graph).run(held_out).score
    length = len(scores) * hop * period
    window = max(signature.window, hop) * period
    # The decorrelation time of its score is unknown: a third of a window, as of trained models.
    calibration = calibrate(scores, length, window, SCALES[signature.kind], window // 3)
    return Limit(scores, calibration, job.threshold or calibration.threshold(job.false_alarms))


def _tried(
    job: Import,
    graph: bytes,
    signature: Signature,
    names: Sequence[str],
    held_out: Floats,
    limit: Limit,
) -> tuple[ImportTrial, str]:
    """The trial, and why the model should be refused; ModelError if so, unless it is not wanted."""
    trial = try_model(Model(graph), names, held_out, limit.scores, limit.threshold)
    why = refusal(trial, Asked(signature.kind, job.lower_is_worse, job.threshold is not None))
    if why and job.trial:
        raise ModelError(f"{why} (--no-trial imports it nevertheless)")
    return trial, why


@dataclass(frozen=True, slots=True)
class _Made:
    """Everything that goes into the manifest."""

    job: Import
    signature: Signature
    names: Sequence[str]
    scaling: Scaling
    period: Nanos
    hop: int
    limit: Limit
    graph: bytes
    fitted: Floats
    held_out: Floats
    units: Mapping[str, str]

    def manifest(self, sha256: str, cut: Sequence[Window]) -> Manifest:
        delay = format_duration(default_delay(self.hop * self.period))
        return Manifest(
            format=FORMAT,
            id=self.job.identity.id,
            version=self.job.identity.version,
            created=self.job.identity.created,
            tags=manifest_tags(
                self.names, self.units, self.scaling.mean, self.scaling.std, self.fitted[:, -1]
            ),
            period=format_duration(self.period),
            window=self.signature.window,
            hop=self.hop,
            threshold=self.limit.threshold,
            on_delay=delay,
            off_delay=delay,
            calibration=self.limit.calibration,
            min_coverage=LIVE_COVERAGE,
            scores=Distribution.of(self.limit.scores),
            scaling=self.scaling.description,
            opset=check_model(self.graph).opset,
            sha256=hashlib.sha256(self.graph).hexdigest(),
            golden=self._golden(),
            training=Training(
                method=f"imported {self.signature.kind} {self.job.file.name}, sha256 {sha256[:16]}",
                fingerprint=hashlib.sha256(self.held_out.tobytes()).hexdigest(),
                rows=len(cut),
                first=_moment(cut[0].start),
                last=_moment(cut[-1].end),
            ),
        )

    def _golden(self) -> Golden:
        """A typical window, the one with the highest score, and one with a large shift."""
        order = np.argsort(self.limit.scores, kind="stable")
        shifted = self.held_out[order[len(order) // 2]].copy()
        shifted[:, 0] += 8 * self.scaling.std[0]
        examples = np.stack([*self.held_out[order[[len(order) // 2, -1]]], shifted])
        outputs = Model(self.graph).run(examples)
        rows = zip(examples, outputs.score, outputs.contribution, strict=True)
        return Golden(
            tolerance=TOLERANCE,
            vectors=[
                GoldenVector(window=w.tolist(), score=float(s), contribution=c.tolist())
                for w, s, c in rows
            ],
        )


def _moment(at: Nanos) -> datetime:
    return datetime.fromtimestamp(at / SECOND, UTC)
