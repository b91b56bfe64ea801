"""The only code that touches pymodbus: one connection that can read, and nothing else.

Promises
- There are four reads (function codes 1 to 4) and the reading of a device's identification (43/14);
  no method of this module can write.
- Nothing is retried. After a time-out a connection is never used again (see `bus`), so a late
  answer meets nobody. Where answers carry no number (RTU, ASCII) the unit must prove first that it
  owes none; see `doubts`.
- A connection that the other side closes is noticed at once, also while an answer is awaited.
- Answers with another transaction id or unit id than the request are not taken. pymodbus skips most
  of them by itself, but lets transaction id 0, and any unit for unit 0, pass.
- Answers are handed over as bytes: pymodbus's own decoding, a Python loop over all registers that
  overlooks wrong lengths, is replaced; so are its frames of RTU, which it hunts for in garbage.
"""

import asyncio
import errno
import logging
import secrets
import ssl
import termios
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from connectors.modbus import framing, identification
from connectors.modbus.connection import UNTAGGED, Connection
from connectors.modbus.doubts import Doubts
from connectors.modbus.options import Table
from connectors.modbus.plan import FUNCTIONS, Request
from gateway.contracts import ConfigError, SourceLost
from gateway.model import SECOND
from gateway.options import format_duration


class UnitSilent(SourceLost):
    """One unit gave no answer that is its own; others on the connection may well."""


@dataclass(slots=True)
class Answer:
    """One answer as it came: `pdu` is the function code and all that follows, unchecked.

    `sent` is when its request left, by the monotonic clock. The other fields are pymodbus's.
    """

    pdu: bytes
    dev_id: int = 0
    transaction_id: int = 0
    retries: int = 0
    sent: int = 0


class _Uninterpreted:
    """Takes the place of pymodbus's decoder; it never fails, so no answer kills the connection."""

    def decode(self, frame: bytes) -> Answer:
        return Answer(bytes(frame))


class _Frames:
    """Takes the place of pymodbus's framers of RTU and ASCII; `framing` decides."""

    MAX_SIZE = 516

    def __init__(self, take: framing.Take, make: Callable[[int, bytes], bytes]) -> None:
        self._take, self._make = take, make
        self.expected: framing.Expected | None = None
        self.is_unasked = False
        self.why = ""

    def buildFrame(self, message: Any) -> bytes:  # noqa: N802 - pymodbus's name
        pdu = bytes((message.function_code,)) + message.encode()
        return self._make(message.dev_id, pdu)

    def handleFrame(self, data: bytes, unit: int, tid: int) -> tuple[int, Any]:  # noqa: N802 - as above
        if self.expected is None:
            self.is_unasked = True
            return len(data), None
        taken = self._take(bytes(data), self.expected)
        self.why = taken.why
        if not taken.pdu:
            return taken.used, None
        self.expected = None
        return taken.used, Answer(taken.pdu, unit, tid)


@dataclass(frozen=True, slots=True)
class _Asking:
    """One request: how it is sent, and what its answer must look like."""

    expected: framing.Expected
    ask: Callable[..., Awaitable[Answer]]
    address: int = 0


