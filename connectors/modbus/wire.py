"""pymodbus clients that return raw responses and decide nothing.

Promises
- Responses are returned as bytes: pymodbus's decoder, a Python loop over all registers that accepts
  wrong lengths, is replaced; so is its RTU framer, which searches for frames in garbage.
- pymodbus does not retry or reconnect.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from connectors.modbus import framing
from connectors.modbus.connection import UNTAGGED, ModbusConnectionOptions
from gateway.api.contracts import ConfigError
from gateway.api.extras import how_to_install
from gateway.api.model import SECOND


@dataclass(slots=True)
class ModbusResponse:
    """One response as received: `pdu` is the function code and all that follows, unchecked.

    `sent` is when its request was sent, by the monotonic clock. The other fields are pymodbus's.
    """

    pdu: bytes
    dev_id: int = 0
    transaction_id: int = 0
    retries: int = 0
    sent: int = 0


class _Uninterpreted:
    """Replaces pymodbus's decoder; it never fails, so no response breaks the connection."""

    def decode(self, frame: bytes) -> ModbusResponse:
        return ModbusResponse(bytes(frame))


class Frames:
    """Replaces pymodbus's framers for RTU and ASCII; `framing` decides what is a response.

    `unexpected` holds bytes that came while no response was expected; `why` says why the last
    bytes were not a response.
    """

    MAX_SIZE = 516

    def __init__(self, parse: framing.FrameParser, make: Callable[[int, bytes], bytes]) -> None:
        self._parse, self._make = parse, make
        self.expected: framing.ExpectedResponse | None = None
        self.last = b""
        self.unexpected = b""
        self.duplicate_came = asyncio.Event()
        self.why = ""

    def buildFrame(self, message: Any) -> bytes:  # noqa: N802 - pymodbus's name
        pdu = bytes((message.function_code,)) + message.encode()
        return self._make(message.dev_id, pdu)

    def handleFrame(self, data: bytes, unit: int, tid: int) -> tuple[int, Any]:  # noqa: N802 - as above
        if self.expected is None:
            self.unexpected = (self.unexpected + data)[-self.MAX_SIZE :]
            if self.last and self.unexpected.endswith(self.last):
                self.duplicate_came.set()
            return len(data), None
        parsed = self._parse(bytes(data), self.expected)
        self.why = parsed.why
        if not parsed.pdu:
            return parsed.used, None
        self.expected = None
        self.last = bytes(data[: parsed.used]).lstrip(b"\0")
        return parsed.used, ModbusResponse(parsed.pdu, unit, tid)

    def clear_unexpected(self) -> None:
        """Discards the bytes that came while no response was expected."""
        self.unexpected = b""
        self.duplicate_came.clear()


def make_client(
    options: ModbusConnectionOptions, config: Path, changed: Callable[[bool], None]
) -> Any:
    """A pymodbus client, not connected; `changed` is called when its connection opens or closes."""
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
                f"a serial port needs pyserial: {how_to_install('serial')}"
            ) from error
    common["port"] = options.tcp_port
    if options.transport == "tls":
        context = _context(options, config)
        return AsyncModbusTlsClient(str(options.host), sslctx=context, **common)
    is_ascii = options.transport == "ascii_over_tcp"
    framer = FramerType.ASCII if is_ascii else FramerType.SOCKET
    return AsyncModbusTcpClient(str(options.host), framer=framer, **common)


def put_frames(client: Any, options: ModbusConnectionOptions) -> Frames | None:
    """Installs our frames for RTU and ASCII; elsewhere pymodbus's framer, returning bytes."""
    from pymodbus.framer import FramerSocket

    frames = None
    if options.transport in UNTAGGED:
        is_ascii = options.transport == "ascii_over_tcp"
        frames = (
            Frames(framing.parse_ascii, framing.ascii_frame)
            if is_ascii
            else Frames(framing.parse_rtu, framing.rtu_frame)
        )
    # pymodbus's own TLS framer ignores the length of a response.
    client.ctx.framer = frames or FramerSocket(cast(Any, _Uninterpreted()))
    return frames


def _context(options: ModbusConnectionOptions, config: Path) -> ssl.SSLContext:
    given = [path for path in (options.ca, options.certificate, options.key) if path]
    try:
        context = ssl.create_default_context(cafile=config / options.ca if options.ca else None)
        if options.certificate and options.key:
            context.load_cert_chain(config / options.certificate, config / options.key)
    except OSError as error:
        raise ConfigError(f"{' or '.join(given)} cannot be used: {error}") from error
    return context
