"""One import from a foreign ONNX file to a verified bundle.

Promises
- Safe before anything else: the bytes are judged by `detectors.bundle.safety` before any library
  reads them, and the model first runs in a process of its own.
- The threshold comes from held-out normal data that the scaling has not seen, by a budget of false
  alarms as for a learnt model. Whether the model itself had seen that data, only its author knows.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from detectors.bundle.bundle import (
    FORMAT,
    LARGEST,
    MODEL,
    Golden,
    GoldenVector,
    Manifest,
    Model,
    Training,
)
from detectors.bundle.distribution import Distribution
from detectors.bundle.safety import check_model
from detectors.bundle.threshold import Calibration, Scale
from detectors.calibration.held_out import Interval, calibrate, confidence_interval, default_delay
from detectors.data.line_tags import LineTag, read_line_tags
from detectors.data.recordings import read
from detectors.data.resample import cut_windows, typical_step
from detectors.importing.quantize import Verdict, quantized
from detectors.importing.sandbox import check_runs
from detectors.importing.scaling import Scaling, scaling_for
from detectors.importing.signature import Kind, Signature, SignatureHints, signature_of
from detectors.importing.wrap import Centring, wrapped
from detectors.runtime.gaps import fill, stack
from detectors.training.choose import FOLDS
from detectors.training.job import choose_tags
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

MIN_COVERAGE = 0.5
"""Share of a tag's rows that must be there in a window to be calibrated on."""
FITTED_SHARE = 0.7
SCALES: dict[Kind, Scale] = {
    "reconstruction": Scale.LOG,
    "forecast": Scale.LOG,
    "probability": Scale.LOGIT,
    "score": Scale.LINEAR,
}


@dataclass(frozen=True, slots=True)
class Import:
    """What to import, how, and where to put it. `tags` in the model's own order; empty: all."""

    file: Path
    data: Sequence[Path]
    out: Path
    identity: ModelIdentity
    asked: SignatureHints
    line: Path | None = None
    tags: Sequence[str] = ()
    period: Nanos | None = None
    hop: Nanos | None = None
    window: Nanos | None = None
    scaling: str = "standard"
    threshold: float | None = None
    false_alarms: Nanos | None = None
    """Wished time between two, ns; None for as rare as the data can speak of."""
    lower_is_worse: bool = False
    quantize: bool = False
    force: bool = False


class Limit(NamedTuple):
    """Held-out scores float64[window], what they say, and the threshold."""

    scores: Floats
    calibration: Calibration
    threshold: float

    @property
    def confidence_interval(self) -> Interval:
        """Of the time between two false alarms."""
        return confidence_interval(self.scores, FOLDS, self.calibration, self.threshold)


class Imported(NamedTuple):
    """What came of it, and what became of `quantize`."""

    manifest: Manifest
    form: Signature
    limit: Limit
    budget: Nanos | None
    quantization: Verdict | None


def run(job: Import, say: Callable[[str], None]) -> Imported:
    """Do it; ConfigError or ModelError says what is wrong with the model or the data."""
    check_place(job.out, replace=job.force)
    try:
        return _run(job, say)
    except ModelError as error:
        raise ModelError(f"{job.file}: {error}") from error


def _run(job: Import, say: Callable[[str], None]) -> Imported:
    data = _read(job.file)
    proto = _parsed(data)
    line = read_line_tags(job.line) if job.line else {}
    say("reading the data")
    recording = read(job.data)
    names = choose_tags(recording.names, job.tags, tuple(line))
    period = job.period or typical_step(recording.times)
    form = signature_of(proto, len(names), replace(job.asked, rows=_rows(job, period)))
    hop = _multiple("hop", job.hop or period, period) // period
    say("aligning the recording")
    periods = {name: tag.period for name, tag in line.items() if tag.period}
    cut = cut_windows(recording.only(names), period, form.window, hop, periods)
    fitted, held_out = _parts(cut, form.window)
    scaling = scaling_for(job.scaling, names, fitted)
    say("trying the model")
    graph = _fused(job, proto, form, scaling, fitted)
    say(f"calibrating on {len(held_out)} windows")
    limit = _limit(job, graph, form, held_out, period, hop)
    verdict = None
    if job.quantize:
        say("trying it in 8 bits")
        graph, verdict = quantized(graph, fitted, held_out, limit.threshold)
        limit = _limit(job, graph, form, held_out, period, hop)
    say("writing the bundle")
    made = _Made(job, form, names, scaling, period, hop, limit, graph, fitted, held_out, line)
    manifest = made.manifest(hashlib.sha256(data).hexdigest(), cut)
    write_bundle(job.out, manifest, graph, replace=job.force)
    return Imported(manifest, form, limit, job.false_alarms, verdict)


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            data = opened.read(LARGEST[MODEL] + 1)
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
    if len(data) > LARGEST[MODEL]:
        raise ModelError(f"it is larger than {LARGEST[MODEL] // 1_000_000} MB")
    check_model(data)
    return data


