"""The only code that touches aiomqtt: one connection that subscribes, and nothing else.

Promises
- Nothing is published and nothing reconnects: `SourceLost` ends the connection.
- Connecting and subscribing take 5 s each at most; leaving takes 1 s at most.
- A connection that could not be finished is closed as well, be it in the background: the library
  connects in a thread, which cannot be stopped.
"""

import asyncio
import logging
import secrets
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.mqtt.mailbox import Arrival, Mailbox
from connectors.mqtt.options import MqttOptions, Tls
from gateway.contracts import ConfigError, SourceLost
from gateway.model import SECOND

if TYPE_CHECKING:
    import aiomqtt

TIMEOUT_S = 5.0
_LEAVE_S = 1.0
# Some brokers in the cloud take no more topics than this in one request.
_TOPICS_AT_ONCE = 8
_FAILURE = 0x80
_leaving: set[asyncio.Task[None]] = set()


class Feed:
    """The messages of one connection; `refused` are the topics that the broker does not give."""

    def __init__(self, client: "aiomqtt.Client", mailbox: Mailbox, where: str) -> None:
        self.refused: set[str] = set()
        self._client = client
        self._mailbox = mailbox
        self._where = where

    async def subscribe(self, topics: Sequence[str], qos: int) -> None:
        """SourceLost if the broker does not answer."""
        import aiomqtt

        for start in range(0, len(topics), _TOPICS_AT_ONCE):
            some = topics[start : start + _TOPICS_AT_ONCE]
            try:
                answers: Any = await self._client.subscribe([(topic, qos) for topic in some])
            except aiomqtt.MqttError as error:
                raise SourceLost(f"{self._where}: cannot subscribe: {error}") from error
            codes = (getattr(answer, "value", answer) for answer in answers)
            self.refused.update(
                topic for topic, code in zip(some, codes, strict=True) if code >= _FAILURE
            )

    async def arrivals(self) -> list[Arrival]:
        """What has come, at least one; waits for it. SourceLost if the connection ends."""
        import aiomqtt

        try:
            first: Any = await anext(self._client.messages)
        except aiomqtt.MqttError as error:
            why = error.__cause__ or "the broker closed the connection"
            raise SourceLost(f"{self._where}: {why}") from error
        return self._mailbox.rest(first)

    def take_lost(self) -> int:
        """Samples that came too fast and were dropped since the last time this was asked."""
        return self._mailbox.take_lost()


@asynccontextmanager
async def subscribed(
    name: str, options: MqttOptions, tags_of: Mapping[str, int], config: Path
) -> AsyncIterator[Feed]:
    """A connection that is subscribed to the topics of `tags_of`; SourceLost on entry."""
    where = f"{options.host}:{options.resolved_port}"
    mailbox = Mailbox(tags_of)
    try:
        client = _client(name, options, mailbox, config)
    except ConfigError as error:
        raise SourceLost(f"{where}: {error}") from error
    await _connect(client, where)
    try:
        feed = Feed(client, mailbox, where)
        await feed.subscribe(list(tags_of), options.qos)
        yield feed
    finally:
        await _leave(client, _LEAVE_S)


def _client(name: str, options: MqttOptions, mailbox: Mailbox, config: Path) -> "aiomqtt.Client":
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
        identifier=options.client_id or f"andon-{name}-{secrets.token_hex(4)}",
        keepalive=options.keepalive // SECOND,
        tls_context=_context(options.tls, config) if options.tls else None,
        queue_type=make_queue,
        timeout=TIMEOUT_S,
        logger=quiet,
    )


def _context(tls: Tls, config: Path) -> ssl.SSLContext:
    given = [path for path in (tls.ca, tls.certificate, tls.key) if path]
    try:
        context = ssl.create_default_context(cafile=config / tls.ca if tls.ca else None)
        if tls.certificate and tls.key:
            context.load_cert_chain(config / tls.certificate, config / tls.key)
    except OSError as error:
        raise ConfigError(f"tls cannot use {', '.join(given)}: {error}") from error
    return context


async def _connect(client: "aiomqtt.Client", where: str) -> None:
    import aiomqtt

    entering = asyncio.ensure_future(client.__aenter__())
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.shield(entering)
    except TimeoutError as error:
        raise SourceLost(f"{where}: no connection within {TIMEOUT_S:g}s") from error
    except (aiomqtt.MqttError, ValueError) as error:  # ValueError: a name that cannot be one
        raise SourceLost(f"{where}: {error}") from error
    finally:
        is_open = entering.done() and not entering.cancelled() and entering.exception() is None
        if not is_open:
            leaving = asyncio.create_task(_abandon(client, entering), name="mqtt: closing")
            _leaving.add(leaving)
            leaving.add_done_callback(_leaving.discard)
            if entering.done():
                await leaving


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
