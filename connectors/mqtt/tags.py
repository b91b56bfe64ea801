"""The options of an MQTT tag, or of several similar ones.

Promises
- Tags are declared: a wildcard comes with the levels that may replace it, and no message can create
  a tag.
- A wrong setting is refused here, at its field and with what would be right.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from connectors.mqtt.path_options import (
    CannotBeRelativeError,
    beside,
    checked_path,
    checked_time_format,
    checked_zone,
)
from connectors.mqtt.paths import EVERY, Path, parse_path
from connectors.mqtt.payloads import Format, RelativePath
from connectors.mqtt.texts import Decimal, TextForm, TextNumbers
from connectors.mqtt.times import UNITS, TimeForm
from gateway.api.options import Name, PositiveDuration, TagOptions

TimeFormat = Annotated[
    str,
    AfterValidator(checked_time_format),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": ["ns", "us", "ms", "s", "iso"]},
                {"type": "string", "pattern": "%"},
            ]
        }
    ),
]
TimeZone = Annotated[str, AfterValidator(checked_zone)]
Qos = Literal[0, 1, 2]


def _named(levels: object) -> object:
    """A list of levels is short for a mapping of each to itself."""
    if not isinstance(levels, list):
        return levels
    wrong = [level for level in levels if not isinstance(level, str)]
    if wrong:
        raise ValueError(f'must be text, not {wrong[0]}: put it in quotes, as in {{n1: "1"}}')
    return {level: level for level in levels}


_LEVEL = {"type": "string", "minLength": 1}
_LEVELS = {
    "anyOf": [
        {"type": "array", "items": _LEVEL, "minItems": 1},
        {"type": "object", "additionalProperties": _LEVEL, "minProperties": 1},
    ]
}
Levels = Annotated[
    dict[Name, Annotated[str, Field(min_length=1)]],
    Field(min_length=1),
    BeforeValidator(_named),
    WithJsonSchema(_LEVELS),
]


def _check_wildcards(levels: Sequence[str]) -> None:
    if any("#" in level for level in levels):
        raise ValueError("# matches any number of levels: write a + for each, or name them")
    if any("+" in level and level != "+" for level in levels):
        raise ValueError("a + replaces a whole level, as in plant/+/climate")


class MqttTag(TagOptions):
    """One value in the messages of a topic, or a Sparkplug metric; several with `levels`."""

    sparkplug: str | None = None
    """The edge node, or its device, that has the `metric`, as in group/node or group/node/device; a
    + is replaced by each of `levels`."""
    metric: Annotated[str, Field(min_length=1)] | None = Field(default=None, validate_default=True)
    """The name of the Sparkplug metric as in its birth, such as Motor/Current."""
    topic: Annotated[str, Field(min_length=1)] | None = Field(default=None, validate_default=True)
    """The topic it is published to; a + is replaced by each of `levels`, as in plant/+/climate."""
    levels: Levels | None = Field(default=None, validate_default=True)
    """The levels that replace the +. Each makes a tag, named after it: north and temperature make
    north.temperature. A list of names, or keys and values where a level is not a valid name, as in
    {north: "00:1A:2B"}."""
    path: str = "value"
    """Where the value is in the JSON payload: keys joined by dots, as in motor.current. In a list
    an element is selected by one of its keys, as in values[id=Ch1.Speed].v, and [*] takes all of
    them; a number at the end counts in a list of numbers, from 0. A key with dots is written in
    quotes and brackets, as in ["a.b"]. With a slash in front, a JSON pointer (RFC 6901). Empty if
    the payload is only the value."""
    text: TextForm | None = None
    """Reads text as a number, as in "21.5", +5, 007 or "21.5 °C" with the tag's unit; hex: as in
    "0x1F". Default: text is never a number."""
    separator: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """Splits a text payload such as 1.5;2.5 into columns, which `path` and `time_path` count from
    0. Its columns are read as with `text: number`."""
    decimal: Decimal | None = Field(default=None, validate_default=True)
    """The decimal mark of numbers in text: a dot, or "," as in "12,5"."""
    format: Format | None = None
    """senml: the payload is a SenML pack (RFC 8428), whose records get whole names and times.
    Default: JSON as it is."""
    absent: Literal["skip", "bad"] = "skip"
    """What a message without this value means. skip: nothing, as many publishers send only what
    has changed; bad: a bad sample."""
    time_path: str | None = None
    """Where the time of the measurement is; with a selection in `path`, in the selected element,
    unless it is a JSON pointer. Default: the time of reception is used."""
    time_format: TimeFormat | None = Field(default=None, validate_default=True)
    """ns, us, ms or s since 1970; iso, as in 2026-01-31T12:00:00.5Z; or a pattern, as in
    %d.%m.%Y %H:%M:%S."""
    timezone: TimeZone | None = None
    """The zone of times without one, as in Europe/Berlin. Default: the source's, else UTC."""
    quality_path: str | None = None
    """Where the payload has the quality of the value, as `time_path`. Default: every value is
    good."""
    quality_good: Annotated[list[bool | int | float | str], Field(min_length=1)] | None = Field(
        default=None, validate_default=True
    )
    """The qualities of a good value, as in [192] or [ok, true]; any other is bad."""
    error_path: str | None = None
    """Where the payload has an error of the value, as `time_path`: a value with one is bad."""
    qos: Qos | None = None
    """0, 1 or 2. Default: the source's."""
    period: PositiveDuration | None = None
    """Expected time between two messages. Default: 5s."""

    @field_validator("sparkplug")
    @classmethod
    def _is_node_or_device(cls, node: str | None) -> str | None:
        levels = (node or "a/b").split("/")
        if len(levels) not in (2, 3) or not all(levels):
            raise ValueError("write group/node or group/node/device")
        _check_wildcards(levels)
        return node

    @field_validator("metric")
    @classmethod
    def _belongs_to_a_node(cls, metric: str | None, info: ValidationInfo) -> str | None:
        if "sparkplug" in info.data and (metric is None) != (info.data["sparkplug"] is None):
            raise ValueError("`sparkplug` and `metric` belong together: give both or neither")
        return metric

    @field_validator("topic")
    @classmethod
    def _is_topic(cls, topic: str | None, info: ValidationInfo) -> str | None:
        if not {"sparkplug", "metric"} <= info.data.keys():  # reported at that field
            return topic
        is_metric = info.data["sparkplug"] is not None
        if topic is None:
            if not is_metric:
                raise ValueError("missing: add a `topic`, or `sparkplug` and `metric`")
            return topic
        if is_metric:
            raise ValueError("a Sparkplug metric has the topics of its edge node: leave it out")
        _check_wildcards(topic.split("/"))
        if topic.startswith("$share/"):
            raise ValueError("a shared subscription gets only some of the messages: not supported")
        if "\0" in topic or len(topic.encode()) > 65535:
            raise ValueError("a topic must have no NUL and at most 65535 bytes")
        return topic

    @field_validator("levels")
    @classmethod
    def _replace_the_wildcards(
        cls, levels: dict[str, str] | None, info: ValidationInfo
    ) -> dict[str, str] | None:
        pattern = info.data.get("topic") or info.data.get("sparkplug")
        if not pattern:  # reported at that field
            return levels
        wildcards = pattern.split("/").count("+")
        if levels is None and wildcards:
            raise ValueError("which levels replace the +? Add `levels`, as in [north, south]")
        if levels is not None and not wildcards:
            raise ValueError("there is no + that these could replace")
        given = list((levels or {}).values())
        for level in given:
            if set(level) & set("+#\0") or level.count("/") != wildcards - 1:
                right = "one level" if wildcards == 1 else f"{wildcards} levels, joined by /"
                raise ValueError(f"{level} cannot replace the +: write {right}")
        if len(set(given)) < len(given):
            raise ValueError("two of them are the same")
        return levels

    @field_validator(
        "path",
        "separator",
        "format",
        "absent",
        "time_path",
        "timezone",
        "quality_path",
        "error_path",
        mode="before",
    )
    @classmethod
    def _is_of_a_topic(cls, given: object, info: ValidationInfo) -> object:
        if given is not None and info.data.get("sparkplug"):
            raise ValueError("a Sparkplug metric already has this: leave it out")
        return given

    @field_validator("path")
    @classmethod
    def _is_path(cls, path: str) -> str:
        return checked_path(path)

    @field_validator("separator")
    @classmethod
    def _separates_columns(cls, separator: str | None, info: ValidationInfo) -> str | None:
        if separator is not None and not info.data.get("path", "0").isdecimal():
            raise ValueError("`path` must be the number of a column, from 0")
        return separator

    @field_validator("decimal")
    @classmethod
    def _belongs_to_text(cls, decimal: Decimal | None, info: ValidationInfo) -> Decimal | None:
        text, separator = info.data.get("text"), info.data.get("separator")
        if decimal is not None and (text == "hex" or not (text or separator)):
            raise ValueError("is of numbers in text: add `text: number`")
        if separator == (decimal or "."):
            raise ValueError("is the `separator` too: a column and a fraction would look the same")
        return decimal

    @field_validator("format")
    @classmethod
    def _has_no_columns(cls, form: Format | None, info: ValidationInfo) -> Format | None:
        if form is not None and info.data.get("separator"):
            raise ValueError("belongs to JSON payloads without a `separator`: leave it out")
        return form

    @field_validator("time_path", "quality_path", "error_path")
    @classmethod
    def _is_beside_the_value(cls, path: str | None, info: ValidationInfo) -> str | None:
        if path is None or "path" not in info.data:
            return path
        if path == "":
            raise ValueError("a payload that is only a number has no more fields: leave it out")
        try:
            beside(path, info.data["path"], may_be_column=info.field_name == "time_path")
        except CannotBeRelativeError as error:
            raise ValueError(str(error)) from error
        return path

    @field_validator("time_format")
    @classmethod
    def _belongs_to_a_time(cls, form: TimeFormat | None, info: ValidationInfo) -> TimeFormat | None:
        if "time_path" not in info.data:  # reported at that field
            return form
        if info.data["time_path"] is None and form is not None:
            raise ValueError("there is no `time_path`: add it")
        if info.data["time_path"] is not None and form is None:
            raise ValueError(
                "which format has the time? ns, us, ms, s (since 1970), iso, or a pattern such as "
                "%d.%m.%Y %H:%M:%S"
            )
        if info.data["time_path"] is None and EVERY in parse_path(info.data.get("path", "")):
            raise ValueError(
                "[*] takes several values of one message, which need their own times: add "
                "`time_path`"
            )
        return form

    @field_validator("quality_good")
    @classmethod
    def _belongs_to_a_quality(
        cls, good: list[bool | int | float | str] | None, info: ValidationInfo
    ) -> list[bool | int | float | str] | None:
        if "quality_path" not in info.data:  # reported at that field
            return good
        if info.data["quality_path"] is None and good is not None:
            raise ValueError("there is no `quality_path`: add it")
        if info.data["quality_path"] is not None and good is None:
            raise ValueError("which qualities are good? Add them, as in [192] or [ok, true]")
        return good

    @field_validator("timezone")
    @classmethod
    def _belongs_to_a_time_of_day(cls, zone: str | None, info: ValidationInfo) -> str | None:
        if zone is not None and info.data.get("time_format", "iso") in (None, *UNITS):
            raise ValueError("is of times of day (iso, or a pattern) in the payload: leave it out")
        return zone

    @property
    def steps(self) -> Path:
        """The steps to the value."""
        return parse_path(self.path)

    def beside_value(self, path: str | None) -> RelativePath | None:
        """Where a time, a quality or an error is, relative to the value's element."""
        if path is None:
            return None
        return beside(path, self.path, may_be_column=path == self.time_path)

    def time_form(self, zone: str | None) -> TimeForm:
        """How its times are written; `zone` is the source's."""
        name = self.timezone or zone
        return TimeForm(self.time_format or "ns", ZoneInfo(name) if name else None)

    def text_numbers(self) -> TextNumbers | None:
        """How its texts are read as numbers; None if they are not."""
        form = self.text or ("number" if self.separator else None)
        if form is None and not self.enumeration:
            return None
        return TextNumbers(self.enumeration, form, self.decimal or ".", self.unit)

    @property
    def has_own_time(self) -> bool:
        """True if its samples have their own time."""
        return self.time_path is not None or self.sparkplug is not None

    def addresses(self, name: str) -> Iterator[tuple[str, str]]:
        """The tags that this entry makes, each with its topic, or its edge node and device."""
        pattern = self.topic or self.sparkplug or ""
        if self.levels is None:
            yield name, pattern
            return
        for prefix, level in self.levels.items():
            steps = iter(level.split("/"))
            parts = (next(steps) if part == "+" else part for part in pattern.split("/"))
            yield f"{prefix}.{name}", "/".join(parts)