def _parsed(data: bytes) -> Any:
    import onnx

    try:
        return onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's own, which has no types and is no dependency of ours
        raise ModelError(f"it is not an ONNX file: {error}") from error


def _rows(job: Import, period: Nanos) -> int | None:
    """Rows that the model sees, if the user said how long a window is."""
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
    """Windows float64[window, time, tag] for the scaling, and later ones for the threshold."""
    whole = [w for w in windows if w.coverage_per_tag.min() >= MIN_COVERAGE]
    cut = round(len(whole) * FITTED_SHARE)
    fitted = whole[:cut]
    held_out = [w for w in whole[cut:] if w.start > fitted[-1].end]
    if len(whole) < MIN_WINDOWS or not held_out:
        raise ConfigError(
            f"the data gives {len(whole)} whole windows of {length} rows where {MIN_WINDOWS} "
            "are needed to calibrate: record longer, or leave out tags that are often missing"
        )
    return fill(*stack(fitted)), fill(*stack(held_out))


def _fused(job: Import, proto: Any, form: Signature, scaling: Scaling, fitted: Floats) -> bytes:
    """The fused graph, its single number centred on the fitted part where it needs it."""
    graph = wrapped(proto, form, scaling, Centring())
    check_runs(graph, (form.window, form.tags))
    raw = Model(graph).run(fitted).score
    if not np.isfinite(raw).all():
        raise ModelError("it gives NaN or infinity for normal data: is the scaling right?")
    if form.kind != "score":
        return graph
    centre = float(np.median(raw))
    spread = 1.4826 * float(np.median(np.abs(raw - centre)))
    if not spread:
        raise ModelError("it gives the same score for half of the normal data: it tells nothing")
    factor = (-1 if job.lower_is_worse else 1) / spread
    return wrapped(proto, form, scaling, Centring(centre, factor))


def _limit(
    job: Import, graph: bytes, form: Signature, held_out: Floats, period: Nanos, hop: int
) -> Limit:
    scores = Model(graph).run(held_out).score
    length = len(scores) * hop * period
    window = max(form.window, hop) * period
    # How soon its score forgets is not known: taken is the third of a window of a learnt model.
    found = calibrate(scores, length, window, SCALES[form.kind], window // 3)
    return Limit(scores, found, job.threshold or found.threshold(job.false_alarms))


@dataclass(frozen=True, slots=True)
class _Made:
    """All that the manifest tells of."""

    job: Import
    form: Signature
    names: Sequence[str]
    scaling: Scaling
    period: Nanos
    hop: int
    limit: Limit
    graph: bytes
    fitted: Floats
    held_out: Floats
    line: dict[str, LineTag]

    def manifest(self, sha256: str, cut: Sequence[Window]) -> Manifest:
        units = {name: tag.unit for name, tag in self.line.items()}
        delay = format_duration(default_delay(self.hop * self.period))
        return Manifest(
            format=FORMAT,
            id=self.job.identity.id,
            version=self.job.identity.version,
            created=self.job.identity.created,
            tags=manifest_tags(
                self.names, units, self.scaling.mean, self.scaling.std, self.fitted[:, -1]
            ),
            period=format_duration(self.period),
            window=self.form.window,
            hop=self.hop,
            threshold=self.limit.threshold,
            on_delay=delay,
            off_delay=delay,
            calibration=self.limit.calibration,
            min_coverage=LIVE_COVERAGE,
            scores=Distribution.of(self.limit.scores),
            scaling=self.scaling.words,
            opset=check_model(self.graph),
            sha256=hashlib.sha256(self.graph).hexdigest(),
            golden=self._golden(),
            training=Training(
                method=f"imported {self.form.kind} {self.job.file.name}, sha256 {sha256[:16]}",
                fingerprint=hashlib.sha256(self.held_out.tobytes()).hexdigest(),
                rows=len(cut),
                first=_moment(cut[0].start),
                last=_moment(cut[-1].end),
            ),
        )

    def _golden(self) -> Golden:
        """The typical window, the strangest one, and one with its first tag far off."""
        order = np.argsort(self.limit.scores, kind="stable")
        wrong = self.held_out[order[len(order) // 2]].copy()
        wrong[:, 0] += 8 * self.scaling.std[0]
        examples = np.stack([*self.held_out[order[[len(order) // 2, -1]]], wrong])
        found = Model(self.graph).run(examples)
        rows = zip(examples, found.score, found.contribution, strict=True)
        return Golden(
            tolerance=TOLERANCE,
            vectors=[
                GoldenVector(window=w.tolist(), score=float(s), contribution=c.tolist())
                for w, s, c in rows
            ],
        )


def _moment(at: Nanos) -> datetime:
    return datetime.fromtimestamp(at / SECOND, UTC)
