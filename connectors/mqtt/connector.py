"""The MQTT connector: options in, sample batches out."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from functools import partial
from typing import ClassVar

import structlog
from pydantic import BaseModel

from connectors.mqtt.client import Feed, new_client_id, subscribed
from connectors.mqtt.connection_errors import TooLong
from connectors.mqtt.left_out import LEFT_OUT_S, LeftOut
from connectors.mqtt.options import PERIOD, MqttOptions
from connectors.mqtt.payloads import bad_batch
from connectors.mqtt.reader import Reader
from connectors.mqtt.receive_queue import ReceiveQueue
from connectors.mqtt.topics import plan_of
from connectors.seldom import Seldom
from gateway.api.contracts import ConfigError, Places, SourceLost
from gateway.api.model import SECOND, Probe, SampleBatch, Tag

log = structlog.get_logger()
_LISTEN_S = 2.0
_MOST_REASONS = 5
_RAISE = "raise `max_payload`, or have the publisher send less on this topic"
_SILENCE_PERIODS, _LEAST_SILENCE_S = 1.5, 1.0
"""The broker is pinged after this many of its tags' shortest period without a message."""


class MqttConnector:
    """Reads the tags of one MQTT broker."""

    Options: ClassVar[type[BaseModel]] = MqttOptions
    listens = True

    def __init__(
        self, name: str, options: MqttOptions, tags: Sequence[Tag], places: Places
    ) -> None:
        del tags  # the options hold them
        self.name = name
        self.options = options
        self._places = places
        self._plan = plan_of(options)
        self._unmatched_topics: set[str] = set()
        self._tag_names = [tag.name for tag in self.declared_tags(name, options)]
        self._noted: tuple[dict[int, str], set[str]] = {}, set()
        self.diagnostics: list[str] = []
        self._left_out, self._is_session_discarded = LeftOut(), False
        self._seldom = Seldom(partial(log.warning, source=name))
        shortest = min(tag.period for tag in self.declared_tags(name, options)) / SECOND
        self._silence = max(_LEAST_SILENCE_S, _SILENCE_PERIODS * shortest)

    @classmethod
    def declared_tags(cls, name: str, options: MqttOptions) -> Sequence[Tag]:
        """The tags in the order of the line file, of a wildcard in the order of its levels."""
        return [
            entry.as_tag(tag, name, PERIOD)
            for written, entry in options.tags.items()
            for tag, _ in entry.addresses(written)
        ]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[AsyncIterator[SampleBatch]]:
        """One connection that listens while it is iterated; raises SourceLost or ConfigError."""
        client_id = self.options.client_id or new_client_id(self.name)
        feeding = self._subscribed(client_id, self._options_now())
        try:
            async with feeding as feed, aclosing(self._batches(feed)) as batches:
                yield batches
        except TooLong as lost:
            is_new = not lost.topic or self._left_out.add(lost.topic, time.monotonic())
            # Only a message that waits in the session comes although its topic is left out.
            self._is_session_discarded = not is_new
            raise

    def _options_now(self) -> MqttOptions:
        """The options, for once without the session that holds a message that is too long."""
        if not self._is_session_discarded or self.options.session_expiry is None:
            return self.options
        self._is_session_discarded = False
        self._notify("mqtt.session_discarded", why="a message that is too long waits in it")
        return self.options.model_copy(update={"session_expiry": None})

    async def _batches(self, feed: Feed) -> AsyncGenerator[SampleBatch, None]:
        """Yields forever; SourceLost when the broker is gone."""
        for topic in feed.refused:
            self._notify("mqtt.subscription_refused", topic=topic)
        refused = self._plan.refused_tags(feed.refused)
        reasons = {each.tag: "the broker refuses to subscribe to its topic" for each in refused}
        if reasons:
            yield bad_batch(reasons, time.time_ns())
        reader = Reader(self._plan, self.options, self._notify, self._unmatched_topics)
        if left_out := self._left_out.topics(time.monotonic()):
            yield self._without(left_out)
        while True:
            try:
                async with asyncio.timeout(self._left_out.first_end(time.monotonic())):
                    messages = await feed.messages(self._silence)
            except TimeoutError:
                left_out = await self._try_again(feed, left_out)
                continue
            batch = reader.batch(messages, feed.take_lost())
            self._note_absent(reader)
            yield batch

    def _without(self, left_out: Sequence[str]) -> SampleBatch:
        """Says what is left out; the tags of it are bad."""
        minutes = round(LEFT_OUT_S / 60)
        why = f"a message on it is longer than what is read, so it is left out for {minutes} min"
        for topic in left_out:
            self._notify("mqtt.topic_left_out", topic=topic, why=why, advice=_RAISE)
        reason = "a message on its topic was too long (`max_payload`)"
        tags = self._plan.tags_of(left_out)
        return bad_batch({each.tag: reason for each in tags}, time.time_ns())

    async def _try_again(self, feed: Feed, left_out: Sequence[str]) -> list[str]:
        """Subscribes to what has been left out long enough; returns what still is."""
        still = self._left_out.topics(time.monotonic())
        await feed.subscribe({topic: self.options.qos for topic in left_out if topic not in still})
        return still

    def _note_absent(self, reader: Reader) -> None:
        """Names the tags that no message on their topic had so far."""
        if (reader.absent, reader.unborn) != self._noted:
            for tag in reader.absent.keys() - self._noted[0].keys():
                self._notify("mqtt.tag_absent", tag=self._tag_names[tag], topic=reader.absent[tag])
            self._noted = dict(reader.absent), set(reader.unborn)
            self.diagnostics[:] = self._sentences(reader)

    def _sentences(self, reader: Reader) -> list[str]:
        absent = [
            f"{self._tag_names[tag]} has not been in any message on {topic} so far"
            for tag, topic in reader.absent.items()
        ]
        return absent + [
            f"the edge node {node} sends aliases, which have no meaning until its next birth"
            for node in sorted(reader.unborn)
        ]

    def _notify(self, event: str, /, **fields: object) -> None:
        self._seldom(event, **fields)

    async def probe(self) -> Probe:
        """Connects, subscribes, and listens for up to 2 s until every tag was seen.

        It uses its own client id and keeps no session, so no other session is disturbed.
        """
        for_once = self.options.model_copy(update={"session_expiry": None})
        started = time.monotonic_ns()
        try:
            async with self._subscribed(new_client_id(self.name), for_once) as feed:
                took = (time.monotonic_ns() - started) / 1e6
                seen, notes = await self._listen(feed)
        except (SourceLost, ConfigError) as error:
            return Probe(ok=False, message=str(error))
        if feed.refused:
            refused = ", ".join(sorted(feed.refused))
            why = f"connected, but the broker refuses to subscribe to {refused}"
            return Probe(ok=False, message=why)
        topics, tags = len(self._plan.subscriptions), self._plan.tags
        counts = {"topics": topics, "tags": tags, "seen": len(seen)}
        received = f"{len(seen)} of {tags} tags seen within {_LISTEN_S:g} s"
        plural = "" if topics == 1 else "s"
        outcome = f"connected in {took:.0f} ms, {topics} topic{plural} subscribed, {received}"
        more = len(notes) - _MOST_REASONS
        notes = notes[:_MOST_REASONS] + ([f"and {more} more"] if more > 0 else [])
        outcome = "; ".join([outcome, *notes])
        return Probe(ok=True, message=outcome, details=counts)

    async def _listen(self, feed: Feed) -> tuple[set[int], list[str]]:
        """The tags that a sample came for in time, and why others have none or a bad one."""
        seen: set[int] = set()
        reasons: dict[int, str] = {}
        reader = Reader(self._plan, self.options, lambda _event, /, **_fields: None, patience=1)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LISTEN_S):
                while len(seen) < self._plan.tags and not feed.refused:
                    batch = reader.batch(await feed.messages())
                    came = set(batch.tag.tolist())
                    seen |= came
                    reasons = {tag: why for tag, why in reasons.items() if tag not in came}
                    reasons |= batch.reasons
        named = [f"{self._tag_names[tag]}: {why}" for tag, why in reasons.items()]
        return seen, named + self._sentences(reader)

    def _subscribed(
        self, client_id: str, options: MqttOptions
    ) -> AbstractAsyncContextManager[Feed]:
        queue = ReceiveQueue(self._plan.samples_of, self.options.max_payload)
        wanted = self._plan.subscriptions_without(self._left_out.topics(time.monotonic()))
        return subscribed(client_id, options, wanted, queue, self._places.config)

    def __repr__(self) -> str:
        return f"<{self.name}: mqtt {self.options.host}:{self.options.resolved_port}>"
