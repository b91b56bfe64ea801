"""The only code that touches aiomqtt: one connection that subscribes, and nothing else.

Promises
- Nothing is published and nothing reconnects: `SourceLost` ends the connection, and `ConfigError`
  says what only a human can put right.
- Connecting and subscribing take 5 s each at most; leaving takes 1 s at most.
- Silence is asked: a broker that sends nothing has to answer, or the connection counts as dead
  long before its keep-alive says so.
- A connection that could not be finished is closed as well, be it in the background: the library
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

from connectors.mqtt.mailbox import Arrival, Mailbox
from connectors.mqtt.options import MqttOptions, Tls
from connectors.mqtt.refusals import ended, refusal, turned_away
from gateway.api.contracts import AndonError, ConfigError, SourceLost
from gateway.api.model import SECOND

if TYPE_CHECKING:
    import aiomqtt

TIMEOUT_S = 5.0
_LEAVE_S = 1.0
_ANSWER_S = 2.5
_NEVER_SUBSCRIBED = "andon/are-you-there"
# Some brokers in the cloud take no more topics than this in one request.
_TOPICS_AT_ONCE = 8
_FAILURE = 0x80
_LONGEST = 16 * 1024 * 1024
_HUNG_UP = "closed before the answer"
_HANG_UPS = (_HUNG_UP, f"[Errno {errno.ECONNRESET}]", f"[Errno {errno.EPIPE}]")
_leaving: set[asyncio.Task[None]] = set()


class Feed:
    """The messages of one connection; `refused` are the filters that the broker does not grant."""

    def __init__(self, client: "aiomqtt.Client", mailbox: Mailbox, options: MqttOptions) -> None:
        self.refused: list[str] = []
        self._client = client
        self._mailbox = mailbox
        self._options = options

    async def subscribe(self, subscriptions: Mapping[str, int]) -> None:
        """Ask for these filters, each with its QoS; SourceLost if the broker does not answer."""
        asked = list(subscriptions.items())
        for start in range(0, len(asked), _TOPICS_AT_ONCE):
            some = asked[start : start + _TOPICS_AT_ONCE]
            answers: Any = await self._subscribed(_as_wanted(some, self._options))
            codes = (getattr(answer, "value", answer) for answer in answers)
            self.refused += [
                topic for (topic, _), code in zip(some, codes, strict=True) if code >= _FAILURE
            ]

    async def _subscribed(self, wanted: list[tuple[str, Any]]) -> Any:
        """The broker's answers. Some brokers hang up on whoever asks for what he may not have."""
        import aiomqtt

        asking = asyncio.ensure_future(self._client.subscribe(wanted))
        gone: asyncio.Future[None] = self._client._disconnected  # noqa: SLF001 - told nowhere else
        try:
            await asyncio.wait((asking, gone), return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                return asking.result()
        except aiomqtt.MqttError as error:
            raise ended(*self._end(f"cannot subscribe: {error}"), self._options) from error
        finally:
            asking.cancel()
        code, said = self._end("the broker closed the connection")
        topics = ", ".join(topic for topic, _ in wanted)
        raise ended(code, f"{said}, when asked for {topics}", self._options)

    async def arrivals(self, silence: float | None = None) -> list[Arrival]:
        """What has come, at least one; waits for it. SourceLost if the connection ends.

        After each `silence` in s without a message the broker is asked whether it is there.
        """
        import aiomqtt

        coming: asyncio.Future[Any] = asyncio.ensure_future(anext(self._client.messages))
        try:
            while not (await asyncio.wait([coming], timeout=silence))[0]:
                await self._ask(coming)
            first = coming.result()
        except aiomqtt.MqttError as error:
            raise ended(*self._end("the broker closed the connection"), self._options) from error
        finally:
            coming.cancel()
        return self._mailbox.rest(first)

    async def _ask(self, coming: "asyncio.Future[Any]") -> None:
        """A round trip that changes nothing, unless a message comes first."""
        # The library keeps its pings to itself; this is the least that a broker has to answer.
        asking = asyncio.ensure_future(
            self._client.unsubscribe(_NEVER_SUBSCRIBED, timeout=_ANSWER_S)
        )
        try:
            await asyncio.wait((asking, coming), return_when=asyncio.FIRST_COMPLETED)
        finally:
            asking.cancel()
        error = asking.exception() if asking.done() else None
        if error is not None and not coming.done():
            why = f"nothing came, and no answer within {_ANSWER_S:g}s"
            raise ended(*self._end(why), self._options) from error

    def _end(self, otherwise: str) -> tuple[int, str]:
        """The reason code and words with which the connection ended, if it has."""
        disconnected = self._client._disconnected  # noqa: SLF001 - as above
        error = disconnected.exception() if disconnected.done() else None
        return _reason(error) if error else (0, otherwise)

    def take_lost(self) -> int:
        """Samples that came too fast and were dropped since the last time this was asked."""
        return self._mailbox.take_lost()


def _as_wanted(some: list[tuple[str, int]], options: MqttOptions) -> list[tuple[str, Any]]:
    if options.protocol == "3.1.1":
        return list(some)
    from paho.mqtt.subscribeoptions import SubscribeOptions

    return [(topic, SubscribeOptions(qos=qos)) for topic, qos in some]


def _reason(error: BaseException) -> tuple[int, str]:
    """The reason code of MQTT 5 and its name; 0 and the error's own words if it has none."""
    reason = getattr(error, "rc", None)
    code = getattr(reason, "value", None)
    return (code, str(reason)) if isinstance(code, int) else (0, str(error))


@asynccontextmanager
async def subscribed(
    client_id: str,
    options: MqttOptions,
    subscriptions: Mapping[str, int],
    mailbox: Mailbox,
    config: Path,
) -> AsyncIterator[Feed]:
    """A connection that is subscribed to these filters; SourceLost or ConfigError on entry."""
    client = _client(client_id, options, mailbox, config)
    await _connect(client, options)
    try:
        feed = Feed(client, mailbox, options)
        await feed.subscribe(subscriptions)
        yield feed
    finally:
        await _leave(client, _LEAVE_S)


def new_client_id(name: str) -> str:
    """One that nobody else uses."""
    return f"andon-{name}-{secrets.token_hex(4)}"


def _client(
    client_id: str, options: MqttOptions, mailbox: Mailbox, config: Path
) -> "aiomqtt.Client":
    import aiomqtt

    # What the library would log is raised here as well.
    quiet = logging.getLogger(f"{__name__}.aiomqtt")
    quiet.setLevel(logging.CRITICAL)
    make_queue: Any = lambda **_: mailbox  # noqa: E731 - stands where the library wants a class
    return aiomqtt.Client(
        options.host,
        options.resolved_port,
        username=options.username,
        password=options.password.resolve() if options.password else None,
        identifier=client_id,
        keepalive=options.keepalive // SECOND,
        tls_context=_context(options.tls, config) if options.tls else None,
        queue_type=make_queue,
        timeout=TIMEOUT_S,
        logger=quiet,
        # What was sent and is not acknowledged by then, a ping at the latest, was not received.
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(TIMEOUT_S * 1000))],
        **_session(options),
    )


