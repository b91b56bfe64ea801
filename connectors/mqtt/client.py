"""A connection that subscribes and does nothing else; the only code that uses aiomqtt.

Promises
- Nothing is published and nothing reconnects: `SourceLost` ends the connection, and `ConfigError`
  names what a person must correct.
- Connecting and subscribing take at most 5 s each; disconnecting takes at most 1 s.
- A silent broker is pinged: if it does not respond, the connection counts as lost, long before its
  keep-alive expires.
- A connection that was not completed is closed too, if necessary in the background: the library
  connects in a thread, which cannot be stopped.
"""

import asyncio
import errno
import logging
import secrets
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.mqtt.connection_errors import (
    WEBSOCKET_PATH,
    closed_early,
    connection_lost,
    connection_refused,
    not_connected,
)
from connectors.mqtt.options import MqttOptions, Tls
from connectors.mqtt.receive_queue import ReceivedMessage, ReceiveQueue
from gateway.api.contracts import AndonError, ConfigError, SourceLost
from gateway.api.model import SECOND

if TYPE_CHECKING:
    import aiomqtt

TIMEOUT_S = 5.0
_DISCONNECT_S = 1.0
_PING_S = 2.5
_PING_TOPIC = "andon/are-you-there"
# Some cloud brokers accept no more topics than this in one request.
_TOPICS_AT_ONCE = 8
_FAILURE = 0x80
_LONGEST = 16 * 1024 * 1024
_CLOSED_EARLY = "closed before the response"
_EARLY_CLOSES = (_CLOSED_EARLY, f"[Errno {errno.ECONNRESET}]", f"[Errno {errno.EPIPE}]")
_closing: set[asyncio.Task[None]] = set()


class Feed:
    """The messages of one connection; `refused` holds the filters that the broker refused."""

    def __init__(self, client: "aiomqtt.Client", queue: ReceiveQueue, options: MqttOptions) -> None:
        self.refused: list[str] = []
        self._client = client
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
        gone: asyncio.Future[None] = self._client._disconnected  # noqa: SLF001 - no public way
        try:
            await asyncio.wait((subscribing, gone), return_when=asyncio.FIRST_COMPLETED)
            if subscribing.done():
                return subscribing.result()
        except aiomqtt.MqttError as error:
            why = f"cannot subscribe: {error}"
            raise connection_lost(*self._end(why), self._options) from error
        finally:
            subscribing.cancel()
        code, reason = self._end("the broker closed the connection")
        topics = ", ".join(topic for topic, _ in requests)
        raise connection_lost(code, f"{reason}, on subscribing to {topics}", self._options)

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
            why = "the broker closed the connection"
            raise connection_lost(*self._end(why), self._options) from error
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
            why = f"no message, and no response within {_PING_S:g}s"
            raise connection_lost(*self._end(why), self._options) from error

    def _end(self, otherwise: str) -> tuple[int, str]:
        """The reason code and text of a connection that ended; 0 and `otherwise` if it has not."""
        disconnected = self._client._disconnected  # noqa: SLF001 - as above
        error = disconnected.exception() if disconnected.done() else None
        return _reason(error) if error else (0, otherwise)

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
    client = _client(client_id, options, queue, config)
    await _connect(client, options)
    try:
        feed = Feed(client, queue, options)
        await feed.subscribe(subscriptions)
        yield feed
    finally:
        await _disconnect(client, _DISCONNECT_S)


def new_client_id(name: str) -> str:
    """A client id that no other client uses."""
    return f"andon-{name}-{secrets.token_hex(4)}"


def _client(
    client_id: str, options: MqttOptions, queue: ReceiveQueue, config: Path
) -> "aiomqtt.Client":
    import aiomqtt

    # All that the library would log is raised here too.
    quiet = logging.getLogger(f"{__name__}.aiomqtt")
    quiet.setLevel(logging.CRITICAL)
    make_queue: Any = lambda **_: queue  # noqa: E731 - the library expects a class here
    return aiomqtt.Client(
        options.host,
        options.resolved_port,
        username=options.username,
        password=options.password.resolve() if options.password else None,
        identifier=client_id,
        transport=options.transport,
        websocket_path=options.path or WEBSOCKET_PATH,
        keepalive=options.keepalive // SECOND,
        tls_context=_context(options.tls, config) if options.tls else None,
        queue_type=make_queue,
        timeout=TIMEOUT_S,
        logger=quiet,
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
    # The library keeps a whole message in memory before its length can be checked.
    properties.MaximumPacketSize = _LONGEST
    version = aiomqtt.ProtocolVersion.V5
    return {"protocol": version, "clean_start": not keeps, "properties": properties}


def _context(tls: Tls, config: Path) -> ssl.SSLContext:
    given = [path for path in (tls.ca, tls.certificate, tls.key) if path]
    try:
        context = ssl.create_default_context(cafile=config / tls.ca if tls.ca else None)
        if tls.certificate and tls.key:
            context.load_cert_chain(config / tls.certificate, config / tls.key)
    except OSError as error:
        raise ConfigError(f"tls: cannot use {', '.join(given)}: {error}") from error
    return context


async def _connect(client: "aiomqtt.Client", options: MqttOptions) -> None:
    import aiomqtt

    where = f"{options.host}:{options.resolved_port}"
    try:
        # The library would look the name up in a thread, without an end or an error of its own.
        await asyncio.get_running_loop().getaddrinfo(options.host, options.resolved_port)
    except OSError as error:
        raise not_connected(str(error), options) from error
    _fail_on_early_close(client)
    entering = asyncio.ensure_future(client.__aenter__())
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.shield(entering)
    except TimeoutError as error:
        raise SourceLost(f"{where}: no connection within {TIMEOUT_S:g}s") from error
    except (aiomqtt.MqttError, ValueError) as error:  # ValueError: a malformed name
        raise _connect_error(error, options, client.identifier) from error
    finally:
        is_open = entering.done() and not entering.cancelled() and entering.exception() is None
        if not is_open:
            leaving = asyncio.create_task(_close_unfinished(client, entering), name="mqtt: closing")
            _closing.add(leaving)
            leaving.add_done_callback(_closing.discard)
            if entering.done():
                await leaving


def _connect_error(error: Exception, options: MqttOptions, client_id: str) -> AndonError:
    where = f"{options.host}:{options.resolved_port}"
    if str(error).startswith(_EARLY_CLOSES):
        return closed_early(where)
    code, reason = _reason(error)
    if not code:
        return not_connected(reason, options)
    return connection_refused(code, reason, options, client_id)


def _fail_on_early_close(client: Any) -> None:
    """Makes a connection that is closed before the broker responds fail at once.

    The library would wait until its time-out.
    """
    import aiomqtt

    original = client._client.on_disconnect  # noqa: SLF001 - there is no public way

    def on_disconnect(*given: Any) -> None:
        if not client._connected.done():  # noqa: SLF001
            client._connected.set_exception(aiomqtt.MqttError(_CLOSED_EARLY))  # noqa: SLF001
        original(*given)

    client._client.on_disconnect = on_disconnect  # noqa: SLF001


async def _close_unfinished(client: "aiomqtt.Client", entering: "asyncio.Future[Any]") -> None:
    await asyncio.wait([entering])
    if not entering.cancelled():
        entering.exception()  # was raised already, or its waiter is gone
    await _disconnect(client, 0.1)


async def _disconnect(client: "aiomqtt.Client", within: float) -> None:
    import aiomqtt

    client.timeout = within
    # A broken or frozen connection cannot be closed cleanly.
    with suppress(aiomqtt.MqttError):
        await client.__aexit__(None, None, None)
