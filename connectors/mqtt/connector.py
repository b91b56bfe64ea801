"""The connector that the gateway knows: options in, sample batches out."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from typing import ClassVar

from pydantic import BaseModel

from connectors.mqtt.client import Feed, new_client_id, subscribed
from connectors.mqtt.mailbox import Mailbox
from connectors.mqtt.options import PERIOD, MqttOptions
from connectors.mqtt.payloads import nothing
from connectors.mqtt.reader import Reader
from connectors.mqtt.topics import plan_of
from gateway.api.contracts import ConfigError, Places, SourceLost
from gateway.api.model import SECOND, Probe, SampleBatch, Tag

log = logging.getLogger(__name__)
_LISTEN_S = 2.0
_SILENCE_PERIODS, _LEAST_SILENCE_S = 1.5, 1.0
"""The broker is asked after this many of the shortest period of its tags without a message."""


class MqttConnector:
    """Reads the tags of one MQTT broker."""

    Options: ClassVar[type[BaseModel]] = MqttOptions
    listens = True

    def __init__(
        self, name: str, options: MqttOptions, tags: Sequence[Tag], places: Places
    ) -> None:
        del tags  # the options say it all
        self.name = name
        self.options = options
        self._places = places
        self._plan = plan_of(options)
        self._strangers: set[str] = set()
        shortest = min(tag.period for tag in self.declared_tags(name, options)) / SECOND
        self._silence = max(_LEAST_SILENCE_S, _SILENCE_PERIODS * shortest)

    @classmethod
    def declared_tags(cls, name: str, options: MqttOptions) -> Sequence[Tag]:
        """The tags in the order of the file, those of a wildcard in the order of its levels."""
        return [
            entry.as_tag(tag, name, PERIOD)
            for written, entry in options.tags.items()
            for tag, _ in entry.addresses(written)
        ]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[AsyncIterator[SampleBatch]]:
        """One connection that listens for as long as it is iterated; SourceLost, ConfigError."""
        client_id = self.options.client_id or new_client_id(self.name)
        feeding = self._subscribed(client_id, self.options)
        async with feeding as feed, aclosing(self._batches(feed)) as batches:
            yield batches

    async def _batches(self, feed: Feed) -> AsyncGenerator[SampleBatch, None]:
        """Without end; SourceLost when the broker is gone."""
        for topic in feed.refused:
            log.warning("%s: the broker does not let us subscribe to %s", self.name, topic)
        silent = [place.tag for place in self._plan.silenced(feed.refused)]
        if silent:
            yield nothing(silent, time.time_ns())
        reader = Reader(self._plan, self.options, self._say, self._strangers)
        while True:
            arrivals = await feed.arrivals(self._silence)
            yield reader.batch(arrivals, feed.take_lost())

    def _say(self, what: str) -> None:
        log.warning("%s: %s", self.name, what)

    async def probe(self) -> Probe:
        """Connect, subscribe, and listen for up to 2 s until every tag was seen.

        With a client id of its own and for once only, so that no session is disturbed or left.
        """
        for_once = self.options.model_copy(update={"session_expiry": None})
        started = time.monotonic_ns()
        try:
            async with self._subscribed(new_client_id(self.name), for_once) as feed:
                took = (time.monotonic_ns() - started) / 1e6
                seen = await self._listen(feed)
        except (SourceLost, ConfigError) as error:
            return Probe(ok=False, said=str(error))
        if feed.refused:
            refused = ", ".join(sorted(feed.refused))
            return Probe(ok=False, said=f"connected, but the broker refuses to give {refused}")
        topics, tags = len(self._plan.subscriptions), self._plan.tags
        counts = {"topics": topics, "tags": tags, "seen": len(seen)}
        heard = f"{len(seen)} of {tags} tags seen within {_LISTEN_S:g} s"
        plural = "" if topics == 1 else "s"
        said = f"connected in {took:.0f} ms, {topics} topic{plural} subscribed, {heard}"
        return Probe(ok=True, said=said, details=counts)

    async def _listen(self, feed: Feed) -> set[int]:
        """The tags of which something came in time."""
        seen: set[int] = set()
        reader = Reader(self._plan, self.options, lambda _what: None)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LISTEN_S):
                while len(seen) < self._plan.tags and not feed.refused:
                    seen.update(reader.batch(await feed.arrivals()).tag.tolist())
        return seen

    def _subscribed(
        self, client_id: str, options: MqttOptions
    ) -> AbstractAsyncContextManager[Feed]:
        mailbox = Mailbox(self._plan.samples_of)
        wanted = self._plan.subscriptions
        return subscribed(client_id, options, wanted, mailbox, self._places.config)

    def __repr__(self) -> str:
        return f"<{self.name}: mqtt {self.options.host}:{self.options.resolved_port}>"
