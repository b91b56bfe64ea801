"""The only code that touches pymodbus: one connection that can read, and nothing else.

Promises
- There are four reads (function codes 1 to 4); no method of this module can write.
- Nothing is retried and nothing reconnects: `SourceLost` ends the connection, and whoever opened
  it decides what then. After a time-out it is never used again, so a late answer meets nobody.
- A connection that the other side closes is noticed at once, also while an answer is awaited.
- Answers with another transaction id or unit id than the request are not taken. pymodbus skips most
  of them by itself, but lets transaction id 0, and any unit for unit 0, pass.
- Answers are handed over as bytes: pymodbus's own decoding, a Python loop over all registers that
  overlooks wrong lengths, is replaced.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from connectors.modbus.options import ModbusOptions, Table
from connectors.modbus.plan import MBAP_BYTES, Request
from gateway.contracts import SourceLost
from gateway.model import SECOND
from gateway.options import format_duration


@dataclass(slots=True)
class Answer:
    """One answer as it came: `pdu` is the function code and all that follows, unchecked.

    The other fields are filled in by pymodbus.
    """

    pdu: bytes
    dev_id: int = 0
    transaction_id: int = 0
    retries: int = 0

    @property
    def wire_bytes(self) -> int:
        """Length of the whole frame, header included."""
        return MBAP_BYTES + len(self.pdu)


class _Uninterpreted:
    """Takes the place of pymodbus's decoder; it never fails, so no answer kills the connection."""

    def decode(self, frame: bytes) -> Answer:
        return Answer(bytes(frame))


class ReadOnlyClient:
    """One connection; requests go one after the other."""

    def __init__(self, options: ModbusOptions) -> None:
        from pymodbus.client import AsyncModbusTcpClient
        from pymodbus.exceptions import ConnectionException, ModbusException

        _quieten_pymodbus()
        self._where = f"{options.host}:{options.port}"
        self._timeout = format_duration(options.timeout)
        self._closed, self._failed = ConnectionException, ModbusException
        self._refused: Exception | None = None
        self._is_waiting = False
        client = self._client = AsyncModbusTcpClient(
            options.host,
            port=options.port,
            timeout=options.timeout / SECOND,
            retries=0,
            reconnect_delay=0,
            trace_connect=self._connection_changed,
        )
        client.ctx.framer.decoder = _Uninterpreted()  # type: ignore[assignment] # decode is all it needs
        client.ctx.call_create = self._remembering(client.ctx.call_create)
        self._reads: dict[Table, Callable[..., Awaitable[Any]]] = {
            "coil": client.read_coils,
            "discrete": client.read_discrete_inputs,
            "holding": client.read_holding_registers,
            "input": client.read_input_registers,
        }

    async def connect(self) -> None:
        """SourceLost says why it cannot be done."""
        if not await self._client.connect():
            why = self._refused or f"no connection within {self._timeout}"
            raise SourceLost(f"{self._where}: {_in_words(why)}") from self._refused
        # pymodbus counts from 1 on every connection; a gateway that delivers an answer to the
        # connection before this one must not hit the right number.
        self._client.ctx.next_tid = secrets.randbelow(60_000)

    async def read(self, request: Request) -> Answer:
        """The device's answer, be it an exception; SourceLost if there is none that is ours."""
        self._is_waiting = True
        try:
            answer: Answer = await self._reads[request.table](
                request.address, count=request.count, device_id=request.unit
            )
        except self._closed as error:
            raise SourceLost(f"{self._where}: the other side closed the connection") from error
        except self._failed as error:
            why = f"no answer from unit {request.unit} within {self._timeout}"
            raise SourceLost(f"{self._where}: {why}") from error
        finally:
            self._is_waiting = False
        self._check_sender(request, answer)
        return answer

    def close(self) -> None:
        self._client.close()

    def _check_sender(self, request: Request, answer: Answer) -> None:
        if answer.transaction_id != self._client.ctx.request_transaction_id:
            raise SourceLost(f"{self._where}: an answer to another request arrived")
        if answer.dev_id != request.unit:
            why = f"unit {answer.dev_id} answered for unit {request.unit}"
            raise SourceLost(f"{self._where}: {why}")

    def _connection_changed(self, is_connected: bool) -> None:
        # pymodbus lets a request on a connection that is gone wait for its time-out.
        waiting = self._client.ctx.response_future
        if not is_connected and self._is_waiting and not waiting.done():
            waiting.set_exception(self._closed("closed by the other side"))

    def _remembering(self, create: Callable[[], Any]) -> Callable[[], Any]:
        # pymodbus logs why a connection failed and returns False.
        async def remembering() -> Any:
            try:
                return await create()
            except OSError as error:
                self._refused = error
                raise

        return remembering


@asynccontextmanager
async def connected(options: ModbusOptions) -> AsyncIterator[ReadOnlyClient]:
    """A connection for as long as the context lasts; SourceLost on entry if there is none."""
    client = ReadOnlyClient(options)
    try:
        await client.connect()
        yield client
    finally:
        client.close()
        # The transport closes its socket in the loop's next turn.
        await asyncio.sleep(0)


def _in_words(why: Exception | str) -> str:
    if isinstance(why, ConnectionRefusedError):
        return "connection refused"
    return str(why)


def _quieten_pymodbus() -> None:
    """Everything that it would log is raised here as well; a level that somebody set stays."""
    log = logging.getLogger("pymodbus.logging")
    if log.level == logging.NOTSET:
        log.setLevel(logging.CRITICAL)
