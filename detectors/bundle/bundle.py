"""A model bundle: a folder with `model.onnx` and `manifest.json`, and what makes it trustworthy.

Promises
- `load` gives back a bundle that does what its manifest says, or a ModelError that says what is
  wrong and what would be right: sizes, sha256, operators, names and shapes, golden vectors.
- The model is loaded from the very bytes that were checked, on one thread, with no other file.
- The same window gives the same bits, whatever else is in the batch.
- Nothing of the training tools is needed. A bundle never changes: a new model is a new version.

The graph takes `window` float64[batch, time, tag] in engineering units, oldest row first, without
gaps, and gives `score` [batch], `contribution` [batch, tag] summing to it, and optionally
`expected` [batch, tag], the last row as it should be, in engineering units.
"""

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, ValidationError, field_serializer, field_validator

from detectors.bundle.calibration import Calibration
from detectors.bundle.distribution import Distribution
from detectors.bundle.safety import check_model
from gateway.api.conditions import When
from gateway.api.contracts import ModelError
from gateway.api.model import SECOND, Floats, Nanos, Reference
from gateway.api.options import Duration, Name, PositiveDuration, Strict, format_duration

MODEL, MANIFEST = "model.onnx", "manifest.json"
FORMAT = 1
LARGEST = {MODEL: 50_000_000, MANIFEST: 20_000_000}
INPUT, SCORE, CONTRIBUTION, EXPECTED = "window", "score", "contribution", "expected"
MOST_IN_ONE_RUN = 256
"""Windows in one run, so that catching up after a pause does not cost memory for ever."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Version = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}$")]
Rows = Annotated[int, Field(ge=1, le=10_000)]


class ManifestTag(Strict):
    """One input of the model, and how it was standardised."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    """Of the recorded column, which need not be a name that a line could use."""
    unit: str = ""
    mean: Finite
    std: Positive
    distribution: Distribution | None = None
    """Of its values in the training data."""


class GoldenVector(Strict):
    """A window and what the model made of it on the machine that trained it."""

    window: list[list[Finite]]
    """[time][tag], engineering units."""
    score: Finite
    contribution: list[Finite]


class Golden(Strict):
    """The model's own test, run at every load."""

    tolerance: Annotated[float, Field(gt=0, le=0.01)]
    """Largest difference, relative to the score."""
    vectors: Annotated[list[GoldenVector], Field(min_length=1, max_length=20)]


class Tested(Strict):
    """How a model made without the newest part of the data did on it."""

    first: datetime
    last: datetime
    threshold: Positive
    false_alarms: Annotated[int, Field(ge=0)]
    expected: Positive
    """As many as the budget bears in that time."""


class ManifestGate(Strict):
    """When the machine counted as running while the model was trained; always, if not `when`."""

    when: When = ()
    settle: Duration = 0
    units: dict[str, str] = {}
    """Of the tags in `when`."""


class Training(Strict):
    """Where the model came from."""

    method: str
    fingerprint: Sha256
    """sha256 of the resampled training data."""
    rows: int
    first: datetime
    last: datetime
    test: Tested | None = None


