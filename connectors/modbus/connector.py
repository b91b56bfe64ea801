"""The connector that the gateway knows: options in, sample batches out."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import ClassVar

from pydantic import BaseModel

from connectors.modbus.client import connected
from connectors.modbus.cost import in_words
from connectors.modbus.doubts import Doubts
from connectors.modbus.options import ModbusOptions
from connectors.modbus.plan import Limits, Request, make_plan, readings_of
from connectors.modbus.session import Session
from gateway.contracts import Places, SourceLost
from gateway.model import Probe, SampleBatch, Tag


class ModbusConnector:
    """Reads the tags of one Modbus source.

    `requests` is the read plan. What a session learns about addresses that the device refuses stays
    in it until the connector is built anew.
    """

    Options: ClassVar[type[BaseModel]] = ModbusOptions

    def __init__(
        self, name: str, options: ModbusOptions, tags: Sequence[Tag], places: Places
    ) -> None:
        del tags  # the options say it all
        self.name = name
        self.options = options
        self._config = places.config
        # What a unit may owe outlives the connection it was asked over.
        self._doubts = Doubts(options.timeout)
        limits = Limits(options.max_registers, options.max_bits, options.max_gap)
        self.requests: list[Request] = make_plan(readings_of(options), limits)

    @classmethod
    def declared_tags(cls, name: str, options: ModbusOptions) -> Sequence[Tag]:
        """The tags in the order of the file."""
        return [
            tag.as_tag(tag_name, name, options.period) for tag_name, tag in options.tags.items()
        ]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[AsyncIterator[SampleBatch]]:
        """One connection that polls for as long as it is iterated; raises SourceLost."""
        async with connected(self.options, self._config, self._doubts) as client:
            session = Session(self.name, client, self.requests, self.options)
            async with aclosing(session.batches()) as batches:
                yield batches

    async def probe(self) -> Probe:
        """Connect and do the first request of the plan."""
        requests = list(self.requests)
        started = time.monotonic_ns()
        try:
            async with connected(self.options, self._config, self._doubts) as client:
                took = (time.monotonic_ns() - started) / 1e6
                session = Session(self.name, client, requests, self.options)
                await session.serve(requests[0])
        except SourceLost as lost:
            return Probe(ok=False, said=str(lost))
        for request, fault in session.troubles.items():
            return Probe(ok=False, said=f"connected, but {request}: {fault}")
        counts = {"tags": len(self.options.tags), "requests": len(requests)}
        plan = f"{_count(counts['tags'], 'tag')} in {_count(counts['requests'], 'request')}"
        return Probe(ok=True, said=f"connected in {took:.0f} ms, {plan}", details=counts)

    def plan(self) -> Sequence[str]:
        """The requests and what they cost, for `andon check --plan`."""
        return in_words(self.requests, self.options)

    def __repr__(self) -> str:
        return f"<{self.name}: modbus {self.options.where}>"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
