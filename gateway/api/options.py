"""Building blocks for the options of plugins and of the line file itself.

Promises
- An unknown key is an error everywhere.
- A duration or a size carries its unit, or it is refused.
- A secret is named, never written: `${env:NAME}`, `${credential:NAME}` or `${file:/path}`.
"""

import math
import os
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    field_validator,
)
from pydantic_core import core_schema

from gateway.api.addresses import without_login
from gateway.api.contracts import ConfigError
from gateway.api.files import SECRET_BYTES, FileUnreadable, off_loop, read_text
from gateway.api.masking import REFERENCE, remember
from gateway.api.mistakes import quoted
from gateway.api.model import SECOND, Nanos, Tag

_UNITS: dict[str, Nanos] = {
    "us": 1_000,
    "ms": 1_000_000,
    "s": SECOND,
    "m": 60 * SECOND,
    "min": 60 * SECOND,
    "h": 3600 * SECOND,
    "d": 86400 * SECOND,
}
_SIZES = {"B": 1, "kB": 10**3, "KiB": 2**10, "MB": 10**6, "MiB": 2**20, "GB": 10**9, "GiB": 2**30}
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-zµ]+)")
LONGEST = 36_500 * _UNITS["d"]
"""A century: a time so long ago or ahead still fits into the nanoseconds of an int64."""
LARGEST = 2**50
"""More bytes than a disk has."""
_UNFIT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
LONGEST_PATH = 4_095
LONGEST_NAME = 255
"""Bytes of a path and of a name in it, as Linux allows."""


def parse_duration(text: object) -> Nanos:
    """'500ms', '5s', '1.5h' -> nanoseconds; ValueError with what would be right otherwise."""
    if isinstance(text, int) and not isinstance(text, bool) and text >= 0:
        # Defaults are nanoseconds already; a bare number in a file is caught by `_with_unit`.
        return text
    match = _QUANTITY.fullmatch(str(text).strip())
    if not match or match[2] not in _UNITS:
        raise ValueError(
            f"{quoted(text)} is not a duration: write a number and a unit, as in 500ms, 5s, 2h"
        )
    nanos = float(match[1]) * _UNITS[match[2]]
    if nanos > LONGEST:
        raise ValueError(f"{quoted(text)} is too long: at most {format_duration(LONGEST)}")
    return round(nanos)


def parse_size(text: object) -> int:
    """'512MiB' -> bytes; ValueError with what would be right otherwise."""
    match = _QUANTITY.fullmatch(str(text).strip())
    if not match or match[2] not in _SIZES:
        raise ValueError(
            f"{quoted(text)} is not a size: write a number and a unit, as in 64MiB or 2GiB"
        )
    count = float(match[1]) * _SIZES[match[2]]
    if count > LARGEST:
        raise ValueError(f"{quoted(text)} is too large: at most {format_size(LARGEST)}")
    return round(count)


def format_duration(nanos: Nanos) -> str:
    """The shortest exact way to write it: 500000000 -> '500ms'."""
    for unit in ("d", "h", "min", "s", "ms", "us"):
        if nanos and nanos % _UNITS[unit] == 0:
            return f"{nanos // _UNITS[unit]}{unit}"
    return "0s" if nanos == 0 else f"{nanos / SECOND:g}s"


def format_size(count: int) -> str:
    """The shortest exact way to write it: 2147483648 -> '2GiB'."""
    units = sorted(_SIZES, key=_SIZES.__getitem__, reverse=True)
    unit = next(unit for unit in units if count % _SIZES[unit] == 0)
    return f"{count // _SIZES[unit]}{unit}" if count else "0B"


def _with_unit(text: object) -> Nanos:
    if not isinstance(text, str):
        raise ValueError(  # noqa: TRY004 - pydantic turns ValueError into a problem with a place
            f"{quoted(text)} has no unit: write it as in 500ms, 5s, 2h"
        )
    return parse_duration(text)


_DURATION_SCHEMA = {"type": "string", "pattern": r"^\d+(\.\d+)?\s*(us|ms|s|m|min|h|d)$"}
_SIZE_SCHEMA = {"type": "string", "pattern": r"^\d+(\.\d+)?\s*(B|kB|KiB|MB|MiB|GB|GiB)$"}


def _positive(nanos: Nanos) -> Nanos:
    if nanos <= 0:
        raise ValueError("must be longer than zero")
    return nanos


