"""Publishes alerts to an MQTT broker of the plant, for panels, lamps and sirens.

Promises
- Only alerts are sent. Each is acknowledged by the broker (QoS 1) before it is forgotten.
- The connection is opened at the start and kept. While there is nothing to send the broker is
  pinged, so that a lost connection is known within `keepalive`; it is reported, not repaired here.
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
from gateway.api.options import PositiveDuration, Secret
from gateway.sinks.file import iso
from gateway.sinks.mqtt_errors import DEFAULT_PATH, unavailable
from gateway.sinks.tls import TlsOptions, client_context

PLACEHOLDERS = ("site", "line", "detector", "severity")
_PING_TOPIC = "andon/are-you-there"
_DISCONNECT_S = 1.0
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


class MqttSink:
    """Keeps one connection, opened by the first write or ping."""

    Options: ClassVar[type[MqttSinkOptions]] = MqttSinkOptions
    accepts = frozenset({Kind.ALERT})

    def __init__(self, name: str, options: Any, places: Places) -> None:
        self.name, self._options, self._places = name, options, places
        self._port = options.resolved_port
        self.ping_every = options.keepalive / SECOND / 2
        self._client: Any = None

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
            client = await self._connected()
            made_progress()
            for index, envelope in enumerate(batch):
                try:
                    topic, payload = to_message(decode(envelope.body), self._options.topic)
                except ValueError:
                    invalid.append(index)
                    continue
                await client.publish(topic, payload, qos=1, retain=self._options.retain)
                made_progress()
                sent += len(topic.encode()) + len(payload)
        except aiomqtt.MqttError as error:
            await self._disconnect()
            raise self._away(error, sent) from error
        if invalid:
            raise SinkRejected(invalid, "not a point of line protocol", sent_bytes=sent)
        return sent

    async def ping(self) -> None:
        """Connects if there is no connection, else has the broker respond; SinkUnavailable."""
        import aiomqtt

        try:
            client = await self._connected()
            # The library has no public ping; this is the smallest request that must be answered.
            await client.unsubscribe(_PING_TOPIC, timeout=self.ping_every)
        except aiomqtt.MqttError as error:
            await self._disconnect()
            raise self._away(error) from error

    def _away(self, error: Exception, sent: int = 0) -> SinkUnavailable:
        return unavailable(error, self._options.host, self._port, self._options.path, sent)

    async def _connected(self) -> Any:
        """The connection, a new one if there is none or it has ended."""
        # A connection that the broker closed while nothing was sent.
        if self._client is not None and self._client._disconnected.done():  # noqa: SLF001
            await self._disconnect()
        return self._client or await self._connect()

    async def _connect(self) -> Any:
        import aiomqtt

        options = self._options
        try:
            password = options.password.resolve() if options.password else None
        except ConfigError as error:
            raise SinkUnavailable(str(error), needs_human=True) from error
        client = aiomqtt.Client(
            options.host,
            self._port,
            username=options.username,
            password=password,
            tls_context=client_context(options, self._places) if options.tls else None,
            transport=options.transport,
            websocket_path=options.path or DEFAULT_PATH,
            timeout=options.timeout / SECOND,
            keepalive=options.keepalive // SECOND,
        )
        try:
            # The library would look the name up in a thread, without an end or an error of its own.
            await asyncio.get_running_loop().getaddrinfo(options.host, self._port)
        except OSError as error:
            raise self._away(error) from error
        await client.__aenter__()
        self._client = client
        return client

    async def _disconnect(self) -> None:
        import aiomqtt

        client, self._client = self._client, None
        if client is not None:
            client.timeout = min(client.timeout, _DISCONNECT_S)
            # If the link is gone already, a clean disconnect is impossible.
            with contextlib.suppress(aiomqtt.MqttError):
                await client.__aexit__(None, None, None)
            # Its error was reported, or is of no interest any more.
            if client._disconnected.done():  # noqa: SLF001
                client._disconnected.exception()  # noqa: SLF001

    async def probe(self) -> Probe:
        """Connects and disconnects."""
        import aiomqtt

        try:
            await self._connect()
        except aiomqtt.MqttError as error:
            return Probe(ok=False, message=str(self._away(error)))
        except SinkUnavailable as error:
            return Probe(ok=False, message=str(error))
        await self._disconnect()
        return Probe(ok=True, message=f"{self._options.host}:{self._port} accepts the connection")
