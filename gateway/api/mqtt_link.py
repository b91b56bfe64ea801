"""A connection to a broker, opened and closed within bounds; for the sources and sinks of MQTT.

Promises
- Connecting ends within the time that it is given, also where a broker lets the handshake of TLS or
  of a websocket drip; disconnecting takes at most 1 s.
- Whatever a connection ended by, its socket is closed and no thread is left with it: the library
  leaves both behind where the broker does not keep to the protocol.
- What the broker may send is bounded, see `mqtt_packets`.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast

from gateway.api.mqtt_packets import PacketGuard

if TYPE_CHECKING:
    import aiomqtt

CLOSED_EARLY = "closed before the response"
LOST = "the connection to the broker was lost"
T = TypeVar("T")
_DISCONNECT_S = 1.0
_closing: set[asyncio.Task[None]] = set()


def quiet_logger() -> logging.Logger:
    """For aiomqtt: what it would log is raised too, or comes as often as a broker likes."""
    logger = logging.getLogger(f"{__name__}.aiomqtt")
    logger.setLevel(logging.CRITICAL + 1)
    return logger


class MqttLink:
    """One connection of an aiomqtt client that reads packets of at most `most` bytes."""

    def __init__(self, client: "aiomqtt.Client", most: int) -> None:
        self.client = client
        # None of what follows has a public way.
        self._paho = cast("Any", client._client)  # noqa: SLF001
        self._guard = PacketGuard(self._paho, most)
        self._made: socket.socket | None = None
        self._twin: socket.socket | None = None
        self._entering: asyncio.Future[Any] | None = None
        self._connect_socket = self._paho._create_socket_connection  # noqa: SLF001
        self._paho._create_socket_connection = self._create_socket  # noqa: SLF001
        self._loop = asyncio.get_running_loop()
        self._paho.on_socket_register_write = self._register_write
        self._fail_on_early_close()

    @property
    def why(self) -> str:
        """What the broker did that ended the connection, in words; empty if it did not."""
        return self._guard.why

    @property
    def too_long(self) -> str | None:
        """The topic of a message that ended the connection by its length, empty if not known."""
        return self._guard.too_long

    @property
    def ended(self) -> "asyncio.Future[None]":
        """Done when the connection has ended, with its error if there is one."""
        return self.client._disconnected  # noqa: SLF001 - there is no public way

    async def connect(self, within: float) -> None:
        """MqttError, ValueError (a malformed name), or TimeoutError after `within` s."""
        import aiomqtt

        self._entering = asyncio.ensure_future(self.client.__aenter__())
        try:
            async with asyncio.timeout(within):
                await asyncio.shield(self._entering)
        except (aiomqtt.MqttError, TimeoutError):
            raise
        except Exception as error:
            # The library trusts what a websocket's other side writes.
            if isinstance(error, ValueError) and not isinstance(error, UnicodeDecodeError):
                raise
            raise aiomqtt.MqttError("the websocket's handshake is malformed") from error
        finally:
            self._let_go(is_open=self._is_open())
            if not self._is_open():
                leaving = asyncio.create_task(self._close_unfinished(), name="mqtt: closing")
                _closing.add(leaving)
                leaving.add_done_callback(_closing.discard)
                if self._entering.done():
                    await leaving
        if self._paho.socket() is None:
            # It was accepted and ended in one go, which the library forgets.
            raise aiomqtt.MqttError(self.why or CLOSED_EARLY)

    async def while_connected(self, calling: Awaitable[T]) -> T:
        """The result of a call of the client; MqttError at once when the connection ends.

        The library would wait for the answer until its time-out.
        """
        import aiomqtt

        call = asyncio.ensure_future(calling)
        try:
            await asyncio.wait((call, self.ended), return_when=asyncio.FIRST_COMPLETED)
            if call.done():
                return call.result()
        finally:
            call.cancel()
        error = self.ended.exception()
        raise error if isinstance(error, aiomqtt.MqttError) else aiomqtt.MqttError(LOST)

    async def disconnect(self, within: float = _DISCONNECT_S) -> None:
        """Says good-bye if the broker listens, and closes the socket in any case."""
        import aiomqtt

        self.client.timeout = min(self.client.timeout, within)
        # A broken or frozen connection cannot be closed cleanly.
        with suppress(aiomqtt.MqttError):
            await self.client.__aexit__(None, None, None)
        self._paho._sock_close()  # noqa: SLF001 - the library leaves it open after an error
        self._heed_end()

    def _heed_end(self) -> None:
        """Its error is reported by whoever asks for it, or is of no interest any more."""
        if self.ended.done() and not self.ended.cancelled():
            self.ended.exception()

    def _is_open(self) -> bool:
        done = self._entering
        is_entered = done and done.done() and not done.cancelled() and done.exception() is None
        return bool(is_entered) and self._paho.socket() is not None

    def _register_write(self, _paho: Any, _userdata: Any, sock: Any) -> None:
        """Called in any thread; the library would register a socket that is closed by then."""
        self._loop.call_soon_threadsafe(self._add_writer, sock)

    def _add_writer(self, sock: Any) -> None:
        if self._paho.socket() is sock and self._paho.want_write():
            self._loop.add_writer(sock.fileno(), self._write)

    def _write(self) -> None:
        try:
            self._paho.loop_write()
        except Exception as error:  # noqa: BLE001 - as the library does it: the connection broke
            if not self.ended.done():
                self.ended.set_exception(error)

    def _create_socket(self) -> socket.socket:
        """The library's socket; a twin of it can end a handshake that the library waits for."""
        made: socket.socket = self._connect_socket()
        self._made, self._twin = made, made.dup()
        return made

    def _let_go(self, *, is_open: bool) -> None:
        twin, self._twin = self._twin, None
        if twin is None:
            return
        if not is_open:
            with suppress(OSError):
                twin.shutdown(socket.SHUT_RDWR)
        twin.close()

    async def _close_unfinished(self) -> None:
        assert self._entering is not None  # noqa: S101 - set by `connect`
        while not (await asyncio.wait([self._entering], timeout=0.1))[0]:
            self._let_go(is_open=False)  # a name that was resolved late, say
        self._let_go(is_open=self._is_open())
        if not self._entering.cancelled():
            self._entering.exception()  # was raised already, or its waiter is gone
        await self.disconnect(0.1)
        if self._made is not None:
            self._made.close()  # the library drops it when a handshake fails

    def _fail_on_early_close(self) -> None:
        """Makes a connection that is closed before the broker responds fail at once.

        The library would wait until its time-out.
        """
        import aiomqtt

        original, client = self._paho.on_disconnect, self.client

        def on_disconnect(*given: Any) -> None:
            if not client._connected.done():  # noqa: SLF001
                error = aiomqtt.MqttError(self.why or CLOSED_EARLY)
                client._connected.set_exception(error)  # noqa: SLF001
            # After a time-out the library would ask for the outcome that was given up.
            if not client._connected.cancelled():  # noqa: SLF001
                original(*given)
            self._heed_end()

        self._paho.on_disconnect = on_disconnect
