"""A connection that subscribes and does nothing else.

Promises
- Nothing is published and nothing reconnects: `SourceLost` ends the connection, and `ConfigError`
  names what a person must correct.
- Connecting and subscribing take at most 5 s each; disconnecting takes at most 1 s.
- A silent broker is pinged: if it does not respond, the connection counts as lost, long before its
  keep-alive expires.
- What the broker may send is bounded, see `gateway.api.mqtt_packets`. A message that is too long
  ends the connection with a `TooLong`, because MQTT 3.1.1 has no way to refuse it.
"""

import asyncio
import errno
import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.mqtt.connection_errors import (
    WEBSOCKET_PATH,
    closed_early,
    connection_lost,
    connection_refused,
    not_connected,
    not_read,
)
from connectors.mqtt.options import MqttOptions
from connectors.mqtt.receive_queue import ReceivedMessage, ReceiveQueue
from gateway.api.contracts import AndonError, SourceLost
from gateway.api.model import SECOND
from gateway.api.mqtt_link import CLOSED_EARLY, MqttLink, quiet_logger
from gateway.api.tls import client_context

if TYPE_CHECKING:
    import aiomqtt

TIMEOUT_S = 5.0
_PING_S = 2.5
_PING_TOPIC = "andon/are-you-there"
# Some cloud brokers accept no more topics than this in one request.
_TOPICS_AT_ONCE = 8
_FAILURE = 0x80
_MOST_AT_ONCE = 1_000
"""Messages of QoS 1 and 2 that a broker may send before we acknowledge the first of them."""
_EARLY_CLOSES = (CLOSED_EARLY, f"[Errno {errno.ECONNRESET}]", f"[Errno {errno.EPIPE}]")


class Feed:
    """The messages of one connection; `refused` holds the filters that the broker refused."""

    def __init__(self, link: MqttLink, queue: ReceiveQueue, options: MqttOptions) -> None:
        self.refused: list[str] = []
        self._link, self._client = link, link.client
        self._queue = queue
        self._options = options

    async def subscribe(self, subscriptions: Mapping[str, int]) -> None:
        """Subscribes to these filters, each with its QoS; SourceLost without a response."""
        requested = list(subscriptions.items())
        for start in range(0, len(requested), _TOPICS_AT_ONCE):
            some = requested[start : start + _TOPICS_AT_ONCE]
            results: Any = await self._subscribed(_requests(some, self._options))
            codes = (getattr(result, "value", result) for result in results)
            self.refused += [
                topic for (topic, _), code in zip(some, codes, strict=True) if code >= _FAILURE
            ]

    async def _subscribed(self, requests: list[tuple[str, Any]]) -> Any:
        """The broker's results. Some brokers close the connection instead of refusing a topic."""
        import aiomqtt

        subscribing = asyncio.ensure_future(self._client.subscribe(requests))
        try:
            await asyncio.wait((subscribing, self._link.ended), return_when=asyncio.FIRST_COMPLETED)
            if subscribing.done():
                return subscribing.result()
        except aiomqtt.MqttError as error:
            raise self._lost(f"cannot subscribe: {error}") from error
        finally:
            subscribing.cancel()
        topics = ", ".join(topic for topic, _ in requests)
        raise self._lost("the broker closed the connection", f", on subscribing to {topics}")

    async def messages(self, silence: float | None = None) -> list[ReceivedMessage]:
        """Waits for at least one message; returns all that came. SourceLost if the connection ends.

        After each `silence` in s without a message the broker is pinged.
        """
        import aiomqtt

        coming: asyncio.Future[Any] = asyncio.ensure_future(anext(self._client.messages))
        try:
            while not (await asyncio.wait([coming], timeout=silence))[0]:
                await self._ping(coming)
            first = coming.result()
        except aiomqtt.MqttError as error:
            raise self._lost("the broker closed the connection") from error
        finally:
            coming.cancel()
        return self._queue.batch(first)

    async def _ping(self, coming: "asyncio.Future[Any]") -> None:
        """A round trip that changes nothing; ends early if a message comes."""
        # The library has no public ping; this is the smallest request that a broker must answer.
        pinging = asyncio.ensure_future(self._client.unsubscribe(_PING_TOPIC, timeout=_PING_S))
        try:
            await asyncio.wait((pinging, coming), return_when=asyncio.FIRST_COMPLETED)
        finally:
            pinging.cancel()
        error = pinging.exception() if pinging.done() else None
        if error is not None and not coming.done():
            raise self._lost(f"no message, and no response within {_PING_S:g}s") from error

    def _lost(self, otherwise: str, when: str = "") -> SourceLost:
        """The error of a connection that ended; `otherwise` says why if nothing better is known."""
        if self._link.why:
            return not_read(self._link.why, self._link.too_long, self._options)
        ended = self._link.ended
        error = ended.exception() if ended.done() else None
        code, reason = _reason(error) if error else (0, otherwise)
        return connection_lost(code, reason + when, self._options)

    def take_lost(self) -> int:
        """Samples that came too fast and were dropped since the previous call."""
        return self._queue.take_lost()


