"""The manifest of a bundle: what it says, and how it is read.

Promises
- A manifest of any bytes is read in bounded memory and time: how much it holds is counted before
  it is parsed, nothing in it is parsed twice, and a long list is judged by its first mistake.
- Whatever is wrong with it is a ModelError that names the field.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import (
    AwareDatetime,
    FailFast,
    Field,
    ValidationError,
    field_serializer,
    field_validator,
)

from detectors.bundle.distribution import Distribution
from detectors.bundle.threshold import Calibration
from gateway.api.conditions import When
from gateway.api.contracts import ModelError
from gateway.api.mistakes import message_of
from gateway.api.model import SECOND, Nanos, Reference
from gateway.api.options import Duration, Name, PositiveDuration, Strict, format_duration

MANIFEST = "manifest.json"
FORMAT = 1
_MOST = {b",": 2_000_000, b"[": 300_000, b"{": 10_000, b":": 40_000}
"""Characters of a manifest, by which its values, lists, objects and keys are bounded."""

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

    window: Annotated[list[Annotated[list[Finite], FailFast()]], FailFast()]
    """[time][tag], engineering units."""
    score: Finite
    contribution: Annotated[list[Finite], FailFast()]


class Golden(Strict):
    """The model's self-test, run at every load."""

    tolerance: Annotated[float, Field(gt=0, le=0.01)]
    """Largest allowed difference, relative to the score."""
    vectors: Annotated[list[GoldenVector], FailFast(), Field(min_length=1, max_length=20)]


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
    first: AwareDatetime
    last: AwareDatetime
    test: Tested | None = None


class Manifest(Strict):
    """Contents of a bundle; format 1."""

    format: Literal[1]
    id: Name
    version: Version
    created: datetime
    tags: Annotated[list[ManifestTag], FailFast(), Field(min_length=1, max_length=2000)]
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


def read_manifest(data: bytes) -> Manifest:
    """Parses a manifest; ModelError names the field that is wrong."""
    many = [mark for mark, most in _MOST.items() if data.count(mark) > most]
    if many:
        raise ModelError(
            f"{MANIFEST} holds more than {_MOST[many[0]]:,} of the character {many[0].decode()!r}: "
            "no bundle needs as many"
        )
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        raise ModelError(f"{MANIFEST}{_mistakes(error)}") from error
    except ArithmeticError as error:
        raise ModelError(f"{MANIFEST}: a number or a duration in it is too large") from error


def _mistakes(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=True)
    if found[0]["type"] == "json_invalid":
        return f" is not JSON: {found[0]['msg'].partition(': ')[2]}"
    for each in found:
        if each["loc"] in ((), ("format",)):
            version = None if each["type"] in ("missing", "model_type") else each["input"]
            return f" has format {str(version)[:40]}; this andon reads format {FORMAT}"
    words = (f"{'.'.join(map(str, each['loc']))[:100]}: {message_of(each)}" for each in found[:5])
    return f": {'; '.join(words)}"
