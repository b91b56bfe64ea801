"""Publishes alarms to an MQTT broker of the plant: for panels, lamps, sirens and SCADA systems.

Promises
- Only alarms are sent, in the order in which they were stored. A transition is forgotten only when
  the broker has acknowledged its messages, or what followed them on the same connection.
- The connection is opened at the start and kept. While there is nothing to send the broker is
  pinged, so that a lost connection is known within `keepalive`; it is reported, not repaired here.
- Each connection begins with what puts the broker's knowledge right, and ends with a last will or
  with its words (`mqtt_json`, `mqtt_sparkplug`). `probe` publishes nothing and leaves no last will.
- Connecting takes at most `timeout`, and what the broker may send is bounded, see
  `gateway.api.mqtt_packets`. Of what it sends only the messages that were asked for are looked at.
"""

import asyncio
import contextlib
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, cast

import structlog

from gateway.api.alarms import Alarm
from gateway.api.contracts import Places, SinkRejected, SinkUnavailable
from gateway.api.going_on import made_progress
from gateway.api.line_protocol import decode
from gateway.api.model import SECOND, Envelope, Kind, Point, Probe
from gateway.api.mqtt_link import MqttLink
from gateway.api.wording import counted
from gateway.sinks.mqtt_connection import away, connect
from gateway.sinks.mqtt_json import JsonAlarms
from gateway.sinks.mqtt_messages import Message, Presentation, alarm_of, is_about_the_past
from gateway.sinks.mqtt_options import MqttSinkOptions
from gateway.sinks.mqtt_sparkplug import SparkplugAlarms

log = structlog.get_logger()

_PING_TOPIC = "andon/are-you-there"
_GOOD_BYE_S = 1.0
_REFUSED = 0x80
_NOT_ALLOWED = "the broker refuses to subscribe: what it keeps, and commands, are not read"
_PRESENTATIONS: Mapping[str, Callable[[MqttSinkOptions, Places], Presentation]] = {
    "json": JsonAlarms,
    "sparkplug": SparkplugAlarms,
}


