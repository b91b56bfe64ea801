"""pymodbus's clients, made so that they hand over what came and decide nothing.

Promises
- Answers are handed over as bytes: pymodbus's own decoding, a Python loop over all registers that
  overlooks wrong lengths, is replaced; so are its frames of RTU, which it hunts for in garbage.
- pymodbus retries nothing and reconnects to nobody.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from connectors.modbus import framing
from connectors.modbus.connection import UNTAGGED, Connection
from gateway.api.contracts import ConfigError
from gateway.api.model import SECOND


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


class Frames:
    """Takes the place of pymodbus's framers of RTU and ASCII; `framing` decides."""

    MAX_SIZE = 516

    def __init__(self, take: framing.Take, make: Callable[[int, bytes], bytes]) -> None:
        self._take, self._make = take, make
        self.expected: framing.Expected | None = None
        self.last = b""
        self.unasked = b""
        self.came_twice = asyncio.Event()
        self.why = ""

    def buildFrame(self, message: Any) -> bytes:  # noqa: N802 - pymodbus's name
        pdu = bytes((message.function_code,)) + message.encode()
        return self._make(message.dev_id, pdu)

    def handleFrame(self, data: bytes, unit: int, tid: int) -> tuple[int, Any]:  # noqa: N802 - as above
        if self.expected is None:
            self.unasked = (self.unasked + data)[-self.MAX_SIZE :]
            if self.last and self.unasked.endswith(self.last):
                self.came_twice.set()
            return len(data), None
        taken = self._take(bytes(data), self.expected)
        self.why = taken.why
        if not taken.pdu:
            return taken.used, None
        self.expected = None
        self.last = bytes(data[: taken.used]).lstrip(b"\0")
        return taken.used, Answer(taken.pdu, unit, tid)

    def forget(self) -> None:
        """What came unasked until now has been looked at."""
        self.unasked = b""
        self.came_twice.clear()


def make_client(options: Connection, config: Path, changed: Callable[[bool], None]) -> Any:
    """Pymodbus's client of that transport, not connected; `changed` hears of its connection."""
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


def put_frames(client: Any, options: Connection) -> Frames | None:
    """Ours for RTU and ASCII; pymodbus's for the others, made to hand over bytes."""
    from pymodbus.framer import FramerSocket

    frames = None
    if options.transport in UNTAGGED:
        is_ascii = options.transport == "ascii_over_tcp"
        frames = (
            Frames(framing.take_ascii, framing.ascii_frame)
            if is_ascii
            else Frames(framing.take_rtu, framing.rtu_frame)
        )
    # pymodbus's own framer of TLS ignores the length of an answer.
    client.ctx.framer = frames or FramerSocket(cast(Any, _Uninterpreted()))
    return frames


def _context(options: Connection, config: Path) -> ssl.SSLContext:
    given = [path for path in (options.ca, options.certificate, options.key) if path]
    try:
        context = ssl.create_default_context(cafile=config / options.ca if options.ca else None)
        if options.certificate and options.key:
            context.load_cert_chain(config / options.certificate, config / options.key)
    except OSError as error:
        raise ConfigError(f"{' or '.join(given)} cannot be used: {error}") from error
    return context
