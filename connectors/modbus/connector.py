"""The Modbus connector: options in, sample batches out."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import ClassVar

from pydantic import BaseModel

from connectors.modbus.addresses import looks_numbered, numbered_warning
from connectors.modbus.bus import bus_for
from connectors.modbus.client import UnitSilent
from connectors.modbus.cost import describe
from connectors.modbus.options import ModbusOptions
from connectors.modbus.plan import Request, RequestLimits, make_plan, polled_tags
from connectors.modbus.session import ModbusSession
from connectors.modbus.splits import Splits
from gateway.api.contracts import Places, SourceLost
from gateway.api.model import SECOND, Nanos, Probe, SampleBatch, Tag


class ModbusConnector:
    """Reads the tags of one Modbus source.

    `requests` is the read plan; a request that the device refuses is split in it. `diagnostics`
    says what is odd about the connection.
    """

    Options: ClassVar[type[BaseModel]] = ModbusOptions

    def __init__(
        self, name: str, options: ModbusOptions, tags: Sequence[Tag], places: Places
    ) -> None:
        del tags  # the options hold them
        self.name = name
        self.options = options
        limits = RequestLimits(options.max_registers, options.max_bits, options.max_gap)
        self.requests: list[Request] = make_plan(polled_tags(options), limits)
        self._bus = bus_for(name, options, places.config, self.requests)
        self.warnings: Sequence[str] = _warnings(options)
        self.diagnostics: Sequence[str] = self._bus.peer.diagnostics.texts
        self._splits = Splits()
        self._served: dict[Request, Nanos] = {}
        self._waiting: list[Request] = []
        self._silent_sessions = 0

    @classmethod
    def declared_tags(cls, name: str, options: ModbusOptions) -> Sequence[Tag]:
        """The tags in the order of the line file."""
        return [
            tag.as_tag(tag_name, name, options.period) for tag_name, tag in options.tags.items()
        ]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[AsyncIterator[SampleBatch]]:
        """One session that polls for as long as it is iterated; raises SourceLost."""
        async with self._bus.joined() as bus:
            session = ModbusSession(self.name, bus, self.requests, self.options, self._splits)
            try:
                async with aclosing(session.batches(self._waiting)) as batches:
                    yield batches
            except UnitSilent as silent:
                silent.wait = self._wait_after(session)
                raise
            finally:
                self._note_served(session)

    def _note_served(self, session: ModbusSession) -> None:
        """What the session left waiting is served first in the next, the longest waiting first."""
        self._served |= session.served
        if session.served:
            left = [request for request in self.requests if request not in session.served]
            self._waiting = sorted(left, key=lambda request: self._served.get(request, 0))

    def _wait_after(self, session: ModbusSession) -> float:
        """Seconds until a silent source is tried again: each attempt delays others on its bus."""
        self._silent_sessions = 1 if session.has_responded else self._silent_sessions + 1
        is_parked = self._bus.is_shared and self._silent_sessions >= self.options.park_after
        return self.options.park_for / SECOND if is_parked else 0.0

    async def probe(self) -> Probe:
        """Connects and sends the first request of the plan."""
        requests = list(self.requests)
        started = time.monotonic_ns()
        try:
            async with self._bus.joined() as bus:
                took = (time.monotonic_ns() - started) / 1e6
                session = ModbusSession(self.name, bus, requests, self.options)
                await session.serve(requests[0])
        except SourceLost as lost:
            return Probe(ok=False, message=str(lost))
        for request, fault in session.faults.items():
            return Probe(ok=False, message=f"connected, but {request}: {fault}{_meant(request)}")
        counts = {"tags": len(self.options.tags), "requests": len(requests)}
        plan = f"{_count(counts['tags'], 'tag')} in {_count(counts['requests'], 'request')}"
        return Probe(ok=True, message=f"connected in {took:.0f} ms, {plan}", details=counts)

    def plan(self) -> Sequence[str]:
        """The requests and their cost, for `andon check --plan`."""
        return describe(self.requests, self.options, self._bus.plans)

    def __repr__(self) -> str:
        return f"<{self.name}: modbus {self.options.where}>"


def _meant(request: Request) -> str:
    """What a refused request may have been meant for."""
    meant = looks_numbered(request.address, request.table)
    return f"; if {request.address} is a number from a manual, write {meant}" if meant else ""


def _warnings(options: ModbusOptions) -> list[str]:
    """What a person may have meant otherwise; SunSpec's devices do have addresses from 40000 on."""
    if any(tag.scale_register is not None for tag in options.tags.values()):
        return []
    tags = ((name, tag.address, tag.table) for name, tag in options.tags.items())
    warning = numbered_warning(tags)
    return [warning] if warning else []


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
