"""The contract of a connector: it reads what its source shows, with time and quality."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from gateway.api.contracts import Places, SourceLost
from gateway.api.model import Probe, SampleBatch, Tag
from gateway.api.testing.harnesses import ConnectorHarness
from gateway.api.testing.plugins import PluginContract, files_in
from gateway.api.testing.readings import Values, beyond, is_bounded
from gateway.api.testing.session import ComparedSession
from gateway.api.testing.source import FilledSource, tags_of

NAME = "mine"
"""The source's name in the line file."""


class ConnectorContract(PluginContract):
    """What every connector must keep to. Subclass it and override `harness`."""

    group = "andon.connectors"
    needed_options = ("type", "tags")
    example = "write it as in a line file, as in options = {'type': 'mine', 'tags': {...}}"
    within: ClassVar[float] = 30.0
    """Seconds to wait for a sample, an answer or SourceLost."""
    promptly: ClassVar[float] = 10.0
    """Seconds for leaving a session, which must not wait for the source."""

    @pytest.fixture
    def given(self, harness: ConnectorHarness) -> Sequence[Tag]:
        """The tags as the line file says them."""
        tags = tags_of(harness.options["tags"], NAME)
        assert len(tags) > 1, "give the harness two tags: one alone cannot be taken for another"
        assert any(map(is_bounded, tags)), "give one of the harness's tags `low` and `high`"
        return tags

    @pytest.fixture
    def declared(self, plugin: Any, options: Any) -> Sequence[Tag]:
        """The tags as the connector declares them."""
        declared: Sequence[Tag] = plugin.declared_tags(NAME, options)
        return declared

    @pytest.fixture
    def connector(self, plugin: Any, options: Any, declared: Sequence[Tag], places: Places) -> Any:
        """The connector, built as the gateway builds it."""
        return plugin(NAME, options, declared, places)

    @pytest.fixture
    def source(self, harness: ConnectorHarness, given: Sequence[Tag]) -> FilledSource:
        """The harness, not yet started."""
        return FilledSource(harness, given)

    @pytest.fixture
    def far_from_utc(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """A local time that differs from UTC, where a time in the wrong zone shows."""
        with monkeypatch.context() as patch:
            patch.setenv("TZ", "ANDON-5:45")
            time.tzset()
            yield
        time.tzset()

    @contextlib.asynccontextmanager
    async def session(
        self, connector: Any, declared: Sequence[Tag], source: FilledSource
    ) -> AsyncIterator[ComparedSession]:
        """A session over which every tag was read once."""
        async with connector.open() as batches:
            session = ComparedSession(batches, declared, source, self.within)
            async with source.repeating():
                await session.until_all_are_good()
            yield session

    def test_its_tags_are_those_of_its_options_in_a_fixed_order(
        self, plugin: Any, harness: ConnectorHarness, declared: Sequence[Tag], given: Sequence[Tag]
    ) -> None:
        again = plugin.declared_tags(NAME, plugin.Options.model_validate(dict(harness.options)))
        assert tuple(again) == tuple(declared)
        assert [tag.name for tag in declared] == [tag.name for tag in given]
        assert {tag.source for tag in declared} == {NAME}
        assert all(tag.period > 0 for tag in declared)

    def test_its_tags_carry_the_unit_and_the_bounds_of_its_options(
        self, declared: Sequence[Tag], given: Sequence[Tag]
    ) -> None:
        for tag, wanted in zip(declared, given, strict=True):
            # A connector may add what its own options say: the period, and what means no value.
            shared, others = (replace(each, period=0, no_value=()) for each in (tag, wanted))
            assert shared == others

    def test_building_it_touches_nothing(
        self, plugin: Any, options: Any, declared: Sequence[Tag], places: Places
    ) -> None:
        before = files_in(places)
        plugin(NAME, options, declared, places)
        assert files_in(places) == before

    @pytest.mark.asyncio
    @pytest.mark.usefixtures("far_from_utc")
    async def test_every_value_arrives_with_its_time_under_its_tag(
        self, connector: Any, declared: Sequence[Tag], source: FilledSource
    ) -> None:
        first, *others = source.readings()
        async with source.running():
            await source.publish(first)
            async with self.session(connector, declared, source) as session:
                for values in others:
                    await session.until_seen(await source.publish(values))

    @pytest.mark.asyncio
    async def test_a_value_out_of_bounds_is_bad_and_its_neighbours_are_not(
        self, connector: Any, declared: Sequence[Tag], source: FilledSource
    ) -> None:
        first, second, *_ = source.readings()
        limits = {tag.name: beyond(tag) for tag in source.tags.values() if is_bounded(tag)}
        async with source.running():
            await source.publish(first)
            async with self.session(connector, declared, source) as session:
                for values in _halves(limits):
                    await session.until_seen(await source.publish({**second, **values}))
                await session.until_seen(await source.publish(first))
        wanted = [value for each in source.history for value in each.expected.values()]
        assert any(map(math.isnan, wanted)), "the harness shows no value out of a tag's bounds"

    @pytest.mark.asyncio
    async def test_a_reading_without_a_value_is_bad(
        self,
        harness: ConnectorHarness,
        connector: Any,
        declared: Sequence[Tag],
        source: FilledSource,
    ) -> None:
        if not harness.has_bad:
            pytest.skip("the source cannot say that it has no value")
        first, second, *_ = source.readings()
        nothing = dict.fromkeys(source.tags, math.nan)
        async with source.running():
            await source.publish(first)
            async with self.session(connector, declared, source) as session:
                for values in _halves(nothing):
                    await session.until_seen(await source.publish({**second, **values}))
                await session.until_seen(await source.publish(first))

    @pytest.mark.asyncio
    async def test_a_source_that_is_away_is_lost_on_entry_and_fails_the_probe(
        self, connector: Any
    ) -> None:
        with pytest.raises(SourceLost, match=r"\w"):
            async with asyncio.timeout(self.within), connector.open():
                pytest.fail("a session opened although the source is away")
        async with asyncio.timeout(self.within):
            probe = await connector.probe()
        assert isinstance(probe, Probe)
        assert not probe.ok
        assert probe.message

    @pytest.mark.asyncio
    async def test_a_probe_of_a_source_that_works_is_good_and_leaves_no_trace(
        self, connector: Any, source: FilledSource, places: Places
    ) -> None:
        async with source.running():
            await source.publish(source.readings()[0])
            before = files_in(places)
            async with source.repeating(), asyncio.timeout(self.within):
                probe = await connector.probe()
            after = files_in(places)
        assert isinstance(probe, Probe)
        assert probe.ok, probe.message
        assert probe.message
        assert after == before

    @pytest.mark.asyncio
    async def test_a_session_is_left_promptly_and_another_may_be_opened(
        self, connector: Any, declared: Sequence[Tag], source: FilledSource
    ) -> None:
        async with source.running():
            await source.publish(source.readings()[0])
            for _ in range(2):
                async with self.session(connector, declared, source):
                    left = asyncio.get_running_loop().time()
                assert asyncio.get_running_loop().time() - left < self.promptly

    @pytest.mark.asyncio
    async def test_a_reader_that_is_cancelled_leaves_promptly(
        self, connector: Any, source: FilledSource
    ) -> None:
        reading = asyncio.Event()

        async def read() -> None:
            async with connector.open() as batches:
                await _read_on(batches, reading)

        async with source.running():
            await source.publish(source.readings()[0])
            task = asyncio.create_task(read())
            async with source.repeating(), asyncio.timeout(self.within):
                await reading.wait()
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=self.promptly)
            assert done == {task}, f"it went on reading for {self.promptly:g} s"
            assert task.cancelled()

    @pytest.mark.asyncio
    async def test_a_source_that_stops_is_lost_and_is_read_again_when_it_is_back(
        self, connector: Any, declared: Sequence[Tag], source: FilledSource
    ) -> None:
        first, second, *_ = source.readings()
        async with source.running():
            await source.publish(first)
            async with self.session(connector, declared, source) as session:
                await source.harness.stop()
                await session.until_lost()
            await source.harness.start()
            await source.publish(second)
            async with self.session(connector, declared, source) as session:
                await session.until_seen(await source.publish(first))


def _halves(values: Values) -> list[Values]:
    """Every other tag, then the rest: each is bad once beside a good one."""
    return [dict(list(values.items())[start::2]) for start in (0, 1)]


async def _read_on(batches: AsyncIterator[SampleBatch], reading: asyncio.Event) -> None:
    task = asyncio.current_task()
    async for _ in batches:
        reading.set()
        # As the gateway does: asyncio.wait_for of Python 3.11 swallows a cancellation that meets an
        # answer.
        if task is not None and task.cancelling():
            raise asyncio.CancelledError