class Manifest(Strict):
    """What is in a bundle; format 1."""

    format: Literal[1]
    id: Name
    version: Version
    created: datetime
    tags: Annotated[list[ManifestTag], Field(min_length=1, max_length=2000)]
    period: PositiveDuration
    """The grid of the windows."""
    window: Rows
    """Rows in a window."""
    hop: Rows = 1
    """Rows between two windows."""
    threshold: Positive
    """Alarm above this score."""
    on_delay: Duration = 0
    """How long a score should be above the threshold before an alarm, unless a line says else."""
    off_delay: Duration = 0
    """How long a score should be below it before the alarm goes, unless a line says else."""
    calibration: Calibration | None = None
    """The scores that the threshold comes from."""
    min_coverage: Annotated[float, Field(gt=0, le=1)]
    """Share of a tag's rows that must be observed in a window for the model to judge it."""
    scores: Distribution | None = None
    """Of the scores of normal data that the model was not fitted on."""
    gate: ManifestGate = ManifestGate()
    """What a line judges by unless its file says else."""
    scaling: str
    """How inputs are scaled, for people."""
    opset: int
    sha256: Sha256
    """Of model.onnx."""
    golden: Golden
    training: Training | None = None

    @field_validator("tags")
    @classmethod
    def _no_tag_twice(cls, tags: list[ManifestTag]) -> list[ManifestTag]:
        names = [tag.name for tag in tags]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"tags named twice: {', '.join(twice)}")
        return tags

    @field_serializer("period", "on_delay", "off_delay")
    def _with_unit(self, duration: Nanos) -> str:
        return format_duration(duration)

    @property
    def model(self) -> str:
        """As every score names it: id@version."""
        return f"{self.id}@{self.version}"

    @property
    def reference(self) -> Reference:
        """What drift is measured against; without rows where the bundle does not say."""
        spreads = [*(tag.distribution for tag in self.tags), self.scores]
        known = [each for each in spreads if each is not None]
        if len(known) < len(spreads) or self.training is None:
            return Reference()
        return Reference(
            edges=tuple(tuple(each.edges) for each in known),
            shares=tuple(tuple(each.shares) for each in known),
            span=round((self.training.last - self.training.first).total_seconds()) * SECOND,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """(time, tag) of a window."""
        return self.window, len(self.tags)


class Outputs(NamedTuple):
    """score float64[batch], contribution and expected float64[batch, tag]."""

    score: Floats
    contribution: Floats
    expected: Floats | None


class Model:
    """A loaded graph. `run` is pure; rounding does not depend on what else is in the batch."""

    def __init__(self, data: bytes) -> None:
        self._session = _session(data)
        self.inputs = {each.name: each for each in self._session.get_inputs()}
        self.outputs = {each.name: each for each in self._session.get_outputs()}
        self._names = [n for n in (SCORE, CONTRIBUTION, EXPECTED) if n in self.outputs]

    def run(self, windows: Floats) -> Outputs:
        """Judge at least one window: float64[batch, time, tag] without NaN."""
        starts = range(0, len(windows), MOST_IN_ONE_RUN)
        parts = [self._run(windows[start : start + MOST_IN_ONE_RUN]) for start in starts]
        found = [np.concatenate(column) for column in zip(*parts, strict=True)]
        return Outputs(found[0], found[1], found[2] if EXPECTED in self._names else None)

    def _run(self, windows: Floats) -> list[Floats]:
        # The runtime multiplies a single row by another routine, which rounds differently, so
        # one window alone is run as a pair.
        batch = np.repeat(windows, 2, axis=0) if len(windows) == 1 else windows
        found = self._session.run(self._names, {INPUT: batch})
        return [np.asarray(each[: len(windows)], dtype=np.float64) for each in found]


class Bundle(NamedTuple):
    """A manifest and the model that was found to fit it."""

    manifest: Manifest
    model: Model


def load(path: Path) -> Bundle:
    """The bundle in this folder, verified; ModelError if anything about it is wrong."""
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
        raise ModelError(f"is not a folder; it must be one with {MODEL} and {MANIFEST}")
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
    found = raw.get("format") if isinstance(raw, dict) else None
    if found != FORMAT:
        raise ModelError(f"{MANIFEST} has format {found!r}; this andon reads format {FORMAT}")
    try:
        return Manifest.model_validate(raw)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()[:5]
        )
        raise ModelError(f"{MANIFEST}: {faults}") from error


def _fitting_model(manifest: Manifest, data: bytes) -> Model:
    digest = hashlib.sha256(data).hexdigest()
    if digest != manifest.sha256:
        raise ModelError(
            f"{MODEL} has sha256 {digest}, the manifest says {manifest.sha256}: "
            "the two files do not belong together, or one was damaged or changed"
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
    except Exception as error:  # the runtime has a dozen exception types without a common base
        raise ModelError(f"{MODEL} cannot be loaded: {error}") from error


def _check_signature(manifest: Manifest, model: Model) -> None:
    time, tags = manifest.shape
    if set(model.inputs) != {INPUT}:
        raise ModelError(f"{MODEL} takes {_listed(model.inputs)}; it must take just {INPUT!r}")
    missing = {SCORE, CONTRIBUTION} - set(model.outputs)
    if missing:
        raise ModelError(f"{MODEL} gives {_listed(model.outputs)}; missing is {_listed(missing)}")
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
        raise ModelError(f"{entry.name} has the shape {entry.shape}; by the manifest it is {right}")


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
    found = model.run(np.array([vector.window]))
    allowed = tolerance * max(abs(vector.score), 1e-12)
    # Written so that a NaN fails as well.
    if not abs(found.score[0] - vector.score) <= allowed:
        raise ModelError(
            f"{where} scores {found.score[0]:.9g}; the manifest says {vector.score:.9g}: "
            "the model does not do here what it did where it was made"
        )
    off = np.abs(found.contribution[0] - np.array(vector.contribution))
    if not off.max() <= allowed:
        raise ModelError(f"{where} differs in its contributions by up to {off.max():.3g}")


def _listed(names: Any) -> str:
    return ", ".join(sorted(map(repr, names))) or "nothing"