class Quoted:
    """Shows a duration or size in the JSON Schema as the string it is in the file."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema

    def __get_pydantic_json_schema__(self, _core: Any, _handler: Any) -> dict[str, Any]:
        return dict(self.schema)


# Dumped as JSON, a quantity is what a file may say; as Python, it stays a number.
_as_duration = PlainSerializer(format_duration, return_type=str, when_used="json")
_as_size = PlainSerializer(format_size, return_type=str, when_used="json")

Duration = Annotated[Nanos, BeforeValidator(_with_unit), _as_duration, Quoted(_DURATION_SCHEMA)]
PositiveDuration = Annotated[
    Nanos,
    BeforeValidator(_with_unit),
    AfterValidator(_positive),
    _as_duration,
    Quoted(_DURATION_SCHEMA),
]
Size = Annotated[int, BeforeValidator(parse_size), _as_size, Quoted(_SIZE_SCHEMA)]
Name = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$",
        description="Letters, digits, '_', '-' and '.', starting with a letter.",
    ),
]


Url = Annotated[str, AfterValidator(without_login)]
"""A URL without a user, password, query or fragment: nothing in it is a secret."""


def _possible_path(text: str) -> str:
    """A path that a file can have; ValueError with what is wrong with any other."""
    if _UNFIT.search(text):
        raise ValueError("holds a character that no name of a file should have")
    longest = max(len(os.fsencode(name)) for name in text.split("/"))
    if longest > LONGEST_NAME or len(os.fsencode(text)) > LONGEST_PATH:
        raise ValueError(f"is too long: at most {LONGEST_NAME} bytes for a name in a path")
    return text


FilePath = Annotated[str, Field(min_length=1), AfterValidator(_possible_path)]
"""The path of a file or folder, as the system can have it."""


_REFERENCE_SCHEMA = r"^\$\{(env:[A-Za-z_]\w*|credential:[\w.@-]+|file:[^{}$\n]+)\}$"


def _is_text(value: str) -> bool:
    """False if bytes of the environment are in it that are not UTF-8."""
    return not any("\ud800" <= char <= "\udfff" for char in value)


class Secret:
    """A reference to a secret. Printing it shows the reference; `resolve` reads it each time.

    `${env:NAME}` an environment variable, `${credential:NAME}` a systemd credential
    ($CREDENTIALS_DIRECTORY/NAME), `${file:/path}` a file's content without its last newline.
    """

    __slots__ = ("kind", "name")

    def __init__(self, text: object) -> None:
        match = REFERENCE.fullmatch(text) if isinstance(text, str) else None
        if not match:
            raise ValueError(
                "a secret must not be written here in clear text: "
                "write ${env:NAME}, ${credential:NAME} or ${file:/path}"
            )
        self.kind, self.name = (part for part in match.groups() if part)

    def resolve(self) -> str:
        """The secret itself; ConfigError if it cannot be read."""
        if self.kind == "env":
            value = os.environ.get(self.name)
            if value is None:
                raise ConfigError(f"the environment variable {self.name} is not set")
            if not _is_text(value):
                raise ConfigError(f"the environment variable {self.name} is not UTF-8 text")
            return remember(value)
        path = Path(self.name)
        if self.kind == "credential":
            folder = os.environ.get("CREDENTIALS_DIRECTORY")
            if folder is None:
                raise ConfigError(
                    f"{self} needs systemd's LoadCredential=: $CREDENTIALS_DIRECTORY is not set"
                )
            path = Path(folder) / self.name
        try:
            return remember(read_text(path, SECRET_BYTES).rstrip("\r\n"))
        except FileUnreadable as error:
            raise ConfigError(f"{self} cannot be read: {error.why}") from error

    async def read(self) -> str:
        """As `resolve`, for the event loop, which goes on while a file is read."""
        return self.resolve() if self.kind == "env" else await off_loop(self.resolve)

    def __repr__(self) -> str:
        return f"${{{self.kind}:{self.name}}}"

    __str__ = __repr__

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, cls) else cls(value),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: Any, _handler: Any) -> dict[str, Any]:
        return {"type": "string", "pattern": _REFERENCE_SCHEMA}


class Strict(BaseModel):
    """The base of everything in a file: frozen, and an unknown key is an error."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, arbitrary_types_allowed=True
    )


class TagOptions(Strict):
    """What every tag may say, whatever protocol reads it; connectors add the address."""

    unit: str = ""
    """Engineering unit, as shown to people: rpm, °C, mm/s."""
    low: float | None = None
    """The lowest value that is physically possible; below it a sample is bad."""
    high: float | None = None
    """The highest value that is physically possible; above it a sample is bad."""
    period: PositiveDuration | None = None
    """Expected time between two samples; the source's own period if not given."""
    frozen_after: PositiveDuration | None = None
    """Raise an alarm about the sensor when the value has stayed exactly the same for this long, as
    it does if a sensor or its transmitter hangs. For values that always move a little."""
    description: str = ""
    """Description for people."""
    enumeration: dict[
        Annotated[str, Field(min_length=1)], Annotated[float, Field(allow_inf_nan=False)]
    ] = {}
    """Names of the numbers that stand for states, as in {stopped: 0, running: 1}: shown beside the
    number. A number without a name is shown bare; `low` and `high` can make it bad."""

    @field_validator("low", "high")
    @classmethod
    def _is_possible(cls, bound: float | None, info: ValidationInfo) -> float | None:
        impossible = math.inf if info.field_name == "low" else -math.inf
        if bound is not None and (math.isnan(bound) or bound == impossible):
            raise ValueError("would make every value bad: write a number, or leave it out")
        return bound

    @field_validator("high")
    @classmethod
    def _is_not_below_low(cls, high: float | None, info: ValidationInfo) -> float | None:
        low = info.data.get("low")
        if high is not None and low is not None and low > high:
            raise ValueError(f"is below low ({low:g}): exchange them")
        return high

    def as_tag(self, name: str, source: str, period: Nanos) -> Tag:
        """The tag that these options declare; `period` is the source's own."""
        return Tag(
            name=name,
            source=source,
            period=self.period or period,
            unit=self.unit,
            low=self.low,
            high=self.high,
            description=self.description,
            # Of two names for one number the first is shown.
            names={number: name for name, number in reversed(self.enumeration.items())},
            texts=self.enumeration,
            frozen_after=self.frozen_after or 0,
        )


_MOST_CHARACTERS = 300


def _in_one_line(text: str) -> str:
    if _UNFIT.search(text):
        raise ValueError("must be one line without control characters")
    return text


Text = Annotated[
    str, Field(min_length=1, max_length=_MOST_CHARACTERS), AfterValidator(_in_one_line)
]
"""A line for people."""