class ReadOnlyClient:
    """One connection; requests go one after the other. Built, it is not connected yet."""

    def __init__(self, options: Connection, config: Path, doubts: Doubts) -> None:
        _quieten_pymodbus()
        self._options, self._config, self._doubts = options, config, doubts
        self._where = options.where
        self._timeout = format_duration(options.timeout)
        self._refused: Exception | None = None
        self._is_waiting = False
        self._client: Any = None
        self._frames: _Frames | None = None
        self._last: tuple[int, Table | None] | None = None
        self._free_at = 0

    async def connect(self) -> None:
        """SourceLost says why it cannot be done; ConfigError what somebody has to put right."""
        client = self._client = _client(self._options, self._config, self._connection_changed)
        self._frames = _put_frames(client, self._options)
        client.ctx.call_create = self._remembering(client.ctx.call_create)
        if not await client.connect():
            why = self._refused or f"no connection within {self._timeout}"
            raise SourceLost(f"{self._where}: {_in_words(why)}") from self._refused
        # pymodbus counts from 1 on every connection; a gateway that delivers an answer to the
        # connection before this one must not hit the right number.
        client.ctx.next_tid = secrets.randbelow(60_000)
        # A serial port is set up in the loop's next turn, and breaks if it is closed before.
        await asyncio.sleep(0)

    async def close(self) -> None:
        if self._client:
            self._client.close()
        # The transport closes its socket in the loop's next turn.
        await asyncio.sleep(0)

    async def read(self, request: Request) -> Answer:
        """The device's answer, be it an exception.

        UnitSilent if there is none that is ours, SourceLost if the connection is gone: the client
        is then to be closed.
        """
        asking = self._asking(request.table, request.unit, request.address, request.count)
        return await self._settled(request.table, asking)

    async def identify(self, unit: int) -> Answer:
        """What the device says of itself (`identification`), or its refusal; errors as `read`."""
        expected = framing.Expected(unit, identification.FUNCTION)
        ask = partial(self._client.read_device_information, read_code=identification.BASIC)
        return await self._settled(None, _Asking(expected, ask))

    def _asking(self, table: Table, unit: int, address: int, count: int) -> _Asking:
        size = (count + 7) // 8 if FUNCTIONS[table] < 3 else 2 * count
        expected = framing.Expected(unit, FUNCTIONS[table], size)
        return _Asking(
            expected, partial(_reads(self._client)[table], address, count=count), address
        )

    async def _settled(self, table: Table | None, asking: _Asking) -> Answer:
        """Ask, and make sure that what comes answers this and nothing that was asked before."""
        if self._frames is None:
            return await self._ask(asking)
        unit = asking.expected.unit
        await self._settle(self._frames, unit, asking.address)
        self._doubts.asked(unit, table, time.monotonic_ns())
        self._last = unit, table
        answer = await self._ask(asking)
        self._doubts.answered(unit)
        return answer

    async def _settle(self, frames: _Frames, unit: int, address: int) -> None:
        now = time.monotonic_ns()
        if frames.is_unasked and self._last:
            self._doubts.asked(*self._last, now)
        frames.is_unasked = False
        table = self._doubts.proof(unit, now)
        if table:
            await self._ask(self._asking(table, unit, address, 1))
            self._doubts.answered(unit)

    async def _ask(self, asking: _Asking) -> Answer:
        rest = self._free_at - time.monotonic_ns()
        if rest > 0:
            await asyncio.sleep(rest / SECOND)
        unit = asking.expected.unit
        if self._frames:
            self._frames.expected = asking.expected
            self._frames.why = ""
        self._is_waiting = True
        sent = time.monotonic_ns()
        try:
            answer = await asking.ask(device_id=unit)
        except _closed() as error:
            raise SourceLost(f"{self._where}: the other side closed the connection") from error
        except _failed() as error:
            raise UnitSilent(f"{self._where}: {self._silence(unit)}") from error
        finally:
            self._is_waiting = False
            if self._frames:
                self._frames.expected = None
            self._free_at = time.monotonic_ns() + self._options.rest
        self._check_sender(unit, answer)
        answer.sent = sent
        return answer

    def _silence(self, unit: int) -> str:
        why = self._frames.why if self._frames else ""
        return f"no answer from unit {unit} within {self._timeout}" + (f": {why}" if why else "")

    def _check_sender(self, unit: int, answer: Answer) -> None:
        if answer.transaction_id != self._client.ctx.request_transaction_id:
            raise SourceLost(f"{self._where}: an answer to another request arrived")
        if answer.dev_id != unit:
            raise SourceLost(f"{self._where}: unit {answer.dev_id} answered for unit {unit}")

    def _connection_changed(self, is_connected: bool) -> None:
        # pymodbus lets a request on a connection that is gone wait for its time-out.
        waiting = self._client.ctx.response_future
        if not is_connected and self._is_waiting and not waiting.done():
            waiting.set_exception(_closed()("closed by the other side"))

    def _remembering(self, create: Callable[[], Any]) -> Callable[[], Any]:
        # pymodbus logs why a connection failed and returns False.
        async def remembering() -> Any:
            try:
                return await create()
            except OSError as error:
                self._refused = error
                raise
            except termios.error as error:
                # The one error of a serial port that is no OSError.
                if error.args[0] == errno.EINVAL:
                    why = "the port cannot do this baudrate, parity or stopbits"
                    raise ConfigError(f"{self._where}: {why}") from error
                self._refused = OSError(*error.args)
                raise self._refused from error
            except ValueError as error:
                # A rate that the serial port does not have.
                raise ConfigError(f"{self._where}: {error}") from error

        return remembering


