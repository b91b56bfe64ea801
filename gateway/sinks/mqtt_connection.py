"""Connects the MQTT sink to its broker, and says in words why that is not possible."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from gateway.api.contracts import ConfigError, Places, SinkUnavailable
from gateway.api.model import SECOND
from gateway.api.mqtt_link import MqttLink, quiet_logger
from gateway.sinks.mqtt_errors import DEFAULT_PATH, unavailable
from gateway.sinks.mqtt_messages import Message
from gateway.sinks.mqtt_options import MqttSinkOptions
from gateway.sinks.tls import client_context

_LONGEST_PACKET = 1024 * 1024


class _Inbox(asyncio.Queue[Any]):
    """Hands each message on at once, and keeps none."""

    def __init__(self, take: Any) -> None:
        super().__init__()
        self._take = take

    def put_nowait(self, message: Any) -> None:
        """Hands it over."""
        self._take(message)


def away(
    options: MqttSinkOptions, error: Exception, sent: int = 0, why: str = ""
) -> SinkUnavailable:
    """The error of a connection or a request; `why` if the link knows it better."""
    host, port = options.host, options.resolved_port
    if why:
        return SinkUnavailable(f"{host}:{port}: {why}", sent_bytes=sent)
    return unavailable(error, host, port, options.path, sent)


async def connect(
    options: MqttSinkOptions, places: Places, will: Message | None, take: Callable[[Any], None]
) -> MqttLink:
    """A connection that hands each message of the broker to `take`; SinkUnavailable."""
    import aiomqtt

    try:
        password = await options.password.read() if options.password else None
    except ConfigError as error:
        raise SinkUnavailable(str(error), needs_human=True) from error
    client = aiomqtt.Client(
        options.host,
        options.resolved_port,
        username=options.username,
        password=password,
        tls_context=await client_context(options, places) if options.tls else None,
        transport=options.transport,
        websocket_path=options.path or DEFAULT_PATH,
        timeout=options.timeout / SECOND,
        keepalive=options.keepalive // SECOND,
        queue_type=cast("Any", lambda **_size: _Inbox(take)),
        will=will and aiomqtt.Will(*will),
        logger=quiet_logger(),
    )
    try:
        # The library would look the name up in a thread, without an end or an error of its own.
        await asyncio.get_running_loop().getaddrinfo(options.host, options.resolved_port)
    except OSError as error:
        raise away(options, error) from error
    link = MqttLink(client, _LONGEST_PACKET)
    try:
        await link.connect(options.timeout / SECOND)
    except TimeoutError as error:
        raise away(options, error, why="the broker does not respond") from error
    except (aiomqtt.MqttError, ValueError) as error:  # ValueError: a malformed name
        raise away(options, error, why=link.why) from error
    return link
