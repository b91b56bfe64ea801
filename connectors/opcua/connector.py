"""The connector that the gateway knows: options in, sample batches out."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import ClassVar

from pydantic import BaseModel

from connectors.opcua.client import connected
from connectors.opcua.options import OpcUaOptions
from connectors.opcua.session import Session
from gateway.contracts import ConfigError, Places, SourceLost
from gateway.model import Probe, SampleBatch, Tag


class OpcUaConnector:
    """Subscribes to the tags of one OPC UA source."""

    Options: ClassVar[type[BaseModel]] = OpcUaOptions

    def __init__(
        self, name: str, options: OpcUaOptions, tags: Sequence[Tag], places: Places
    ) -> None:
        self.name, self.options = name, options
        self._tags, self._places = tuple(tags), places

    @classmethod
    def declared_tags(cls, name: str, options: OpcUaOptions) -> Sequence[Tag]:
        """The tags in the order of the file."""
        period = options.publishing_interval
        return [tag.as_tag(tag_name, name, period) for tag_name, tag in options.tags.items()]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[AsyncIterator[SampleBatch]]:
        """One session with one subscription; raises SourceLost."""
        async with connected(self.options, self._places.config) as client:
            session = Session(client, self.options, self._tags)
            await session.start()
            async with aclosing(session.batches()) as batches:
                yield batches

    async def probe(self) -> Probe:
        """Connect and read every node once."""
        started = time.monotonic()
        try:
            async with connected(self.options, self._places.config) as client:
                took = 1000 * (time.monotonic() - started)
                session = Session(client, self.options, self._tags)
                await session.read_all()
                bad = dict(session.bad) | session.unreadable
        except (SourceLost, ConfigError) as error:
            return Probe(ok=False, said=str(error))
        names = [tag.name for tag in self._tags]
        if bad:
            said = ", ".join(f"{names[number]}: {why}" for number, why in sorted(bad.items()))
            return Probe(ok=False, said=f"connected, but {said}")
        return Probe(ok=True, said=f"connected in {took:.0f} ms, {len(names)} nodes readable")

    def __repr__(self) -> str:
        return f"<{self.name}: opcua {self.options.url}>"
