"""Polls one connected device: serves the schedule, checks every response, yields columns.

Promises
- A device exception, or a malformed response, makes the tags of that request bad and nothing else.
- A unit that does not respond has bad tags and is then parked (see `parking`); the others are read
  on their schedule. If no unit responds, or the connection is gone, SourceLost is raised.
- If the device refuses a range of addresses, the request is split until only the missing addresses
  are requested by themselves; their neighbours are read in the same slot. The split is kept if it
  recovered any tag; if not, it is tried again at the 2nd, 4th, 8th ... refusal.
- The time of a sample is halfway between sending the request and receiving the response.
- Changes are logged once, not at every poll.
"""

import asyncio
import time
from collections.abc import AsyncGenerator

import numpy as np
import structlog

from connectors.modbus.bus import Bus
from connectors.modbus.client import UnitSilent
from connectors.modbus.framing import frame_bytes
from connectors.modbus.options import ModbusOptions
from connectors.modbus.parking import Parking
from connectors.modbus.plan import Request
from connectors.modbus.responses import CheckedResponse, check_response
from connectors.modbus.schedule import Schedule, Slot, phase_of
from gateway.api.model import SECOND, SampleBatch
from gateway.api.options import format_duration

log = structlog.get_logger()
ReadPart = tuple[Request, SampleBatch, CheckedResponse]


class ModbusSession:
    """One connection and the plan it serves; `requests` changes in place when one is split."""

    def __init__(
        self, name: str, bus: Bus, requests: list[Request], options: ModbusOptions
    ) -> None:
        self.requests = requests
        self.faults: dict[Request, str] = {}
        self._name = name
        self._bus = bus
        self._options = options
        units = {request.unit for request in requests}
        self._parking = Parking(units, options.park_after, options.park_for)
        self._refusals: dict[Request, int] = {}

    @property
    def has_responded(self) -> bool:
        """Some unit has responded since the connection was opened."""
        return self._parking.has_response

    async def batches(self) -> AsyncGenerator[SampleBatch, None]:
        """Polls forever; SourceLost when the device is gone."""
        now, wall = time.monotonic_ns(), time.time_ns()
        schedule = Schedule(self.requests, now, wall, phase_of(self._name))
        while True:
            now = time.monotonic_ns()
            slot = schedule.next(now)
            if slot is None:
                await asyncio.sleep((schedule.next_due - now) / SECOND)
                continue
            parts, batches = await self._serve_slot(slot, now)
            for batch in batches:
                yield batch
            first = schedule.missed == 0
            if schedule.done(slot, time.monotonic_ns(), parts) and first:
                log.warning("modbus.slots_missed", source=self._name, request=str(slot.request))

    async def _serve_slot(self, slot: Slot, now: int) -> tuple[list[Request], list[SampleBatch]]:
        """Serves a slot unless its unit is parked: requests to read from now on, and batches."""
        request = slot.request
        if not self._parking.is_resting(request.unit, now):
            try:
                return await self.serve(request)
            except UnitSilent as silent:
                await self._note_silent(slot, silent)
        is_bad = self._parking.has_response and not self._parking.is_parked(request.unit)
        return [request], [_bad_batch(request)] if is_bad else []

    async def _note_silent(self, slot: Slot, silent: UnitSilent) -> None:
        """Continues without that unit; raises if no other is left."""
        unit, parking = slot.request.unit, self._parking
        is_parked_now = parking.failed(unit, time.monotonic_ns(), slot.deadline)
        self._note(slot.request, str(silent))
        if parking.are_all_silent:
            raise silent
        if is_parked_now:
            retry = format_duration(self._options.park_for)
            log.warning("modbus.unit_parked", source=self._name, unit=unit, retry_every=retry)

    async def serve(self, request: Request) -> tuple[list[Request], list[SampleBatch]]:
        """Reads once: the requests to read from now on, and the batches read."""
        batch, checked = await self._read(request)
        if checked.is_refused and self._is_time_to_split(request):
            parts = await self._split(request)
            if not all(checked_part.fault for _, _, checked_part in parts):
                return self._keep(request, parts)
        elif not checked.is_refused:
            self._refusals.pop(request, None)
        self._note(request, checked.fault)
        return [request], [batch]

    async def _read(self, request: Request) -> tuple[SampleBatch, CheckedResponse]:
        response = await self._bus.read(request)
        if self._parking.responded(request.unit):
            log.info("modbus.unit_resumed", source=self._name, unit=request.unit)
        at = time.time_ns() - (time.monotonic_ns() - response.sent) // 2
        checked = check_response(request, response.pdu)
        decoder = request.decoder
        value, quality = decoder.bad_columns() if checked.fault else decoder.decode(checked.data)
        times = np.full(len(value), at, dtype=np.int64)
        size = frame_bytes(self._options.transport, len(response.pdu))
        return SampleBatch(decoder.tag, times, value, quality, size), checked

    def _is_time_to_split(self, request: Request) -> bool:
        count = self._refusals[request] = self._refusals.get(request, 0) + 1
        return count & (count - 1) == 0

    async def _split(self, request: Request) -> list[ReadPart]:
        parts: list[ReadPart] = []
        todo = list(request.halves())
        while todo:
            part = todo.pop(0)
            batch, checked = await self._read(part)
            halves = part.halves() if checked.is_refused else ()
            if halves:
                todo[:0] = halves
            else:
                parts.append((part, batch, checked))
        return parts

    def _keep(
        self, request: Request, parts: list[ReadPart]
    ) -> tuple[list[Request], list[SampleBatch]]:
        requests = [part for part, _, _ in parts]
        at = self.requests.index(request)
        self.requests[at : at + 1] = requests
        self.faults.pop(request, None)
        self._refusals.pop(request, None)
        log.warning(
            "modbus.request_split", source=self._name, request=str(request), parts=len(parts)
        )
        for part, _, checked in parts:
            self._note(part, checked.fault)
        return requests, [batch for _, batch, _ in parts]

    def _note(self, request: Request, fault: str) -> None:
        before = self.faults.get(request, "")
        if fault == before:
            return
        if fault:
            self.faults[request] = fault
            log.warning("modbus.request_failed", source=self._name, request=str(request), why=fault)
        else:
            del self.faults[request]
            log.info("modbus.request_recovered", source=self._name, request=str(request))


def _bad_batch(request: Request) -> SampleBatch:
    """A bad sample of each tag of the request, now."""
    value, quality = request.decoder.bad_columns()
    times = np.full(len(value), time.time_ns(), dtype=np.int64)
    return SampleBatch(request.decoder.tag, times, value, quality)