def _session(options: MqttOptions) -> dict[str, Any]:
    """How each version of the protocol says whether the session outlives the connection."""
    import aiomqtt

    keeps = options.session_expiry is not None
    if options.protocol == "3.1.1":
        return {"clean_session": not keeps}
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = (options.session_expiry or 0) // SECOND
    # The library holds a message in memory before anybody can say that it is too long.
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
        raise ConfigError(f"tls cannot use {', '.join(given)}: {error}") from error
    return context


async def _connect(client: "aiomqtt.Client", options: MqttOptions) -> None:
    import aiomqtt

    where = f"{options.host}:{options.resolved_port}"
    _notice_hang_up(client)
    entering = asyncio.ensure_future(client.__aenter__())
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.shield(entering)
    except TimeoutError as error:
        raise SourceLost(f"{where}: no connection within {TIMEOUT_S:g}s") from error
    except (aiomqtt.MqttError, ValueError) as error:  # ValueError: a name that cannot be one
        raise _refused(error, options, client.identifier) from error
    finally:
        is_open = entering.done() and not entering.cancelled() and entering.exception() is None
        if not is_open:
            leaving = asyncio.create_task(_abandon(client, entering), name="mqtt: closing")
            _leaving.add(leaving)
            leaving.add_done_callback(_leaving.discard)
            if entering.done():
                await leaving


def _refused(error: Exception, options: MqttOptions, client_id: str) -> AndonError:
    where = f"{options.host}:{options.resolved_port}"
    if str(error).startswith(_HANG_UPS):
        return turned_away(where)
    code, said = _reason(error)
    return refusal(code, said, options, client_id) if code else SourceLost(f"{where}: {said}")


def _notice_hang_up(client: Any) -> None:
    """Let a connection that is closed before the broker's answer fail at once.

    The library waits for the answer until its time is up.
    """
    import aiomqtt

    told = client._client.on_disconnect  # noqa: SLF001 - there is no other way to hear of it

    def tell(*given: Any) -> None:
        if not client._connected.done():  # noqa: SLF001
            client._connected.set_exception(aiomqtt.MqttError(_HUNG_UP))  # noqa: SLF001
        told(*given)

    client._client.on_disconnect = tell  # noqa: SLF001


async def _abandon(client: "aiomqtt.Client", entering: "asyncio.Future[Any]") -> None:
    await asyncio.wait([entering])
    if not entering.cancelled():
        entering.exception()  # has been told already, or nobody waits for it any more
    await _leave(client, 0.1)


async def _leave(client: "aiomqtt.Client", within: float) -> None:
    import aiomqtt

    client.timeout = within
    # A link that is gone already, or frozen, cannot be left politely.
    with suppress(aiomqtt.MqttError):
        await client.__aexit__(None, None, None)