class MqttSink:
    """Keeps one connection, opened by the first write or ping."""

    Options: ClassVar[type[MqttSinkOptions]] = MqttSinkOptions
    accepts = frozenset({Kind.ALERT})

    def __init__(self, name: str, options: Any, places: Places) -> None:
        self.name, self._options, self._places = name, options, places
        self._alarms: Presentation = _PRESENTATIONS[options.payload](options, places)
        self._ping_s = options.keepalive / SECOND / 2
        self.ping_every = min(self._ping_s, self._alarms.attention or self._ping_s)
        self._link: MqttLink | None = None
        self._greeted: MqttLink | None = None
        """The connection whose first messages were sent."""
        self._heard = 0.0
        """When the broker last responded, on the monotonic clock."""
        self._sent, self._refused = 0, 0
        self.diagnostics: list[str] = []
        """What a person should know, for `andon status`."""
        self._notes: dict[str, str] = {}
        self._is_deaf = False
        """Whether it subscribes to nothing, because what came was too long to be read."""

    # What survives a restart belongs to the presentation.

    def set_alarms(self, alarms: Mapping[str, Sequence[Alarm]]) -> None:
        """The alarms of the line, of each detector."""
        self._alarms.set_alarms(alarms)

    def checkpoint(self) -> bytes:
        """What to remember of the alarms."""
        return self._alarms.checkpoint()

    def restore(self, state: bytes) -> None:
        """Takes up what the last run remembered."""
        try:
            self._alarms.restore(state)
        except (ValueError, KeyError, TypeError, zlib.error) as error:
            # Another `payload` in the line file, for one: the alarms are known with their next
            # transition.
            log.warning("sink.memory_unusable", sink=self.name, why=str(error))

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Opens nothing yet; disconnects at the end."""
        try:
            yield
        finally:
            await self._say_good_bye()
            await self._disconnect()

    async def write(self, batch: Sequence[Envelope]) -> int:
        """Publishes transitions; returns how many bytes. SinkUnavailable, SinkRejected."""
        import aiomqtt

        points, invalid = _decoded(batch)
        newest = {alarm_of(p): index for index, p in points.items() if not is_about_the_past(p)}
        try:
            link = await self._connected()
            made_progress()
            # Alarms that keep coming must not hold up what a host asks for.
            await self._publish(link, self._alarms.due(time.time_ns()))
            for index, point in points.items():
                is_superseded = newest.get(alarm_of(point)) != index
                try:
                    messages = self._alarms.show(point, time.time_ns(), is_superseded=is_superseded)
                except ValueError:
                    invalid.append(index)
                    continue
                await self._publish(link, messages)
            if points and not self._alarms.is_confirmed:
                await self._round_trip(link)
        except aiomqtt.MqttError as error:
            raise await self._lost(error) from error
        if invalid:
            why = "not a transition of an alarm in line protocol"
            raise SinkRejected(sorted(invalid), why, sent_bytes=self._counted())
        return self._counted()

    async def ping(self) -> None:
        """Connects if there is no connection, else has the broker respond; SinkUnavailable."""
        import aiomqtt

        try:
            link = await self._connected()
            await self._publish(link, self._alarms.due(time.time_ns()))
            if time.monotonic() - self._heard >= self._ping_s - self.ping_every:
                await self._round_trip(link)
        except aiomqtt.MqttError as error:
            raise await self._lost(error) from error

    async def _publish(self, link: MqttLink, messages: Iterable[Message]) -> None:
        for topic, payload, qos, retain in messages:
            await link.while_connected(link.client.publish(topic, payload, qos=qos, retain=retain))
            self._sent += len(topic.encode()) + len(payload)
            made_progress()

    async def _round_trip(self, link: MqttLink) -> None:
        """Returns when the broker has read all that was sent, and what it sent before is here."""
        # The library has no public ping; this is the smallest request that must be answered.
        await link.while_connected(link.client.unsubscribe(_PING_TOPIC, timeout=self._ping_s))
        self._heard = time.monotonic()

    def _counted(self) -> int:
        sent, self._sent = self._sent, 0
        return sent

    def _receive(self, message: Any) -> None:
        """Called for each message of the broker, in the event loop."""
        refused = self._alarms.receive(
            str(message.topic), bytes(message.payload or b""), is_retained=bool(message.retain)
        )
        if refused:
            self._refused += 1
            self._note("commands", f"{counted(self._refused, 'command')} refused: {refused}")
            # The sender decides how many come: the 1st, 2nd, 4th, 8th … is logged.
            if not self._refused & (self._refused - 1):
                log.warning("sink.command_refused", sink=self.name, why=refused, n=self._refused)

    def _note(self, about: str, sentence: str) -> None:
        """Keeps the newest sentence about this for `andon status`."""
        self._notes[about] = sentence
        self.diagnostics[:] = self._notes.values()

    async def _lost(self, error: Exception) -> SinkUnavailable:
        link = self._link
        if link is not None and link.too_long is not None and not self._is_deaf:
            # A publisher there must not be able to hold up alarms.
            self._is_deaf = True
            self._note("unread", f"{link.why}: nothing is read until a restart")
            log.warning("sink.not_subscribed", sink=self.name, why=link.why)
        await self._disconnect()
        return away(self._options, error, self._counted(), link.why if link else "")

    async def _connected(self) -> MqttLink:
        """The connection, a new one if there is none or it has ended."""
        link = self._link
        # One that the broker closed while nothing was sent, or whose first messages failed.
        if link is not None and (link.ended.done() or link is not self._greeted):
            await self._disconnect()
        if self._link is not None:
            return self._link
        link = await self._connect(self._alarms.begin(time.time_ns()))
        self._heard = time.monotonic()
        await self._subscribe(link)
        await self._publish(link, self._alarms.opening(time.time_ns()))
        self._greeted = link
        return link

    async def _subscribe(self, link: MqttLink) -> None:
        topics = () if self._is_deaf else self._alarms.subscriptions
        for topic, qos in topics:
            answer = await link.while_connected(link.client.subscribe(topic, qos=qos))
            if any(cast("int", getattr(code, "value", code)) >= _REFUSED for code in answer):
                self._note("unread", f"{topic}: {_NOT_ALLOWED}")
                log.warning("sink.not_subscribed", sink=self.name, topic=topic, why=_NOT_ALLOWED)
        if topics:
            await self._round_trip(link)

    async def _connect(self, will: Message | None = None) -> MqttLink:
        self._link = await connect(self._options, self._places, will, self._receive)
        return self._link

    async def _say_good_bye(self) -> None:
        """The last messages, as far as the broker takes them at once."""
        import aiomqtt

        link = self._link
        if link is None or link.ended.done():
            return
        with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
            async with asyncio.timeout(_GOOD_BYE_S):
                await self._publish(link, self._alarms.closing(time.time_ns()))
                await self._round_trip(link)

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
        return Probe(
            ok=True,
            message=f"{self._options.host}:{self._options.resolved_port} accepts the connection",
        )


def _decoded(batch: Sequence[Envelope]) -> tuple[dict[int, Point], list[int]]:
    """The points by their place in the batch, and the places of what is none."""
    points, invalid = dict[int, Point](), list[int]()
    for index, envelope in enumerate(batch):
        try:
            points[index] = decode(envelope.body)
        except ValueError:
            invalid.append(index)
    return points, invalid
