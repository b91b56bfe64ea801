"""What a line file may say about an MQTT broker.

Promises
- Whatever cannot be subscribed to is refused here, at the field that is wrong and with what would
  be right.
"""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from gateway.model import SECOND, Nanos
from gateway.options import Name, PositiveDuration, Secret, Strict, TagOptions

PERIOD: Nanos = 5 * SECOND
TimeFormat = Literal["ns", "us", "ms", "s", "iso"]


class MqttTag(TagOptions):
    """One value in the messages of a topic."""

    topic: Annotated[str, Field(min_length=1)]
    """The topic it is published to, in full."""
    path: str = "value"
    """Where it stands in the JSON payload, steps joined by dots, as in motor.phases.0.current; a
    number counts in a list, from 0. Empty if the payload is nothing but the number."""
    time_path: str | None = None
    """Where the time of the measurement stands; the time of reception counts if not given."""
    time_format: TimeFormat | None = Field(default=None, validate_default=True)
    """ns, us, ms or s since 1970, or iso, as in 2026-01-31T12:00:00.5Z; UTC if it names no zone."""
    period: PositiveDuration | None = None
    """Expected time between two messages; 5s if not given."""

    @field_validator("topic")
    @classmethod
    def _is_topic(cls, topic: str) -> str:
        if set(topic) & set("+#"):
            raise ValueError("+ and # stand for many topics; a tag is read from one: name it")
        if topic.startswith("$share/"):
            raise ValueError("messages of a shared subscription go to somebody else as well")
        if "\0" in topic or len(topic.encode()) > 65535:
            raise ValueError("a topic holds no NUL and at most 65535 bytes")
        return topic

    @field_validator("path", "time_path")
    @classmethod
    def _has_no_empty_step(cls, path: str | None, info: ValidationInfo) -> str | None:
        if path and not all(path.split(".")):
            raise ValueError("a step is empty: write the keys with one dot in between")
        if info.field_name == "time_path" and path == "":
            raise ValueError("a payload that is nothing but a number brings no time: leave it out")
        return path

    @field_validator("time_format")
    @classmethod
    def _belongs_to_a_time(cls, form: TimeFormat | None, info: ValidationInfo) -> TimeFormat | None:
        if "time_path" not in info.data:  # wrong itself, and said there
            return form
        if info.data["time_path"] is None and form is not None:
            raise ValueError("which time? add `time_path`")
        if info.data["time_path"] is not None and form is None:
            raise ValueError("how is the time written? ns, us, ms, s (since 1970) or iso")
        return form

    @field_validator("high")
    @classmethod
    def _is_not_below_low(cls, high: float | None, info: ValidationInfo) -> float | None:
        low = info.data.get("low")
        if high is not None and low is not None and low > high:
            raise ValueError(f"is below low ({low:g}): exchange them")
        return high


class Tls(Strict):
    """How the connection is encrypted; `tls: {}` trusts the system's authorities.

    Relative paths start beside the line file.
    """

    ca: str | None = None
    """A file with the certificates that may sign the broker's; the system's if not given."""
    certificate: str | None = None
    """Our own certificate, where the broker wants to see one."""
    key: str | None = Field(default=None, validate_default=True)
    """The private key of our certificate."""

    @field_validator("key")
    @classmethod
    def _comes_with_its_certificate(cls, key: str | None, info: ValidationInfo) -> str | None:
        if (key is None) != (info.data.get("certificate") is None):
            raise ValueError("`certificate` and `key` belong together: give both or none")
        return key


class MqttOptions(Strict):
    """An MQTT broker. Only ever subscribed to."""

    type: Literal["mqtt"]
    host: Annotated[str, Field(min_length=1)]
    """Name or address of the broker."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """TCP port; 1883, or 8883 with `tls`, if not given."""
    username: str | None = None
    """Whom to log in as; anonymous if not given."""
    password: Secret | None = None
    """Needs a user name; as ${env:NAME}, ${credential:NAME} or ${file:/path}."""
    tls: Tls | None = None
    """Encrypt, and check the broker's certificate."""
    client_id: Annotated[str, Field(min_length=1)] | None = None
    """A broker ends the session of whoever had the same one before, so each reader needs its own;
    andon-, the source's name and a random number if not given."""
    qos: Literal[0, 1, 2] = 1
    """0 a message may get lost on its way, 1 it arrives at least once, 2 exactly once."""
    keepalive: PositiveDuration = 30 * SECOND
    """A broker that is silent for twice as long counts as gone."""
    tags: Annotated[dict[Name, MqttTag], Field(min_length=1)]
    """What to read, by name."""

    @field_validator("host")
    @classmethod
    def _is_bare(cls, host: str) -> str:
        if "/" in host or host != host.strip():
            raise ValueError("write the bare name or address; `port` and `tls` are fields")
        return host

    @field_validator("password")
    @classmethod
    def _comes_with_a_user(cls, password: Secret | None, info: ValidationInfo) -> Secret | None:
        if password is not None and info.data.get("username") is None:
            raise ValueError("whose? MQTT takes no password without a `username`")
        return password

    @field_validator("keepalive")
    @classmethod
    def _is_whole_seconds(cls, keepalive: Nanos) -> Nanos:
        if keepalive % SECOND or keepalive > 65535 * SECOND:
            raise ValueError("MQTT counts this in whole seconds, 1s to 65535s")
        return keepalive

    @property
    def resolved_port(self) -> int:
        """The port, with the default filled in."""
        return self.port or (8883 if self.tls else 1883)
