"""pymodbus clients that return raw responses and decide nothing.

Promises
- Responses are returned as bytes: pymodbus's decoder, a Python loop over all registers that accepts
  wrong lengths, is replaced; so are its framers, which search for frames in garbage and say nothing
  of what they skip.
- pymodbus does not retry or reconnect.
"""

import asyncio
from collections.abc import Callable, Container
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from connectors.modbus import framing
from connectors.modbus.ascii_frames import parse_ascii
from connectors.modbus.connection import UNTAGGED, ModbusConnectionOptions
from connectors.modbus.rtu_frames import parse_rtu
from connectors.modbus.tcp_frames import parse_tcp
from connectors.modbus.tolerance import Deviation, Tolerance
from gateway.api.contracts import ConfigError
from gateway.api.extras import how_to_install
from gateway.api.model import SECOND
from gateway.api.tls import client_context


@dataclass(slots=True)
class ModbusResponse:
    """One response as received: `pdu` is the function code and all that follows, unchecked.

    `sent` is when its request was sent, by the monotonic clock. `why` says what is wrong with its
    frame, and `option` what `tolerate` would have to name. The other fields are pymodbus's: the
    unit and the transaction of the request.
    """

    pdu: bytes
    dev_id: int = 0
    transaction_id: int = 0
    retries: int = 0
    sent: int = 0
    why: str = ""
    option: Deviation | None = None


class Frames:
    """Replaces pymodbus's framers; the modules of `framing` decide what is a response.

    `unexpected` holds bytes that came while no response was expected; `why` says why the last
    bytes were not a response, `option` what would accept them, `borne` what was tolerated.
    """

    MAX_SIZE = 4096

    def __init__(
        self,
        parse: framing.FrameParser,
        make: Callable[[int, int, bytes], bytes],
        tolerance: Tolerance,
    ) -> None:
        self._parse, self._make, self._tolerance = parse, make, tolerance
        self.expected: framing.ExpectedResponse | None = None
        self.sent = b""
        self.last = b""
        self.unexpected = b""
        self.duplicate_came = asyncio.Event()
        self.why = ""
        self.option: Deviation | None = None
        self.borne: tuple[Deviation, ...] = ()

    def buildFrame(self, message: Any) -> bytes:  # noqa: N802 - pymodbus's name
        pdu = bytes((message.function_code,)) + message.encode()
        self.sent = self._make(message.transaction_id, message.dev_id, pdu)
        return self.sent

    def handleFrame(self, data: bytes, unit: int, tid: int) -> tuple[int, Any]:  # noqa: N802 - as above
        if self.expected is None:
            self.unexpected = (self.unexpected + data)[-self.MAX_SIZE :]
            if self.last and self.unexpected.endswith(self.last):
                self.duplicate_came.set()
            return len(data), None
        parsed = self._parse(bytes(data), self.expected, self.sent, self._tolerance)
        is_borne = parsed.option is not None and self._tolerance.bears(parsed.option)
        self.why, self.option = parsed.why, None if is_borne else parsed.option
        if not parsed.pdu:
            return parsed.used, None
        self.expected = None
        self.borne, self.last = parsed.borne, parsed.frame
        return parsed.used, ModbusResponse(
            parsed.pdu, unit, tid, why=parsed.why, option=self.option
        )

    def expect(self, expected: framing.ExpectedResponse) -> None:
        """Prepares for the response to the request that is sent next."""
        self.expected = expected
        self.why, self.option, self.borne = "", None, ()

    def clear_unexpected(self) -> None:
        """Discards the bytes that came while no response was expected."""
        self.unexpected = b""
        self.duplicate_came.clear()


async def make_client(
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
        context = await client_context(options, config)
        return AsyncModbusTlsClient(str(options.host), sslctx=context, **common)
    is_ascii = options.transport == "ascii_over_tcp"
    framer = FramerType.ASCII if is_ascii else FramerType.SOCKET
    return AsyncModbusTcpClient(str(options.host), framer=framer, **common)


def put_frames(
    client: Any,
    options: ModbusConnectionOptions,
    tolerance: Tolerance,
    earlier: Container[int],
) -> Frames:
    """Installs our frames; `earlier` holds the transaction numbers of earlier requests."""
    if options.transport == "ascii_over_tcp":
        frames = Frames(parse_ascii, lambda _, *frame: framing.ascii_frame(*frame), tolerance)
    elif options.transport in UNTAGGED:
        frames = Frames(parse_rtu, lambda _, *frame: framing.rtu_frame(*frame), tolerance)
    else:
        parse = partial(parse_tcp, earlier=earlier)
        frames = Frames(parse, framing.tcp_frame, tolerance)
    client.ctx.framer = frames
    client.ctx.max_buffer_size = Frames.MAX_SIZE
    return frames
