"""The contract of a sink: what it says it wrote is there, and nothing else is."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

import pytest

from gateway.api.contracts import Places, SinkRejected, SinkUnavailable
from gateway.api.line_protocol import encode
from gateway.api.model import Envelope, Kind, Point, Probe
from gateway.api.testing.harnesses import SinkHarness
from gateway.api.testing.plugins import PluginContract, files_in

NAME = "mine"
"""The sink's name in the line file."""
AT = 1_700_000_000_123_456_789
_LOOK_S = 0.02


class SinkContract(PluginContract):
    """What every sink must keep to. Subclass it and override `harness`."""

    group = "andon.sinks"
    within: ClassVar[float] = 30.0
    """Seconds to wait for points to be stored."""
    promptly: ClassVar[float] = 10.0
    """Seconds for three writes to a far end that is away."""

    @pytest.fixture
    def sink(self, plugin: Any, options: Any, places: Places) -> Any:
        """The sink, built as the gateway builds it."""
        return plugin(NAME, options, places)

    @contextlib.asynccontextmanager
    async def running(self, harness: SinkHarness) -> AsyncIterator[None]:
        """The far end, started; stopped at the end."""
        await harness.start()
        try:
            yield
        finally:
            await harness.stop()

    async def assert_stored(self, harness: SinkHarness, batch: Sequence[Envelope]) -> None:
        """Fails unless these points arrive, or have, and no others."""
        wanted = [harness.expect(envelope.body) for envelope in batch]
        limit = asyncio.get_running_loop().time() + self.within
        stored = await harness.stored()
        while (missing := _without(wanted, stored)) and asyncio.get_running_loop().time() < limit:
            await asyncio.sleep(_LOOK_S)
            stored = await harness.stored()
        assert not missing, f"written, says the sink, and not stored: {missing}; stored: {stored}"
        foreign = _without(stored, wanted)
        assert not foreign, f"stored, and never written: {foreign}"

    def test_it_says_which_classes_it_accepts(self, plugin: Any) -> None:
        assert isinstance(plugin.accepts, frozenset)
        assert plugin.accepts
        assert plugin.accepts <= set(Kind)

    def test_building_it_touches_nothing(self, plugin: Any, options: Any, places: Places) -> None:
        before = files_in(places)
        plugin(NAME, options, places)
        assert files_in(places) == before

    @pytest.mark.asyncio
    async def test_it_opens_and_closes_whether_its_far_end_is_there_or_not(
        self, sink: Any, harness: SinkHarness
    ) -> None:
        async with sink.open():
            pass
        async with self.running(harness), sink.open():
            pass

    @pytest.mark.asyncio
    async def test_what_it_says_it_wrote_is_stored_and_nothing_else(
        self, sink: Any, harness: SinkHarness
    ) -> None:
        batch = points_for(sink)
        async with self.running(harness), sink.open():
            count = await sink.write(batch)
            await self.assert_stored(harness, batch)
        assert isinstance(count, int)
        assert count > 0, "write returns how many bytes left"

    @pytest.mark.asyncio
    async def test_the_same_points_written_again_are_the_same(
        self, sink: Any, harness: SinkHarness
    ) -> None:
        batch = points_for(sink)
        async with self.running(harness), sink.open():
            for _ in range(2):
                await sink.write(batch)
                await self.assert_stored(harness, batch)

    @pytest.mark.asyncio
    async def test_a_point_that_is_refused_is_named_and_the_others_are_stored(
        self, sink: Any, harness: SinkHarness
    ) -> None:
        if harness.refused is None:
            pytest.skip("the harness knows no point that is refused")
        first, *others = points_for(sink)
        refused = Envelope(first.kind, AT, harness.refused)
        async with self.running(harness), sink.open():
            with pytest.raises(SinkRejected, match=r"\w") as error:
                await sink.write([first, refused, *others])
            await self.assert_stored(harness, [first, *others])
        assert error.value.which == (1,)

    @pytest.mark.asyncio
    async def test_it_says_at_once_that_its_far_end_is_away_and_leaves_the_rest_to_the_gateway(
        self, sink: Any
    ) -> None:
        async with sink.open(), asyncio.timeout(self.promptly):
            for _ in range(3):
                with pytest.raises(SinkUnavailable, match=r"\w") as error:
                    await sink.write(points_for(sink))
                assert error.value.wait >= 0

    @pytest.mark.asyncio
    async def test_it_writes_again_once_its_far_end_is_back(
        self, sink: Any, harness: SinkHarness
    ) -> None:
        *before, after = points_for(sink)
        async with self.running(harness), sink.open():
            await sink.write(before)
            await self.assert_stored(harness, before)
            await harness.stop()
            with pytest.raises(SinkUnavailable, match=r"\w"):
                await sink.write([after])
            await harness.start()
            await self._write_until_taken(sink, [after])
            await self.assert_stored(harness, [*before, after])

    async def _write_until_taken(self, sink: Any, batch: Sequence[Envelope]) -> None:
        """As the gateway does: the same batch again, until it is written."""
        async with asyncio.timeout(self.within):
            while True:
                with contextlib.suppress(SinkUnavailable):
                    await sink.write(batch)
                    return
                await asyncio.sleep(_LOOK_S)

    @pytest.mark.asyncio
    async def test_a_probe_says_whether_its_far_end_works_and_stores_nothing(
        self, sink: Any, harness: SinkHarness, places: Places
    ) -> None:
        async with sink.open(), asyncio.timeout(self.within):
            away = await sink.probe()
        async with self.running(harness), sink.open(), asyncio.timeout(self.within):
            before = files_in(places)
            there = await sink.probe()
            await self.assert_stored(harness, [])
            after = files_in(places)
        assert isinstance(away, Probe)
        assert not away.ok
        assert away.message
        assert isinstance(there, Probe)
        assert there.ok, there.message
        assert there.message
        assert after == before


def _without(some: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    return [each for each in some if each not in others]


def points_for(sink: Any) -> list[Envelope]:
    """Three points or more, of every class that the sink accepts, each different."""
    tags = {"site": "s", "line": "l", "detector": "d", "severity": "low"}
    kinds = sorted(sink.accepts)
    return [
        Envelope(kind, AT + n, encode(Point("m", {**tags, "n": f"{n}"}, _fields(kind, n), AT + n)))
        for n, kind in enumerate(kinds * -(-3 // len(kinds)))
    ]


def _fields(kind: Kind, n: int) -> dict[str, float | bool | str]:
    """Of an alert those by which a sink can tell one alarm from another."""
    if kind is not Kind.ALERT:
        return {"x": n / 8}
    alarm = {"id": f"d.a{n}-1", "alarm": f"a{n}", "transition": "raised", "state": "unacknowledged"}
    return {"x": n / 8, **alarm, "active": True}