def _requests(some: list[tuple[str, int]], options: MqttOptions) -> list[tuple[str, Any]]:
    if options.protocol == "3.1.1":
        return list(some)
    from paho.mqtt.subscribeoptions import SubscribeOptions

    return [(topic, SubscribeOptions(qos=qos)) for topic, qos in some]


def _reason(error: BaseException) -> tuple[int, str]:
    """The MQTT 5 reason code and its name; 0 and the error's text if it has none."""
    reason = getattr(error, "rc", None)
    code = getattr(reason, "value", None)
    return (code, str(reason)) if isinstance(code, int) else (0, str(error))


@asynccontextmanager
async def subscribed(
    client_id: str,
    options: MqttOptions,
    subscriptions: Mapping[str, int],
    queue: ReceiveQueue,
    config: Path,
) -> AsyncIterator[Feed]:
    """A connection subscribed to these filters; SourceLost or ConfigError on entry."""
    client = await _client(client_id, options, queue, config)
    link = MqttLink(client, options.longest_packet)
    await _connect(link, options)
    try:
        feed = Feed(link, queue, options)
        await feed.subscribe(subscriptions)
        yield feed
    finally:
        await link.disconnect()


def new_client_id(name: str) -> str:
    """A client id that no other client uses."""
    return f"andon-{name}-{secrets.token_hex(4)}"


async def _client(
    client_id: str, options: MqttOptions, queue: ReceiveQueue, config: Path
) -> "aiomqtt.Client":
    import aiomqtt

    make_queue: Any = lambda **_: queue  # noqa: E731 - the library expects a class here
    return aiomqtt.Client(
        options.host,
        options.resolved_port,
        username=options.username,
        password=await options.password.read() if options.password else None,
        identifier=client_id,
        transport=options.transport,
        websocket_path=options.path or WEBSOCKET_PATH,
        keepalive=options.keepalive // SECOND,
        tls_context=await client_context(options.tls, config) if options.tls else None,
        queue_type=make_queue,
        timeout=TIMEOUT_S,
        logger=quiet_logger(),
        # Bytes not acknowledged by then, at the latest those of a ping, were not received.
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(TIMEOUT_S * 1000))],
        **_session(options),
    )


def _session(options: MqttOptions) -> dict[str, Any]:
    """The settings, by protocol version, of a session that outlives its connection or not."""
    import aiomqtt

    keeps = options.session_expiry is not None
    if options.protocol == "3.1.1":
        return {"clean_session": not keeps}
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = (options.session_expiry or 0) // SECOND
    # A broker that heeds it drops what is longer, and says nothing.
    properties.MaximumPacketSize = options.longest_packet
    properties.ReceiveMaximum = _MOST_AT_ONCE
    version = aiomqtt.ProtocolVersion.V5
    return {"protocol": version, "clean_start": not keeps, "properties": properties}


async def _connect(link: MqttLink, options: MqttOptions) -> None:
    import aiomqtt

    where = f"{options.host}:{options.resolved_port}"
    try:
        # The library would look the name up in a thread, without an end or an error of its own.
        await asyncio.get_running_loop().getaddrinfo(options.host, options.resolved_port)
    except OSError as error:
        raise not_connected(str(error), options) from error
    try:
        await link.connect(TIMEOUT_S)
    except TimeoutError as error:
        raise SourceLost(f"{where}: no connection within {TIMEOUT_S:g}s") from error
    except (aiomqtt.MqttError, ValueError) as error:  # ValueError: a malformed name
        if link.why:
            raise not_read(link.why, link.too_long, options) from error
        raise _connect_error(error, options, link.client.identifier) from error


def _connect_error(error: Exception, options: MqttOptions, client_id: str) -> AndonError:
    where = f"{options.host}:{options.resolved_port}"
    if str(error).startswith(_EARLY_CLOSES):
        return closed_early(where)
    code, reason = _reason(error)
    if not code:
        return not_connected(reason, options)
    return connection_refused(code, reason, options, client_id)
