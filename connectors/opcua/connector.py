"""The OPC UA connector: options in, sample batches out."""

import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from importlib import import_module
from typing import ClassVar

import numpy as np
from pydantic import BaseModel

from connectors.opcua.client import OpcUaReadOnlyClient, connected
from connectors.opcua.columns import OpcUaColumns, ValueRule
from connectors.opcua.diagnostics import Diagnostics
from connectors.opcua.items import Target
from connectors.opcua.monitoring import Monitoring
from connectors.opcua.options import OpcUaOptions
from connectors.opcua.places import find_places
from connectors.opcua.quiet_client import SavedSession
from connectors.opcua.session import OpcUaSession
from connectors.opcua.structure_types import load
from connectors.opcua.structures import Structures
from gateway.api.contracts import ConfigError, Places, SourceLost
from gateway.api.model import Probe, SampleBatch, Tag

_LIBRARY = "asyncua.client.client"


class OpcUaConnector:
    """Reads the tags of one OPC UA source.

    A session outlives its connection: the next connection resumes it.
    """

    Options: ClassVar[type[BaseModel]] = OpcUaOptions

    def __init__(
        self, name: str, options: OpcUaOptions, tags: Sequence[Tag], places: Places
    ) -> None:
        del tags  # the options hold them
        self.name, self.options = name, options
        self._places = places
        self._diagnostics = Diagnostics(name, list(options.tags))
        self.diagnostics = self._diagnostics.texts
        self._begin_anew()
        self._saved_session: SavedSession | None = None

    @classmethod
    def declared_tags(cls, name: str, options: OpcUaOptions) -> Sequence[Tag]:
        """The tags in the order of the line file."""
        return [
            tag.as_tag(tag_name, name, options.publishing_interval)
            for tag_name, tag in options.tags.items()
        ]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[AsyncIterator[SampleBatch]]:
        """One connection; it resumes the session of the last one if that broke.

        Raises SourceLost or ConfigError.
        """
        session: OpcUaSession | None = None
        await _import_library()

        def lost(why: str) -> None:
            if session is not None:
                session.lost(why)

        client = OpcUaReadOnlyClient(self.options, self._places, lost, self._saved_session)
        try:
            has_resumed = await client.connect()
            if not has_resumed:
                self._begin_anew()
            session = OpcUaSession(
                self.name, self.options, self._columns, self._monitoring, self._diagnostics
            )
            await session.start(client, has_resumed=has_resumed)
            run = asyncio.create_task(session.run(), name=f"{self.name}: session")
            try:
                async with aclosing(session.batches()) as batches:
                    yield batches
            finally:
                run.cancel()
                await asyncio.wait([run])
        finally:
            await client.close()
            self._saved_session = client.saved_session

    async def probe(self) -> Probe:
        """Connects and reads every node once."""
        await _import_library()
        started = time.monotonic_ns()
        try:
            async with connected(self.options, self._places, lambda _why: None) as client:
                took = (time.monotonic_ns() - started) / 1e6
                faults = await self._read_once(client)
        except (SourceLost, ConfigError) as error:
            return Probe(ok=False, message=str(error))
        count = len(self.options.tags)
        outcome = f"connected in {took:.0f} ms, {count - len(faults)} of {count} nodes readable"
        if faults:
            outcome += "; " + ", ".join(f"{tag}: {fault}" for tag, fault in faults.items())
        details = {"tags": count, "unreadable": len(faults)}
        return Probe(ok=not faults, message=outcome, details=details)

    def _begin_anew(self) -> None:
        """Forgets what is known of the server: nodes, items and the types of structures."""
        structures = Structures()
        self._columns = _columns(self.options, structures)
        self._monitoring = Monitoring(self.options, self._diagnostics, structures)

    async def _read_once(self, client: OpcUaReadOnlyClient) -> dict[str, str]:
        """Reads every node: why its value is not good, by tag."""
        tags = list(self.options.tags.items())
        places = {index: tag.place for index, (_, tag) in enumerate(tags)}
        nodes, faults = await find_places(client, places)
        structures = Structures()
        columns = _columns(self.options, structures)
        known, at = np.array(sorted(nodes), dtype=np.int32), np.zeros(len(nodes), dtype=np.int64)
        data = await client.read([Target(nodes[index]) for index in sorted(nodes)])
        reasons = columns.read_batch(known, data, at).reasons
        if structures.wanted:
            await load(client, structures)
            reasons = columns.read_batch(known, data, at).reasons
        faults = {**faults, **reasons}
        return {name: faults[index] for index, (name, _) in enumerate(tags) if index in faults}

    def __repr__(self) -> str:
        return f"<{self.name}: opcua {self.options.url}>"


async def _import_library() -> None:
    """Imports asyncua in a thread: it takes a second, which would delay other sources."""
    # A module is listed in sys.modules before its import is complete.
    if not hasattr(sys.modules.get(_LIBRARY), "Client"):
        await asyncio.to_thread(import_module, _LIBRARY)


def _columns(options: OpcUaOptions, structures: Structures) -> OpcUaColumns:
    rules = [
        ValueRule(tag.selection, options.good_enough_for(tag), _hint(tag.node or ""))
        for tag in options.tags.values()
    ]
    return OpcUaColumns(rules, options.timestamp, structures)


def _hint(node: str) -> str:
    """The likely mistake, if a node id looks like an element of an array."""
    element = re.search(r"\[(\d+(?:,\d+)*)\]$", node)
    return f"; an element of an array is named by `index: {element[1]}`" if element else ""
