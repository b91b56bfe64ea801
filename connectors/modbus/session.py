"""Polls one connected device: serves the schedule, checks every response, yields columns.

Promises
- A device exception, or a malformed response, makes the tags of that request bad and nothing else.
- A unit that does not respond has bad tags and is then parked (see `parking`); the others are read
  on their schedule. If no unit responds, or the connection is gone, SourceLost is raised.
- If the device refuses a range of addresses, the request is split until only the missing addresses
  are requested by themselves; their neighbours are read in the same slot. The split is kept if it
  recovered any tag; if not, it is tried again at the 2nd, 4th, 8th ... refusal. A device that is
  only busy is asked less at the 4th refusal. When the missing addresses are served again, the whole
  request is read in one again (`splits`).
- What the session left waiting when it was lost is served first in the next one.
- Every bad sample has its reason.
- The time of a sample is halfway between sending the request and receiving the response.
- Changes are logged once, not at every poll.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence

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
from connectors.modbus.splits import Splits
from gateway.api.model import SECOND, Nanos, SampleBatch
from gateway.api.options import format_duration

log = structlog.get_logger()
ReadPart = tuple[Request, SampleBatch, CheckedResponse]


class ModbusSession:
    """One connection and the plan it serves; `requests` changes in place when one is split."""

    def __init__(
        self,
        name: str,
        bus: Bus,
        requests: list[Request],
        options: ModbusOptions,
        splits: Splits | None = None,
    ) -> None:
        self.requests = requests
        self.faults: dict[Request, str] = {}
        self.served: dict[Request, Nanos] = {}
        self._name = name
        self._bus = bus
        self._options = options
        self._splits = splits or Splits()
        self._dropped: set[Request] = set()
        units = {request.unit for request in requests}
        self._parking = Parking(units, options.park_after, options.park_for)
        self._silent: dict[int, str] = {}
        self._refusals: dict[Request, int] = {}

    @property
    def has_responded(self) -> bool:
        """Some unit has responded since the connection was opened."""
        return self._parking.has_response

    async def batches(self, first: Sequence[Request] = ()) -> AsyncGenerator[SampleBatch, None]:
        """Polls forever, `first` before all others; SourceLost when the device is gone."""
        now, wall = time.monotonic_ns(), time.time_ns()
        schedule = Schedule(self.requests, now, wall, phase_of(self._name), first)
        while True:
            now = time.monotonic_ns()
            slot = schedule.next(now)
            if slot is None:
                await asyncio.sleep((schedule.next_due - now) / SECOND)
                continue
            if slot.request in self._dropped:
                continue
            parts, batches = await self._serve_slot(slot, now)
            self.served[slot.request] = now
            for batch in batches:
                yield batch
            is_first = schedule.missed == 0
            if schedule.done(slot, time.monotonic_ns(), parts) and is_first:
                log.warning("modbus.slots_missed", source=self._name, request=str(slot.request))

    async def _serve_slot(self, slot: Slot, now: int) -> tuple[list[Request], list[SampleBatch]]:
        """Serves a slot unless its unit is parked: requests to read from now on, and batches."""
        request, parking = slot.request, self._parking
        if not parking.is_resting(request.unit, now):
            try:
                return await self.serve(request)
            except UnitSilent as silent:
                if self._note_silent(slot, silent):
                    return [request], self._parked_batches(request.unit)
        is_bad = parking.has_response and not parking.is_parked(request.unit)
        why = self._silent.get(request.unit, "")
        return [request], [_bad_batch(request, why)] if is_bad else []

    def _note_silent(self, slot: Slot, silent: UnitSilent) -> bool:
        """Continues without that unit, True if it is parked now; raises if no other is left."""
        unit, parking = slot.request.unit, self._parking
        is_parked_now = parking.failed(unit, time.monotonic_ns(), slot.deadline)
        self._silent[unit] = silent.reason
        if parking.are_all_silent:
            # The gateway logs it once, as the reason for which the source is lost.
            raise silent
        self._note(slot.request, str(silent))
        if is_parked_now:
            retry = format_duration(self._options.park_for)
            log.warning("modbus.unit_parked", source=self._name, unit=unit, retry_every=retry)
        return is_parked_now

    def _parked_batches(self, unit: int) -> list[SampleBatch]:
        """The last samples of a unit until it responds again."""
        retry = format_duration(self._options.park_for)
        why = f"{self._silent[unit]}; unit {unit} is parked and tried again every {retry}"
        return [_bad_batch(request, why) for request in self.requests if request.unit == unit]

    async def serve(self, request: Request) -> tuple[list[Request], list[SampleBatch]]:
        """Reads once: the requests to read from now on, and the batches read."""
        whole = self._splits.whole_due(request, self.faults)
        if whole is not None:
            joined = await self._serve_whole(whole, request)
            if joined:
                return joined
        batch, checked = await self._read(request)
        if checked.is_refused and self._is_time_to_split(request, checked):
            parts = await self._split(request)
            if not all(checked_part.fault for _, _, checked_part in parts):
                return self._keep(request, parts)
        elif not checked.is_refused:
            self._refusals.pop(request, None)
        self._note(request, checked.fault)
        return [request], [batch]

    async def _serve_whole(
        self, whole: Request, part: Request
    ) -> tuple[list[Request], list[SampleBatch]] | None:
        """Reads a request that is read in parts in one again; None if its parts stay."""
        batch, checked = await self._read(whole)
        if not checked.fault:
            self._exchange(self._splits.joined(part), [whole], part)
            log.info("modbus.request_joined", source=self._name, request=str(whole))
            return [whole], [batch]
        may_differ = self._splits.refused(part)
        if not (checked.is_refused and may_differ):
            return None
        parts = await self._split(whole)
        if all(checked_part.fault for _, _, checked_part in parts):
            return None
        requests = [request for request, _, _ in parts]
        self._exchange(self._splits.exchanged(part, requests), requests, part)
        for request, _, checked_part in parts:
            self._note(request, checked_part.fault)
        return requests, [batch for _, batch, _ in parts]

    def _exchange(self, old: list[Request], new: list[Request], current: Request) -> None:
        """Reads `new` from now on; the slots of `old` are void, but for the one that is served."""
        at = self.requests.index(old[0])
        self.requests[:] = [request for request in self.requests if request not in old]
        self.requests[at:at] = new
        self._dropped |= set(old) - {current}
        for request in old:
            self.faults.pop(request, None)
            self._refusals.pop(request, None)

    async def _read(self, request: Request) -> tuple[SampleBatch, CheckedResponse]:
        response = await self._bus.read(request)
        if self._parking.responded(request.unit):
            log.info("modbus.unit_resumed", source=self._name, unit=request.unit)
        at = time.time_ns() - (time.monotonic_ns() - response.sent) // 2
        checked = check_response(request, response)
        size = frame_bytes(self._options.transport, len(response.pdu))
        if checked.fault:
            return _bad_batch(request, checked.fault, at, size), checked
        decoder = request.decoder
        value, quality = decoder.decode(checked.data)
        times = np.full(len(value), at, dtype=np.int64)
        reasons = decoder.reasons(checked.data, quality) if quality.any() else {}
        return SampleBatch(decoder.tag, times, value, quality, size, reasons=reasons), checked

    def _is_time_to_split(self, request: Request, checked: CheckedResponse) -> bool:
        count = self._refusals[request] = self._refusals.get(request, 0) + 1
        return count & (count - 1) == 0 and (count >= 4 or not checked.is_passing)

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
        self._splits.split(request, requests)
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
            self._splits.recovered(request)
            log.info("modbus.request_recovered", source=self._name, request=str(request))


def _bad_batch(request: Request, why: str, at: Nanos = 0, wire_bytes: int = 0) -> SampleBatch:
    """A bad sample of each tag of the request, now or `at`, and why."""
    tag = request.decoder.tag
    value, quality = request.decoder.bad_columns()
    times = np.full(len(value), at or time.time_ns(), dtype=np.int64)
    reasons = dict.fromkeys(tag.tolist(), why)
    return SampleBatch(tag, times, value, quality, wire_bytes, reasons=reasons)
