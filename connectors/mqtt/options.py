"""The options of an MQTT source.

Promises
- A wrong setting is refused here, at its field and with what would be right.
"""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from connectors.mqtt.tags import MqttTag, Qos, TimeZone
from gateway.api.addresses import resolvable
from gateway.api.model import SECOND, Nanos
from gateway.api.options import FilePath, Name, PositiveDuration, Secret, Size, Strict

Protocol = Annotated[
    Literal["3.1.1", "5"],
    BeforeValidator(lambda given: str(given) if type(given) is int else given),
    WithJsonSchema({"enum": ["3.1.1", "5", 5]}),
]
PERIOD: Nanos = 5 * SECOND
MOST_PAYLOAD = 16 * 1024 * 1024
_TOPIC_AND_PROPERTIES = 128 * 1024
MOST_EXPIRY: Nanos = 49710 * 86400 * SECOND
"""The most whole days that fit into MQTT 5's 32 bits of seconds."""


class Tls(Strict):
    """Encryption of the connection; `tls: {}` trusts the system's authorities.

    Paths are relative to the line file.
    """

    ca: FilePath | None = None
    """A file with the certificates that may sign the broker's. Default: the system's."""
    certificate: FilePath | None = None
    """Our own certificate, where the broker asks for one."""
    key: FilePath | None = Field(default=None, validate_default=True)
    """The private key of our certificate."""

    @field_validator("key")
    @classmethod
    def _comes_with_its_certificate(cls, key: str | None, info: ValidationInfo) -> str | None:
        if (key is None) != (info.data.get("certificate") is None):
            raise ValueError("`certificate` and `key` belong together: give both or neither")
        return key


