"""Polls one connected device: serves the schedule, checks every answer, yields columns.

Promises
- A device exception, or an answer of the wrong shape, makes the tags of that request bad and
  nothing else.
- A unit that does not answer has bad tags and is then parked (see `parking`); the others are read
  on their schedule. Nobody answering, or a connection that is gone, raises SourceLost.
- If the device refuses a range of addresses, the request is parted until the addresses it does not
  have stand alone; their neighbours are read in the same slot. The finding is kept if it won
  anything; if not, it is sought again at the 2nd, 4th, 8th ... refusal.
- The time of a sample is the middle between sending the request and having the answer.
- What changes is logged once, not at every poll.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator

import numpy as np

from connectors.modbus.answers import Verdict, judge
from connectors.modbus.bus import Bus
from connectors.modbus.client import UnitSilent
from connectors.modbus.framing import frame_bytes
from connectors.modbus.options import ModbusOptions
from connectors.modbus.parking import Parking
from connectors.modbus.plan import Request
from connectors.modbus.schedule import Schedule, Slot, place_in_period
from gateway.api.model import SECOND, SampleBatch
from gateway.api.options import format_duration

log = logging.getLogger(__name__)
Found = tuple[Request, SampleBatch, Verdict]


class Session:
    """One connection and the plan it serves; `requests` is changed in place by what is learnt."""

    def __init__(
        self, name: str, bus: Bus, requests: list[Request], options: ModbusOptions
    ) -> None:
        self.requests = requests
        self.troubles: dict[Request, str] = {}
        self._name = name
        self._bus = bus
        self._options = options
        units = {request.unit for request in requests}
        self._parking = Parking(units, options.park_after, options.park_for)
        self._refusals: dict[Request, int] = {}

    @property
    def has_heard(self) -> bool:
        """Some unit answered since the connection was opened."""
        return self._parking.has_heard

    async def batches(self) -> AsyncGenerator[SampleBatch, None]:
        """Without end; SourceLost when the device is gone."""
        now, wall = time.monotonic_ns(), time.time_ns()
        schedule = Schedule(self.requests, now, wall, place_in_period(self._name))
        while True:
            now = time.monotonic_ns()
            slot = schedule.next(now)
            if slot is None:
                await asyncio.sleep((schedule.next_due - now) / SECOND)
                continue
            parts, batches = await self._attend(slot, now)
            for batch in batches:
                yield batch
            first = schedule.missed == 0
            if schedule.done(slot, time.monotonic_ns(), parts) and first:
                log.warning("%s: %s cannot be read as often as asked", self._name, slot.request)

    async def _attend(self, slot: Slot, now: int) -> tuple[list[Request], list[SampleBatch]]:
        """Serve a slot unless its unit is left in peace; what changes and what came."""
        request = slot.request
        if not self._parking.is_resting(request.unit, now):
            try:
                return await self.serve(request)
            except UnitSilent as silent:
                await self._without(slot, silent)
        known = self._parking.has_heard and not self._parking.is_parked(request.unit)
        return [request], [_nothing(request)] if known else []

    async def _without(self, slot: Slot, silent: UnitSilent) -> None:
        """Go on without that unit, if any other is left."""
        unit, parking = slot.request.unit, self._parking
        is_news = parking.failed(unit, time.monotonic_ns(), slot.deadline)
        self._note(slot.request, str(silent))
        if parking.are_all_silent:
            raise silent
        if is_news:
            often = format_duration(self._options.park_for)
            log.warning("%s: unit %d is parked, asked again every %s", self._name, unit, often)

    async def serve(self, request: Request) -> tuple[list[Request], list[SampleBatch]]:
        """Read once: the requests to read from now on, and what came."""
        batch, verdict = await self._read(request)
        if verdict.is_refused and self._is_time_to_narrow(request):
            found = await self._narrow(request)
            if not all(part_verdict.fault for _, _, part_verdict in found):
                return self._keep(request, found)
        elif not verdict.is_refused:
            self._refusals.pop(request, None)
        self._note(request, verdict.fault)
        return [request], [batch]

    async def _read(self, request: Request) -> tuple[SampleBatch, Verdict]:
        answer = await self._bus.read(request)
        if self._parking.answered(request.unit):
            log.info("%s: unit %d is read on its schedule again", self._name, request.unit)
        at = time.time_ns() - (time.monotonic_ns() - answer.sent) // 2
        verdict = judge(request, answer.pdu)
        decoder = request.decoder
        value, quality = decoder.nothing() if verdict.fault else decoder.decode(verdict.data)
        times = np.full(len(value), at, dtype=np.int64)
        size = frame_bytes(self._options.transport, len(answer.pdu))
        return SampleBatch(decoder.tag, times, value, quality, size), verdict

    def _is_time_to_narrow(self, request: Request) -> bool:
        count = self._refusals[request] = self._refusals.get(request, 0) + 1
        return count & (count - 1) == 0

    async def _narrow(self, request: Request) -> list[Found]:
        found: list[Found] = []
        todo = list(request.halves())
        while todo:
            part = todo.pop(0)
            batch, verdict = await self._read(part)
            halves = part.halves() if verdict.is_refused else ()
            if halves:
                todo[:0] = halves
            else:
                found.append((part, batch, verdict))
        return found

    def _keep(
        self, request: Request, found: list[Found]
    ) -> tuple[list[Request], list[SampleBatch]]:
        parts = [part for part, _, _ in found]
        at = self.requests.index(request)
        self.requests[at : at + 1] = parts
        self.troubles.pop(request, None)
        self._refusals.pop(request, None)
        log.warning("%s: %s is refused as a whole: %d requests", self._name, request, len(parts))
        for part, _, verdict in found:
            self._note(part, verdict.fault)
        return parts, [batch for _, batch, _ in found]

    def _note(self, request: Request, fault: str) -> None:
        before = self.troubles.get(request, "")
        if fault == before:
            return
        if fault:
            self.troubles[request] = fault
            log.warning("%s: %s: %s", self._name, request, fault)
        else:
            del self.troubles[request]
            log.info("%s: %s answers again", self._name, request)


def _nothing(request: Request) -> SampleBatch:
    """A bad sample for each of its tags, now."""
    value, quality = request.decoder.nothing()
    times = np.full(len(value), time.time_ns(), dtype=np.int64)
    return SampleBatch(request.decoder.tag, times, value, quality)