def _client(options: Connection, config: Path, changed: Callable[[bool], None]) -> Any:
    from pymodbus import FramerType
    from pymodbus.client import (
        AsyncModbusSerialClient,
        AsyncModbusTcpClient,
        AsyncModbusTlsClient,
    )

    common: dict[str, Any] = {
        "timeout": options.timeout / SECOND,
        "retries": 0,
        "reconnect_delay": 0,
        "trace_connect": changed,
    }
    if options.transport == "rtu":
        common |= {"baudrate": options.baudrate, "stopbits": options.stopbits}
        try:
            return AsyncModbusSerialClient(
                str(options.device), parity=options.parity[0].upper(), **common
            )
        except RuntimeError as error:
            raise ConfigError(
                "a serial port needs pyserial: pip install 'andon[serial]'"
            ) from error
    common["port"] = options.tcp_port
    if options.transport == "tls":
        context = _context(options, config)
        return AsyncModbusTlsClient(str(options.host), sslctx=context, **common)
    is_ascii = options.transport == "ascii_over_tcp"
    framer = FramerType.ASCII if is_ascii else FramerType.SOCKET
    return AsyncModbusTcpClient(str(options.host), framer=framer, **common)


def _put_frames(client: Any, options: Connection) -> _Frames | None:
    """Ours for RTU and ASCII; pymodbus's for the others, made to hand over bytes."""
    from pymodbus.framer import FramerSocket

    frames = None
    if options.transport in UNTAGGED:
        is_ascii = options.transport == "ascii_over_tcp"
        frames = (
            _Frames(framing.take_ascii, framing.ascii_frame)
            if is_ascii
            else _Frames(framing.take_rtu, framing.rtu_frame)
        )
    # pymodbus's own framer of TLS ignores the length of an answer.
    client.ctx.framer = frames or FramerSocket(cast(Any, _Uninterpreted()))
    return frames


def _reads(client: Any) -> dict[Table, Callable[..., Awaitable[Answer]]]:
    return {
        "coil": client.read_coils,
        "discrete": client.read_discrete_inputs,
        "holding": client.read_holding_registers,
        "input": client.read_input_registers,
    }


def _context(options: Connection, config: Path) -> ssl.SSLContext:
    given = [path for path in (options.ca, options.certificate, options.key) if path]
    try:
        context = ssl.create_default_context(cafile=config / options.ca if options.ca else None)
        if options.certificate and options.key:
            context.load_cert_chain(config / options.certificate, config / options.key)
    except OSError as error:
        raise ConfigError(f"{' or '.join(given)} cannot be used: {error}") from error
    return context


def _closed() -> type[Exception]:
    """The exception of a connection that is gone; imported no sooner than a line needs it."""
    from pymodbus.exceptions import ConnectionException

    return ConnectionException


def _failed() -> type[Exception]:
    from pymodbus.exceptions import ModbusException

    return ModbusException


def _in_words(why: Exception | str) -> str:
    if isinstance(why, ConnectionRefusedError):
        return "connection refused"
    return str(why)


def _quieten_pymodbus() -> None:
    """Everything that it would log is raised here as well; a level that somebody set stays."""
    log = logging.getLogger("pymodbus.logging")
    if log.level == logging.NOTSET:
        log.setLevel(logging.CRITICAL)
