"""A model bundle: a folder with `model.onnx` and `manifest.json`, verified when it is loaded.

Promises
- `load` returns a bundle that matches its manifest, or raises a ModelError that says what is
  wrong and what would be right: sizes, sha256, operators, names and shapes, golden vectors.
- The model is loaded from the same bytes that were checked, on one thread, with no other file.
- The same window gives the same bits, whatever else is in the batch.
- The training tools are not needed. A bundle never changes: a new model is a new version.

The graph takes `window` float64[batch, time, tag] in engineering units, oldest row first, without
gaps. It returns `score` [batch], `contribution` [batch, tag], which sums to the score, and
optionally `expected` [batch, tag], the expected last row in engineering units.
"""

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, ValidationError, field_serializer, field_validator

from detectors.bundle.distribution import Distribution
from detectors.bundle.safety import check_model
from detectors.bundle.threshold import Calibration
from gateway.api.conditions import When
from gateway.api.contracts import ModelError
from gateway.api.mistakes import sentences
from gateway.api.model import SECOND, Floats, Nanos, Reference
from gateway.api.options import Duration, Name, PositiveDuration, Strict, format_duration

MODEL, MANIFEST = "model.onnx", "manifest.json"
FORMAT = 1
LARGEST = {MODEL: 50_000_000, MANIFEST: 20_000_000}
INPUT, SCORE, CONTRIBUTION, EXPECTED = "window", "score", "contribution", "expected"
MAX_BATCH = 256
"""Windows scored in one run, which bounds the memory when a line catches up after a pause."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Version = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}$")]
Rows = Annotated[int, Field(ge=1, le=10_000)]


class ManifestTag(Strict):
    """One input of the model, and its standardisation."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    """Name of the recorded column; it need not be a valid tag name of a line file."""
    unit: str = ""
    mean: Finite
    std: Positive
    distribution: Distribution | None = None
    """Distribution of its values in the training data."""


class GoldenVector(Strict):
    """A window, and the model's outputs for it on the machine that trained the model."""

    window: list[list[Finite]]
    """[time][tag], engineering units."""
    score: Finite
    contribution: list[Finite]


class Golden(Strict):
    """The model's self-test, run at every load."""

    tolerance: Annotated[float, Field(gt=0, le=0.01)]
    """Largest allowed difference, relative to the score."""
    vectors: Annotated[list[GoldenVector], Field(min_length=1, max_length=20)]


class Tested(Strict):
    """Test on the newest part of the data, with a model trained without it."""

    first: datetime
    last: datetime
    threshold: Positive
    false_alarms: Annotated[int, Field(ge=0)]
    expected: Positive
    """False alarms that the budget allows in that time."""


class ManifestGate(Strict):
    """Conditions under which the training data counted as running; always, if `when` is empty."""

    when: When = ()
    settle: Duration = 0
    units: dict[str, str] = {}
    """Units of the tags in `when`."""


class Training(Strict):
    """Origin of the model."""

    method: str
    fingerprint: Sha256
    """sha256 of the resampled training data."""
    rows: int
    first: datetime
    last: datetime
    test: Tested | None = None


