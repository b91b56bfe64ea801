"""What a line file may say about an MQTT broker.

Promises
- Whatever cannot be subscribed to is refused here, at the field that is wrong and with what would
  be right.
"""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from connectors.mqtt.tags import MqttTag, Qos
from gateway.api.model import SECOND, Nanos
from gateway.api.options import Name, PositiveDuration, Secret, Strict

Protocol = Annotated[
    Literal["3.1.1", "5"],
    BeforeValidator(lambda given: str(given) if type(given) is int else given),
    WithJsonSchema({"enum": ["3.1.1", "5", 5]}),
]
PERIOD: Nanos = 5 * SECOND
MOST_EXPIRY: Nanos = 49710 * 86400 * SECOND
"""Whole days that fit the 32 bits of seconds that MQTT 5 has for it."""


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
    protocol: Protocol = "3.1.1"
    """The version of MQTT, 3.1.1 or 5."""
    client_id: Annotated[str, Field(min_length=1)] | None = None
    """A broker ends the session of whoever had the same one before, so each reader needs its own;
    andon-, the source's name and a random number if not given."""
    qos: Qos = 1
    """0 a message may get lost on its way, 1 it arrives at least once, 2 exactly once."""
    keepalive: PositiveDuration = 5 * SECOND
    """A broker that is silent for twice as long counts as gone."""
    tags: Annotated[dict[Name, MqttTag], Field(min_length=1)]
    """What to read, by name."""
    timestamp: Literal["source", "receive"] = "source"
    """Whose time Sparkplug's values have: that of the edge node, or that of their reception, where
    edge nodes have no clock to rely on."""
    sparkplug_aware: bool = False
    """Whether the broker keeps the births of Sparkplug's edge nodes, as one that is Sparkplug-aware
    does: they are then known from the start."""
    primary_host: Annotated[str, Field(pattern=r"^[^/+#]+$")] | None = None
    """The Sparkplug host that edge nodes wait for: its coming and going is logged."""
    session_expiry: PositiveDuration | None = None
    """How long the broker keeps our session, and the messages of QoS 1 and 2 that it could not
    deliver, after the connection was lost; not at all if not given. A broker that speaks 3.1.1
    decides itself how long."""

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

    @field_validator("tags")
    @classmethod
    def _have_names_of_their_own(cls, tags: dict[str, MqttTag]) -> dict[str, MqttTag]:
        made: set[str] = set()
        for written, entry in tags.items():
            for name, _ in entry.addresses(written):
                if name in made:
                    raise ValueError(f"{name} is made twice: by {written}, and by another entry")
                if len(name) > 64:
                    raise ValueError(f"{name} is longer than 64 characters")
                made.add(name)
        return tags

    @field_validator("session_expiry")
    @classmethod
    def _can_be_taken_up(cls, expiry: Nanos | None, info: ValidationInfo) -> Nanos | None:
        if expiry is None or not {"client_id", "tags"} <= info.data.keys():
            return expiry
        if expiry % SECOND or expiry > MOST_EXPIRY:
            raise ValueError("MQTT counts this in whole seconds, 1s to 49710d")
        if info.data["client_id"] is None:
            raise ValueError("needs a `client_id` of its own, by which the broker knows us again")
        by_reception = info.data.get("timestamp") == "receive"
        undated = [
            name
            for name, tag in info.data["tags"].items()
            if not tag.brings_time or (tag.sparkplug and by_reception)
        ]
        if undated:
            some = ", ".join(undated[:3]) + (", …" if len(undated) > 3 else "")
            raise ValueError(f"what waited at the broker would pass for new: give {some} a time")
        return expiry

    @property
    def resolved_port(self) -> int:
        """The port, with the default filled in."""
        return self.port or (8883 if self.tls else 1883)
