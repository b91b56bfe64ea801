"""Publishes alerts to an MQTT broker of the plant, for panels, lamps and sirens.

Promises
- Only alerts are sent. Each is acknowledged by the broker (QoS 1) before it is forgotten.
- The connection is opened at the start and kept. While there is nothing to send the broker is
  pinged, so that a lost connection is known within `keepalive`; it is reported, not repaired here.
- Connecting takes at most `timeout`, and what the broker may send is bounded, see
  `gateway.api.mqtt_packets`. Messages are not asked for: those that come are dropped.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from string import Formatter
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from gateway.api.addresses import Host
from gateway.api.contracts import ConfigError, Places, SinkRejected, SinkUnavailable
from gateway.api.going_on import made_progress
from gateway.api.line_protocol import decode
from gateway.api.model import SECOND, Envelope, Kind, Nanos, Point, Probe
from gateway.api.mqtt_link import MqttLink, quiet_logger
from gateway.api.options import PositiveDuration, Secret
from gateway.sinks.file import iso
from gateway.sinks.mqtt_errors import DEFAULT_PATH, unavailable
from gateway.sinks.tls import TlsOptions, client_context

PLACEHOLDERS = ("site", "line", "detector", "severity")
_PING_TOPIC = "andon/are-you-there"
_LONGEST_PACKET = 1024 * 1024
_NOT_IN_A_LEVEL = str.maketrans(dict.fromkeys("+#/\0", "_"))


class MqttSinkOptions(TlsOptions):
    """Alerts to an MQTT broker."""

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
    topic: str = "andon/{site}/{line}/alerts"
    """The topic; may contain {site}, {line}, {detector} and {severity}."""
    retain: bool = False
    """Whether the broker keeps the last alert of a topic for those who subscribe later."""
    timeout: PositiveDuration = 10 * SECOND
    """The time limit for connecting, and for the acknowledgement of one alert."""
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
    def _is_topic(cls, topic: str) -> str:
        for _, name, spec, conversion in Formatter().parse(topic):
            if name is not None and (name not in PLACEHOLDERS or spec or conversion):
                known = ", ".join(f"{{{placeholder}}}" for placeholder in PLACEHOLDERS)
                raise ValueError(f"unknown placeholder {{{name}}}: a topic may contain {known}")
        if not topic or set(topic) & set("+#\0"):
            raise ValueError("a topic to publish to must not be empty or contain + or #")
        return topic

    @property
    def resolved_port(self) -> int:
        """The port, with the default filled in."""
        plain, encrypted = (80, 443) if self.transport == "websockets" else (1883, 8883)
        return self.port or (encrypted if self.tls else plain)


def to_message(point: Point, template: str) -> tuple[str, bytes]:
    """The topic and the JSON payload of an alert: tags, fields and `time` in one object."""
    levels = {name: point.tags.get(name, "").translate(_NOT_IN_A_LEVEL) for name in PLACEHOLDERS}
    payload: Mapping[str, Any] = {"time": iso(point.at), **point.tags, **point.fields}
    return template.format_map(levels), json.dumps(payload, ensure_ascii=False).encode()


class _Nothing(asyncio.Queue[Any]):
    """Takes messages that were not asked for, and keeps none."""

    def put_nowait(self, _message: Any) -> None:
        """Drops it."""


_nothing: Any = _Nothing  # the library would pass the type of a message


class MqttSink:
    """Keeps one connection, opened by the first write or ping."""

    Options: ClassVar[type[MqttSinkOptions]] = MqttSinkOptions
    accepts = frozenset({Kind.ALERT})

    def __init__(self, name: str, options: Any, places: Places) -> None:
        self.name, self._options, self._places = name, options, places
        self._port = options.resolved_port
        self.ping_every = options.keepalive / SECOND / 2
        self._link: MqttLink | None = None

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Opens nothing yet; disconnects at the end."""
        try:
            yield
        finally:
            await self._disconnect()

    async def write(self, batch: Sequence[Envelope]) -> int:
        """Publishes each alert; the bytes of topics and payloads. SinkUnavailable, SinkRejected."""
        import aiomqtt

        sent, invalid = 0, list[int]()
        try:
            link = await self._connected()
            made_progress()
            for index, envelope in enumerate(batch):
                try:
                    topic, payload = to_message(decode(envelope.body), self._options.topic)
                except ValueError:
                    invalid.append(index)
                    continue
                publishing = link.client.publish(topic, payload, qos=1, retain=self._options.retain)
                await link.while_connected(publishing)
                made_progress()
                sent += len(topic.encode()) + len(payload)
        except aiomqtt.MqttError as error:
            raise await self._lost(error, sent) from error
        if invalid:
            raise SinkRejected(invalid, "not a point of line protocol", sent_bytes=sent)
        return sent

    async def ping(self) -> None:
        """Connects if there is no connection, else has the broker respond; SinkUnavailable."""
        import aiomqtt

        try:
            link = await self._connected()
            # The library has no public ping; this is the smallest request that must be answered.
            pinging = link.client.unsubscribe(_PING_TOPIC, timeout=self.ping_every)
            await link.while_connected(pinging)
        except aiomqtt.MqttError as error:
            raise await self._lost(error) from error

    async def _lost(self, error: Exception, sent: int = 0) -> SinkUnavailable:
        link = self._link
        await self._disconnect()
        return self._away(error, sent, link.why if link else "")

    def _away(self, error: Exception, sent: int = 0, why: str = "") -> SinkUnavailable:
        host, port, path = self._options.host, self._port, self._options.path
        if why:
            return SinkUnavailable(f"{host}:{port}: {why}", sent_bytes=sent)
        return unavailable(error, host, port, path, sent)

    async def _connected(self) -> MqttLink:
        """The connection, a new one if there is none or it has ended."""
        # A connection that the broker closed while nothing was sent.
        if self._link is not None and self._link.ended.done():
            await self._disconnect()
        return self._link or await self._connect()

    async def _connect(self) -> MqttLink:
        import aiomqtt

        options = self._options
        try:
            password = await options.password.read() if options.password else None
        except ConfigError as error:
            raise SinkUnavailable(str(error), needs_human=True) from error
        client = aiomqtt.Client(
            options.host,
            self._port,
            username=options.username,
            password=password,
            tls_context=await client_context(options, self._places) if options.tls else None,
            transport=options.transport,
            websocket_path=options.path or DEFAULT_PATH,
            timeout=options.timeout / SECOND,
            keepalive=options.keepalive // SECOND,
            queue_type=_nothing,
            logger=quiet_logger(),
        )
        try:
            # The library would look the name up in a thread, without an end or an error of its own.
            await asyncio.get_running_loop().getaddrinfo(options.host, self._port)
        except OSError as error:
            raise self._away(error) from error
        link = MqttLink(client, _LONGEST_PACKET)
        try:
            await link.connect(options.timeout / SECOND)
        except TimeoutError as error:
            raise self._away(error, why="the broker does not respond") from error
        except (aiomqtt.MqttError, ValueError) as error:  # ValueError: a malformed name
            raise self._away(error, why=link.why) from error
        self._link = link
        return link

    async def _disconnect(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.disconnect()

    async def probe(self) -> Probe:
        """Connects and disconnects."""
        try:
            await self._connect()
        except SinkUnavailable as error:
            return Probe(ok=False, message=str(error))
        await self._disconnect()
        return Probe(ok=True, message=f"{self._options.host}:{self._port} accepts the connection")