class MqttOptions(Strict):
    """An MQTT broker. Subscribe only."""

    type: Literal["mqtt"]
    host: Annotated[str, Field(min_length=1)]
    """Name or address of the broker."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """TCP port. Default: 1883, or 8883 with `tls`; of websockets 80, or 443 with `tls`."""
    transport: Literal["tcp", "websockets"] = "tcp"
    """tcp, or websockets where a broker is reachable by ws:// or wss:// (with `tls`) alone."""
    path: Annotated[str, Field(pattern=r"^/[!-~]*$")] | None = Field(
        default=None, validate_default=True
    )
    """The path of the websocket. Default: /mqtt."""
    username: str | None = None
    """The user to log in as. Default: anonymous."""
    password: Secret | None = None
    """The user's password: ${env:NAME}, ${credential:NAME} or ${file:/path}. Needs `username`."""
    tls: Tls | None = None
    """Encrypts the connection and checks the broker's certificate."""
    protocol: Protocol = "3.1.1"
    """The version of MQTT, 3.1.1 or 5."""
    client_id: Annotated[str, Field(min_length=1)] | None = None
    """A broker ends the session of an earlier client with the same id, so each client needs its
    own. Default: andon-, the source's name and a random number."""
    qos: Qos = 1
    """0: a message may be lost on its way, 1: it arrives at least once, 2: exactly once."""
    keepalive: PositiveDuration = 5 * SECOND
    """A broker that is silent for twice as long counts as gone."""
    max_payload: Annotated[Size, Field(ge=1024, le=MOST_PAYLOAD)] = 1024 * 1024
    """The longest payload that is read, up to 16MiB; a longer one makes its tags bad. A message
    more than four times as long ends the connection, and its topic is left out for a while."""
    tags: Annotated[dict[Name, MqttTag], Field(min_length=1)]
    """The tags to read, by name."""
    timestamp: Literal["source", "receive", "corrected"] = "source"
    """The time of values that have one, in their payload or from a Sparkplug edge node: their own
    (source); the time of reception (receive), where devices have no reliable clock; or their own
    less an offset from this machine's clock that was measured and is steady (corrected)."""
    timezone: TimeZone | None = None
    """The zone of times of day without one in payloads, as in Europe/Berlin. Default: UTC."""
    sparkplug_aware: bool = False
    """The broker is Sparkplug-aware: it keeps the births of edge nodes, so they are known from the
    start."""
    primary_host: Annotated[str, Field(pattern=r"^[^/+#]+$")] | None = None
    """The Sparkplug host that edge nodes wait for: its state is logged."""
    session_expiry: PositiveDuration | None = None
    """How long the broker keeps our session, and the messages of QoS 1 and 2 that it could not
    deliver, after the connection was lost. Default: not at all. A broker that speaks 3.1.1 has its
    own limit."""

    @field_validator("host")
    @classmethod
    def _is_bare(cls, host: str) -> str:
        if "/" in host or host != host.strip():
            raise ValueError(_url_hint(host))
        return resolvable(host)

    @field_validator("path")
    @classmethod
    def _belongs_to_a_websocket(cls, path: str | None, info: ValidationInfo) -> str | None:
        if path is not None and info.data.get("transport", "websockets") != "websockets":
            raise ValueError("is of websockets: add `transport: websockets`")
        return path

    @field_validator("password")
    @classmethod
    def _comes_with_a_user(cls, password: Secret | None, info: ValidationInfo) -> Secret | None:
        if password is not None and info.data.get("username") is None:
            raise ValueError("MQTT allows no password without a `username`: add one")
        return password

    @field_validator("keepalive")
    @classmethod
    def _is_whole_seconds(cls, keepalive: Nanos) -> Nanos:
        if keepalive % SECOND or keepalive > 65535 * SECOND:
            raise ValueError("must be whole seconds, 1s to 65535s")
        return keepalive

    @field_validator("tags")
    @classmethod
    def _have_unique_names(cls, tags: dict[str, MqttTag]) -> dict[str, MqttTag]:
        names: set[str] = set()
        for written, entry in tags.items():
            for name, _ in entry.addresses(written):
                if name in names:
                    raise ValueError(f"{name} is made twice: by {written} and by another entry")
                if len(name) > 64:
                    raise ValueError(f"{name} is longer than 64 characters")
                names.add(name)
        return tags

    @field_validator("session_expiry")
    @classmethod
    def _can_be_resumed(cls, expiry: Nanos | None, info: ValidationInfo) -> Nanos | None:
        if expiry is None or not {"client_id", "tags"} <= info.data.keys():
            return expiry
        if expiry % SECOND or expiry > MOST_EXPIRY:
            raise ValueError("must be whole seconds, 1s to 49710d")
        if info.data["client_id"] is None:
            raise ValueError("needs a `client_id`, by which the broker recognises the session")
        by_reception = info.data.get("timestamp") == "receive"
        undated = [
            name for name, tag in info.data["tags"].items() if not tag.has_own_time or by_reception
        ]
        if undated:
            some = ", ".join(undated[:3]) + (", …" if len(undated) > 3 else "")
            raise ValueError(f"messages kept at the broker would look new: give {some} a time")
        return expiry

    @property
    def longest_packet(self) -> int:
        """Bytes of the longest packet that is taken from the broker."""
        return 4 * self.max_payload + _TOPIC_AND_PROPERTIES

    @property
    def resolved_port(self) -> int:
        """The port, with the default filled in."""
        if self.transport == "websockets":
            return self.port or (443 if self.tls else 80)
        return self.port or (8883 if self.tls else 1883)


def _url_hint(host: str) -> str:
    """What to write instead of a URL."""
    scheme, _, rest = host.strip().partition("://")
    if not rest or scheme.lower() not in ("ws", "wss", "mqtt", "mqtts", "tcp", "ssl"):
        return "write the bare name or address; `port` and `tls` are separate fields"
    authority, slash, path = rest.partition("/")
    name, _, port = authority.rpartition(":") if authority.count(":") == 1 else (authority, "", "")
    fields = [f"host: {name}", *([f"port: {port}"] if port else [])]
    if scheme.lower() in ("ws", "wss"):
        fields += ["transport: websockets", *([f"path: {slash}{path}"] if path else [])]
    fields += ["tls: {}"] if scheme.lower() in ("wss", "mqtts", "ssl") else []
    return f"write the bare name or address, and the rest one by one: {', '.join(fields)}"
