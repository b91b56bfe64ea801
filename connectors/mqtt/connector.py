"""The connector that the gateway knows: options in, sample batches out."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from typing import ClassVar

from pydantic import BaseModel

from connectors.mqtt.client import Feed, subscribed
from connectors.mqtt.options import PERIOD, MqttOptions
from connectors.mqtt.payloads import fields_of, nothing, to_batch
from gateway.contracts import Places, SourceLost
from gateway.model import Probe, SampleBatch, Tag

log = logging.getLogger(__name__)
_LISTEN_S = 2.0


class MqttConnector:
    """Reads the tags of one MQTT broker."""

    Options: ClassVar[type[BaseModel]] = MqttOptions

    def __init__(
        self, name: str, options: MqttOptions, tags: Sequence[Tag], places: Places
    ) -> None:
        del tags  # the options say it all
        self.name = name
        self.options = options
        self._places = places
        self._fields = fields_of(options)

    @classmethod
    def declared_tags(cls, name: str, options: MqttOptions) -> Sequence[Tag]:
        """The tags in the order of the file."""
        return [tag.as_tag(tag_name, name, PERIOD) for tag_name, tag in options.tags.items()]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[AsyncIterator[SampleBatch]]:
        """One connection that listens for as long as it is iterated; raises SourceLost."""
        async with self._subscribed() as feed, aclosing(self._batches(feed)) as batches:
            yield batches

    async def _batches(self, feed: Feed) -> AsyncGenerator[SampleBatch, None]:
        """Without end; SourceLost when the broker is gone."""
        for topic in sorted(feed.refused):
            log.warning("%s: the broker does not let us subscribe to %s", self.name, topic)
            yield nothing(self._fields[topic], time.time_ns())
        while True:
            arrivals = await feed.arrivals()
            yield to_batch(arrivals, self._fields, feed.take_lost())

    async def probe(self) -> Probe:
        """Connect, subscribe, and listen for up to 2 s until every tag was seen."""
        started = time.monotonic_ns()
        try:
            async with self._subscribed() as feed:
                took = (time.monotonic_ns() - started) / 1e6
                seen = await self._listen(feed)
        except SourceLost as lost:
            return Probe(ok=False, said=str(lost))
        if feed.refused:
            topics = ", ".join(sorted(feed.refused))
            return Probe(ok=False, said=f"connected, but the broker refuses to give {topics}")
        counts = {"topics": len(self._fields), "tags": len(self.options.tags), "seen": len(seen)}
        topics = f"{counts['topics']} topic" + ("" if counts["topics"] == 1 else "s")
        heard = f"{counts['seen']} of {counts['tags']} tags seen within {_LISTEN_S:g} s"
        said = f"connected in {took:.0f} ms, {topics} subscribed, {heard}"
        return Probe(ok=True, said=said, details=counts)

    async def _listen(self, feed: Feed) -> set[int]:
        """The tags of which something came in time."""
        seen: set[int] = set()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LISTEN_S):
                while len(seen) < len(self.options.tags) and not feed.refused:
                    seen.update(to_batch(await feed.arrivals(), self._fields).tag.tolist())
        return seen

    def _subscribed(self) -> AbstractAsyncContextManager[Feed]:
        tags_of = {topic: len(fields) for topic, fields in self._fields.items()}
        return subscribed(self.name, self.options, tags_of, self._places.config)

    def __repr__(self) -> str:
        return f"<{self.name}: mqtt {self.options.host}:{self.options.resolved_port}>"
