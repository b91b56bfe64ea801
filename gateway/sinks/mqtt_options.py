"""The options of the MQTT sink, with what would be right (pure)."""

from string import Formatter
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from gateway.api.addresses import Host
from gateway.api.model import SECOND, Nanos
from gateway.api.options import PositiveDuration, Secret
from gateway.sinks.tls import TlsOptions

OF_A_LINE = ("site", "line")
OF_AN_ALARM = (*OF_A_LINE, "detector", "severity")
_SPARKPLUG, _JSON = ("group", "node", "device"), ("prefix", "topic", "retain", "states")


class MqttSinkOptions(TlsOptions):
    """Alarms to an MQTT broker."""

    type: Literal["mqtt"] = "mqtt"
    host: Host
    """The broker."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """1883, or 8883 with tls, if not given; of websockets 80, or 443 with tls."""
    transport: Literal["tcp", "websockets"] = "tcp"
    """tcp, or websockets where the broker is reachable by ws:// or wss:// (with tls) alone."""
    path: Annotated[str, Field(pattern=r"^/[!-~]*$")] | None = Field(
        default=None, validate_default=True
    )
    """The path of the websocket; /mqtt if not given."""
    username: str | None = None
    """The user name; anonymous if not given."""
    password: Secret | None = None
    """The password, as ${env:NAME} or ${credential:NAME}."""
    tls: bool = False
    """Encrypt, and check the broker's certificate."""
    payload: Literal["json", "sparkplug"] = "json"
    """json, or sparkplug: the alarms are metrics of a Sparkplug B edge node."""
    prefix: str = "andon/{site}/{line}"
    """What the topics begin with; may contain {site} and {line}. Only with json."""
    topic: str | None = None
    """The topic of the transitions, PREFIX/alarms/events if not given; may contain {site}, {line},
    {detector} and {severity}. Only with json."""
    retain: bool = False
    """Whether the broker keeps the last transition of a topic. Only with json."""
    states: bool = True
    """Whether the broker keeps the state of each alarm, and whether andon is connected. Only with
    json."""
    group: str = "{site}"
    """The Sparkplug group id; may contain {site} and {line}. Only with sparkplug."""
    node: str = "{line}"
    """The Sparkplug edge node id; may contain {site} and {line}. Only with sparkplug."""
    device: str = "andon"
    """The Sparkplug device id; may contain {site} and {line}. Only with sparkplug."""
    timeout: PositiveDuration = 10 * SECOND
    """The time limit for connecting, and for the acknowledgement of one message."""
    keepalive: PositiveDuration = 10 * SECOND
    """While there is nothing to send, a lost connection is known within this time."""

    @model_validator(mode="after")
    def _needs_tls_for_certificates(self) -> Self:
        if (self.ca or self.certificate) and not self.tls:
            raise ValueError("certificates are for encrypted connections: add `tls: true`")
        return self

    @model_validator(mode="after")
    def _needs_a_user_for_a_password(self) -> Self:
        if self.password is not None and self.username is None:
            raise ValueError("MQTT allows no password without a `username`: add one")
        return self

    @model_validator(mode="after")
    def _has_no_option_of_the_other_payload(self) -> Self:
        others = _JSON if self.payload == "sparkplug" else _SPARKPLUG
        wrong = [name for name in others if name in self.model_fields_set]
        if wrong:
            needed = "json" if self.payload == "sparkplug" else "sparkplug"
            raise ValueError(f"`{wrong[0]}` belongs to `payload: {needed}`: remove one of them")
        return self

    @field_validator("path")
    @classmethod
    def _belongs_to_a_websocket(cls, path: str | None, info: ValidationInfo) -> str | None:
        if path is not None and info.data.get("transport", "websockets") != "websockets":
            raise ValueError("is of websockets: add `transport: websockets`")
        return path

    @field_validator("keepalive")
    @classmethod
    def _is_whole_seconds(cls, keepalive: Nanos) -> Nanos:
        if keepalive % SECOND or not 2 * SECOND <= keepalive <= 65535 * SECOND:
            raise ValueError("must be whole seconds, 2s to 65535s")
        return keepalive

    @field_validator("topic")
    @classmethod
    def _is_topic(cls, topic: str | None) -> str | None:
        return None if topic is None else _publishable(topic, OF_AN_ALARM)

    @field_validator("prefix")
    @classmethod
    def _is_prefix(cls, prefix: str) -> str:
        if prefix.endswith("/"):
            raise ValueError("must not end with a slash: one is added before what follows")
        return _publishable(prefix, OF_A_LINE)

    @field_validator("group", "node", "device")
    @classmethod
    def _is_an_id(cls, name: str) -> str:
        if "/" in name:
            raise ValueError("a Sparkplug id is one level of a topic and must not contain /")
        return _publishable(name, OF_A_LINE)

    @property
    def resolved_port(self) -> int:
        """The port, with the default filled in."""
        plain, encrypted = (80, 443) if self.transport == "websockets" else (1883, 8883)
        return self.port or (encrypted if self.tls else plain)


def _publishable(topic: str, placeholders: tuple[str, ...]) -> str:
    for _, name, spec, conversion in Formatter().parse(topic):
        if name is not None and (name not in placeholders or spec or conversion):
            known = ", ".join(f"{{{placeholder}}}" for placeholder in placeholders)
            raise ValueError(f"unknown placeholder {{{name}}}: it may contain {known}")
    if not topic or set(topic) & set("+#\0"):
        raise ValueError("a topic to publish to must not be empty or contain + or #")
    return topic