class Manifest(Strict):
    """Contents of a bundle; format 1."""

    format: Literal[1]
    id: Name
    version: Version
    created: datetime
    tags: Annotated[list[ManifestTag], Field(min_length=1, max_length=2000)]
    period: PositiveDuration
    """Period of the window's rows."""
    window: Rows
    """Rows in a window."""
    hop: Rows = 1
    """Rows between two windows."""
    threshold: Positive
    """The alarm is active above this score."""
    on_delay: Duration = 0
    """How long the score must stay above the threshold; a line file may override it."""
    off_delay: Duration = 0
    """How long the score must stay below it to clear the alarm; a line file may override it."""
    calibration: Calibration | None = None
    """Summary of the held-out scores that the threshold comes from."""
    min_coverage: Annotated[float, Field(gt=0, le=1)]
    """Share of a tag's rows that must be observed in a window for it to be scored."""
    scores: Distribution | None = None
    """Distribution of the held-out scores of normal data."""
    gate: ManifestGate = ManifestGate()
    """Gate of the detector; a line file may override it."""
    scaling: str
    """Description of the scaling of the inputs, for people."""
    opset: int
    sha256: Sha256
    """Digest of model.onnx."""
    golden: Golden
    training: Training | None = None

    @field_validator("tags")
    @classmethod
    def _unique_tag_names(cls, tags: list[ManifestTag]) -> list[ManifestTag]:
        names = [tag.name for tag in tags]
        duplicates = sorted({name for name in names if names.count(name) > 1})
        if duplicates:
            raise ValueError(f"duplicate tag names: {', '.join(duplicates)}")
        return tags

    @field_serializer("period", "on_delay", "off_delay")
    def _with_unit(self, duration: Nanos) -> str:
        return format_duration(duration)

    @property
    def model(self) -> str:
        """The model's name in scores and alerts: id@version."""
        return f"{self.id}@{self.version}"

    @property
    def reference(self) -> Reference:
        """Reference for drift detection; empty where the bundle lacks a distribution."""
        distributions = [*(tag.distribution for tag in self.tags), self.scores]
        known = [each for each in distributions if each is not None]
        if len(known) < len(distributions) or self.training is None:
            return Reference()
        return Reference(
            edges=tuple(tuple(each.edges) for each in known),
            shares=tuple(tuple(each.shares) for each in known),
            span=round((self.training.last - self.training.first).total_seconds()) * SECOND,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (time, tag) of a window."""
        return self.window, len(self.tags)


class Outputs(NamedTuple):
    """Outputs of a model: score float64[batch], contribution and expected float64[batch, tag]."""

    score: Floats
    contribution: Floats
    expected: Floats | None


class Model:
    """A loaded graph. `run` is pure; rounding does not depend on the rest of the batch."""

    def __init__(self, data: bytes) -> None:
        self._session = _session(data)
        self.inputs = {each.name: each for each in self._session.get_inputs()}
        self.outputs = {each.name: each for each in self._session.get_outputs()}
        self._names = [n for n in (SCORE, CONTRIBUTION, EXPECTED) if n in self.outputs]

    def run(self, windows: Floats) -> Outputs:
        """Scores one window or more, float64[batch, time, tag] without NaN."""
        starts = range(0, len(windows), MAX_BATCH)
        parts = [self._run(windows[start : start + MAX_BATCH]) for start in starts]
        whole = [np.concatenate(column) for column in zip(*parts, strict=True)]
        return Outputs(whole[0], whole[1], whole[2] if EXPECTED in self._names else None)

    def _run(self, windows: Floats) -> list[Floats]:
        # The runtime multiplies a single row with a different routine, which rounds differently, so
        # a single window is run as a pair.
        batch = np.repeat(windows, 2, axis=0) if len(windows) == 1 else windows
        outputs = self._session.run(self._names, {INPUT: batch})
        return [np.asarray(each[: len(windows)], dtype=np.float64) for each in outputs]


class Bundle(NamedTuple):
    """A manifest and its verified model."""

    manifest: Manifest
    model: Model


def load(path: Path) -> Bundle:
    """Loads and verifies the bundle in this folder; ModelError if anything about it is wrong."""
    try:
        manifest = _manifest(_read(path, MANIFEST))
        data = _read(path, MODEL)
        model = _fitting_model(manifest, data)
        _check_golden(manifest, model)
    except ModelError as error:
        raise ModelError(f"bundle {path}: {error}") from error
    return Bundle(manifest, model)


def _read(path: Path, name: str) -> bytes:
    if not path.is_dir():
        raise ModelError(f"is not a folder; a bundle is a folder with {MODEL} and {MANIFEST}")
    try:
        with (path / name).open("rb") as file:
            data = file.read(LARGEST[name] + 1)
    except OSError as error:
        raise ModelError(f"{name} cannot be read: {error.strerror}") from error
    if len(data) > LARGEST[name]:
        raise ModelError(f"{name} is larger than {LARGEST[name] // 1_000_000} MB")
    return data


def _manifest(data: bytes) -> Manifest:
    try:
        raw = json.loads(data)
    except ValueError as error:
        raise ModelError(f"{MANIFEST} is not JSON: {error}") from error
    version = raw.get("format") if isinstance(raw, dict) else None
    if version != FORMAT:
        raise ModelError(f"{MANIFEST} has format {version!r}; this andon reads format {FORMAT}")
    try:
        return Manifest.model_validate(raw)
    except ValidationError as error:
        raise ModelError(f"{MANIFEST}: {'; '.join(sentences(error)[:5])}") from error


def _fitting_model(manifest: Manifest, data: bytes) -> Model:
    digest = hashlib.sha256(data).hexdigest()
    if digest != manifest.sha256:
        raise ModelError(
            f"{MODEL} has sha256 {digest}, the manifest says {manifest.sha256}: "
            "the files do not belong together, or one of them is damaged or was changed"
        )
    opset = check_model(data)
    if opset != manifest.opset:
        raise ModelError(f"{MODEL} has opset {opset}, the manifest says {manifest.opset}")
    model = Model(data)
    _check_signature(manifest, model)
    return model


def _session(data: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's exception types have no common base
        raise ModelError(f"{MODEL} cannot be loaded: {error}") from error


def _check_signature(manifest: Manifest, model: Model) -> None:
    time, tags = manifest.shape
    if set(model.inputs) != {INPUT}:
        raise ModelError(
            f"{MODEL} has the inputs {_listed(model.inputs)}; it must have only {INPUT!r}"
        )
    missing = {SCORE, CONTRIBUTION} - set(model.outputs)
    if missing:
        raise ModelError(
            f"{MODEL} has the outputs {_listed(model.outputs)}; {_listed(missing)} is missing"
        )
    entry = model.inputs[INPUT]
    if entry.type != "tensor(double)":
        raise ModelError(f"{INPUT} is a {entry.type}; it must be tensor(double)")
    _check_shape(entry, (time, tags))
    _check_shape(model.outputs[SCORE], ())
    for name in {CONTRIBUTION, EXPECTED} & set(model.outputs):
        _check_shape(model.outputs[name], (tags,))


def _check_shape(entry: Any, wanted: tuple[int, ...]) -> None:
    first, *rest = entry.shape or [None]
    if isinstance(first, int) or tuple(rest) != wanted:
        right = ["batch", *wanted]
        raise ModelError(f"{entry.name} has shape {entry.shape}; the manifest asks for {right}")


def _check_golden(manifest: Manifest, model: Model) -> None:
    tags = len(manifest.tags)
    for number, vector in enumerate(manifest.golden.vectors):
        where = f"golden vector {number}"
        sizes = {len(row) for row in vector.window}
        if len(vector.window) != manifest.window or sizes != {tags}:
            raise ModelError(f"{where} must have {manifest.window} rows of {tags} tags")
        if len(vector.contribution) != tags:
            raise ModelError(f"{where} must have {tags} contributions")
        _check_reproduced(where, vector, model, manifest.golden.tolerance)


def _check_reproduced(where: str, vector: GoldenVector, model: Model, tolerance: float) -> None:
    outputs = model.run(np.array([vector.window]))
    allowed = tolerance * max(abs(vector.score), 1e-12)
    # Written so that a NaN fails as well.
    if not abs(outputs.score[0] - vector.score) <= allowed:
        raise ModelError(
            f"{where} scores {outputs.score[0]:.9g}; the manifest says {vector.score:.9g}: "
            "the model does not reproduce the results of the machine that made it"
        )
    errors = np.abs(outputs.contribution[0] - np.array(vector.contribution))
    if not errors.max() <= allowed:
        raise ModelError(f"{where} differs in its contributions by up to {errors.max():.3g}")


def _listed(names: Any) -> str:
    return ", ".join(sorted(map(repr, names))) or "nothing"
