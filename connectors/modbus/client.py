"""One connection that can read, and nothing else; how it is made stands in `wire`.

Promises
- There are four reads (function codes 1 to 4) and the reading of a device's identification (43/14);
  no method of this module can write.
- Nothing is retried. After a time-out a connection is never used again (see `bus`), so a late
  answer meets nobody. Where answers carry no number (RTU, ASCII) the unit must prove first that it
  owes none (`doubts`), and second answers are waited for (`twins`).
- A connection that the other side closes is noticed at once, also while an answer is awaited.
- Answers with another transaction id or unit id than the request are not taken. pymodbus skips most
  of them by itself, but lets transaction id 0, and any unit for unit 0, pass.
"""

import asyncio
import contextlib
import errno
import logging
import secrets
import termios
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from connectors.modbus import identification
from connectors.modbus.connection import Connection
from connectors.modbus.doubts import Doubts
from connectors.modbus.framing import Expected
from connectors.modbus.options import Table
from connectors.modbus.plan import FUNCTIONS, Request
from connectors.modbus.twins import Twins
from connectors.modbus.wire import Answer, Frames, make_client, put_frames
from gateway.api.contracts import ConfigError, SourceLost
from gateway.api.model import SECOND
from gateway.api.options import format_duration

log = logging.getLogger(__name__)


class UnitSilent(SourceLost):
    """One unit gave no answer that is its own; others on the connection may well."""


@dataclass(frozen=True, slots=True)
class _Asking:
    """One request: how it is sent, and what its answer must look like."""

    expected: Expected
    ask: Callable[..., Awaitable[Answer]]
    address: int = 0


class ReadOnlyClient:
    """One connection; requests go one after the other. Built, it is not connected yet."""

    def __init__(self, options: Connection, config: Path, doubts: Doubts, twins: Twins) -> None:
        _quieten_pymodbus()
        self._options, self._config = options, config
        self._doubts, self._twins = doubts, twins
        self._where = options.where
        self._timeout = format_duration(options.timeout)
        self._refused: Exception | None = None
        self._is_waiting = False
        self._client: Any = None
        self._reads: dict[Table, Callable[..., Awaitable[Answer]]] = {}
        self._frames: Frames | None = None
        self._last: tuple[Expected, Table | None] | None = None
        self._answered: dict[Expected, int] = {}
        self._free_at = 0

    async def connect(self) -> None:
        """SourceLost says why it cannot be done; ConfigError what somebody has to put right."""
        client = self._client = make_client(self._options, self._config, self._connection_changed)
        self._frames = put_frames(client, self._options)
        self._reads = _reads(client)
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
        expected = Expected(unit, identification.FUNCTION)
        ask = partial(self._client.read_device_information, read_code=identification.BASIC)
        return await self._settled(None, _Asking(expected, ask))

    def _asking(self, table: Table, unit: int, address: int, count: int) -> _Asking:
        size = (count + 7) // 8 if FUNCTIONS[table] < 3 else 2 * count
        expected = Expected(unit, FUNCTIONS[table], size)
        return _Asking(expected, partial(self._reads[table], address, count=count), address)

    async def _settled(self, table: Table | None, asking: _Asking) -> Answer:
        """Ask, and make sure that what comes answers this and nothing that was asked before."""
        if self._frames is None:
            return await self._ask(asking)
        expected = asking.expected
        await self._settle(self._frames, asking)
        self._doubts.asked(expected.unit, table, time.monotonic_ns())
        self._last = expected, table
        answer = await self._ask(asking)
        self._doubts.answered(expected.unit)
        self._answered[expected] = time.monotonic_ns()
        return answer

    async def _settle(self, frames: Frames, asking: _Asking) -> None:
        await self._rest()
        if self._last:
            await self._hear_out(frames, asking.expected, *self._last)
        unit = asking.expected.unit
        table = self._doubts.proof(unit, time.monotonic_ns())
        if table:
            await self._ask(self._asking(table, unit, asking.address, 1))
            self._doubts.answered(unit)

    async def _hear_out(
        self, frames: Frames, expected: Expected, last: Expected, table: Table | None
    ) -> None:
        """Wait for a second answer that could pass for the one that is `expected` next."""
        is_alike, patience = last == expected, self._twins.patience(expected.unit)
        left = self._answered.get(expected, -patience) + patience - time.monotonic_ns()
        if left > 0:
            # That of another unit, or of another shape, does not end it.
            heard = frames.came_twice.wait() if is_alike else asyncio.sleep(60)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(heard, left / SECOND)
        is_twice = frames.came_twice.is_set()
        is_owing = bool(frames.unasked) or (is_alike and self._twins.is_double(last.unit))
        is_known = is_twice or (is_alike and patience > 0)
        if is_known and self._twins.heard(last.unit, twice=is_twice):
            log.warning("%s: unit %d answers everything twice", self._where, last.unit)
        if is_owing and not is_twice:
            self._doubts.asked(last.unit, table, time.monotonic_ns())
        frames.forget()

    async def _rest(self) -> None:
        left = self._free_at - time.monotonic_ns()
        if left > 0:
            await asyncio.sleep(left / SECOND)

    async def _ask(self, asking: _Asking) -> Answer:
        await self._rest()
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


def _reads(client: Any) -> dict[Table, Callable[..., Awaitable[Answer]]]:
    return {
        "coil": client.read_coils,
        "discrete": client.read_discrete_inputs,
        "holding": client.read_holding_registers,
        "input": client.read_input_registers,
    }


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
