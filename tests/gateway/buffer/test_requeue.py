"""Requeued points go where they are missing, and the gap that was reported is taken back."""

import asyncio
import contextlib
import time
from types import SimpleNamespace

import pytest
import structlog
from patience import PATIENCE

from gateway.api.contracts import SinkUnavailable
from gateway.api.line_protocol import decode
from gateway.api.model import Envelope, Kind
from gateway.buffer import open_buffer
from gateway.core.stored_points import StoredPoints
from gateway.delivery.forwarder import Forwarder
from gateway.delivery.pace import Pace

A, S, G, C = Kind
OPTIONS = SimpleNamespace(max_bytes=10**9, max_age=2**62)
BOTH = {"cloud": frozenset(Kind), "panel": frozenset({A, S})}


def opened(path, sinks=BOTH):
    return open_buffer(path / "b.db", OPTIONS, sinks, handling=StoredPoints("s", "l"))


def points(kind, *numbers):
    return [Envelope(kind, n, b"m f=%d %d" % (n, n)) for n in numbers]


async def bodies(buffer, sink):
    """What waits for a sink, without the reports of gaps."""
    batch = await buffer.lease(sink, 1_000, 10**7)
    return [int(e.at) for e in batch if e.kind is not G]


async def all_taken(buffer, sink):
    while batch := await buffer.lease(sink, 1_000, 10**7):
        await buffer.ack(sink, batch)


async def rejected_by(buffer, sink, *numbers):
    batch = await buffer.lease(sink, 1_000, 10**7)
    await buffer.reject(sink, [e for e in batch if e.at in numbers], "type conflict")
    await buffer.ack(sink, [e for e in batch if e.at not in numbers])


@pytest.mark.parametrize("kind", [A, S])
async def test_a_sink_that_had_the_point_does_not_get_it_again(tmp_path, kind):
    async with opened(tmp_path) as buffer:
        await buffer.append(points(kind, 1, 2, 3))
        await all_taken(buffer, "panel")
        await rejected_by(buffer, "cloud", 2)
        assert await buffer.requeue(None) == 1
        assert await bodies(buffer, "panel") == []
        assert await bodies(buffer, "cloud") == [2]
        await all_taken(buffer, "cloud")
        assert (await buffer.stats())["alerts"] == 0


@pytest.mark.parametrize("restart", [False, True])
async def test_nor_does_one_that_still_has_others_to_take(tmp_path, restart):
    async with opened(tmp_path) as buffer:
        await buffer.append(points(A, 1, 2, 3))
        # The panel has only the second one; whatever waits for it comes before the requeued one.
        await buffer.ack("panel", (await buffer.lease("panel", 10, 10**6))[:2])
        await rejected_by(buffer, "cloud", 2)
        await buffer.requeue(None)
        await buffer.append(points(A, 4))
        if not restart:
            assert await bodies(buffer, "panel") == [3, 4]
    async with opened(tmp_path) as buffer:
        assert await bodies(buffer, "panel") == [3, 4]
        assert await bodies(buffer, "cloud") == [2, 4]
        await all_taken(buffer, "panel")
        await buffer.append(points(A, 5))
        assert await bodies(buffer, "panel") == [5]


async def test_a_point_that_both_rejected_goes_to_both_once(tmp_path):
    async with opened(tmp_path) as buffer:
        await buffer.append(points(S, 1, 2))
        for sink in BOTH:
            await rejected_by(buffer, sink, 1)
        assert await buffer.requeue(None) == 1
        for sink in BOTH:
            assert await bodies(buffer, sink) == [1]


async def test_a_point_whose_sink_is_not_in_the_line_file_any_more_goes_to_all(tmp_path):
    async with opened(tmp_path) as buffer:
        await buffer.append(points(A, 1))
        await all_taken(buffer, "panel")
        await rejected_by(buffer, "cloud", 1)
    async with opened(tmp_path, {"new": frozenset(Kind), "panel": frozenset({A})}) as buffer:
        await buffer.requeue(None)
        assert await bodies(buffer, "new") == [1]
        assert await bodies(buffer, "panel") == [1]


def gaps(buffer_points):
    """The gap markers by their time, as InfluxDB keeps them: the last one of a time."""
    return {e.at: decode(e.body).fields for e in buffer_points if b"gap_class" in e.body}


async def reported(buffer):
    """Waits for the report of losses, and takes it."""
    async with asyncio.timeout(PATIENCE):
        while True:
            await buffer.maintain()
            batch = [e for e in await buffer.lease("cloud", 100, 10**6) if e.kind is G]
            if batch:
                await buffer.ack("cloud", batch)
                return batch
            await asyncio.sleep(0.01)


async def test_a_gap_that_was_not_reported_yet_never_is(tmp_path):
    async with opened(tmp_path) as buffer:
        await buffer.append(points(S, 1, 2, 3))
        await rejected_by(buffer, "cloud", 1, 2)
        await buffer.requeue(None)
        assert (await buffer.stats())["losses"] == []
        await buffer.maintain()
        assert (await buffer.stats())["gateway"] == 0
        assert (await buffer.stats())["given_up_why"] == []


@pytest.mark.parametrize(("again", "left"), [([1], 2), ([1, 2], 1), (None, 0)])
async def test_the_marker_of_a_gap_is_written_again_with_what_is_left(tmp_path, again, left):
    async with opened(tmp_path) as buffer:
        await buffer.append(points(S, 1, 2, 3, 4))
        await rejected_by(buffer, "cloud", 1, 2, 3)
        (first,) = await reported(buffer)
        assert decode(first.body).fields["gap_count"] == 3
        numbers = {letter.at: letter.id for letter in await buffer.dead_letters(10)}
        await buffer.requeue(None if again is None else [numbers[at] for at in again])
        batch = await buffer.lease("cloud", 100, 10**6)
        (marker,) = [e for e in batch if e.kind is G]
    # The same measurement, tags and time: InfluxDB overwrites the first one.
    assert marker.at == first.at
    assert gaps([first, marker])[first.at] == {
        "gap_class": "summary",
        "gap_reason": "rejected",
        "gap_count": left,
        "gap_from": 1,
        "gap_to": 3,
    }


async def test_a_point_that_is_rejected_again_is_a_gap_again(tmp_path):
    async with opened(tmp_path) as buffer:
        await buffer.append(points(A, 1))
        await rejected_by(buffer, "cloud", 1)
        await buffer.requeue(None)
        await rejected_by(buffer, "cloud", 1)
        (marker,) = await reported(buffer)
        assert decode(marker.body).fields["gap_count"] == 1
        assert "1 alert refused" in (await buffer.stats())["given_up_why"][0]


async def test_thousands_of_points_are_requeued_at_once(tmp_path):
    count = 10_000
    async with opened(tmp_path, {"cloud": frozenset(Kind)}) as buffer:
        await buffer.append(points(S, *range(1, count + 1)))
        await buffer.reject("cloud", await buffer.lease("cloud", count, 10**9), "type conflict")
        (marker,) = await reported(buffer)
        assert decode(marker.body).fields["gap_count"] == count
        began = time.process_time()
        assert await buffer.requeue(None) == count
        assert time.process_time() - began < 5
        batch = await buffer.lease("cloud", count + 1, 10**9)
        assert len(batch) == count + 1
        assert gaps(batch)[marker.at]["gap_count"] == 0


class Refusing:
    """A sink that is away for one reason after the other."""

    accepts = frozenset(Kind)

    def __init__(self, *reasons):
        self._reasons = list(reasons)

    async def write(self, batch):
        if self._reasons:
            raise SinkUnavailable(self._reasons.pop(0), needs_human=True)
        return 1


async def test_each_reason_for_which_a_human_must_help_is_logged(tmp_path):
    sink = Refusing("404 Not Found", "404 Not Found", "403 Forbidden", "403 Forbidden", "401")
    pace = Pace()
    pace.after_failure = lambda _error: 0.0
    async with opened(tmp_path, {"cloud": frozenset(Kind)}) as buffer:
        with structlog.testing.capture_logs() as logs:
            task = asyncio.create_task(Forwarder("cloud", sink, buffer, pace=pace).run())
            await buffer.append(points(A, 1))
            async with asyncio.timeout(PATIENCE):
                while (await buffer.stats())["alerts"]:
                    await asyncio.sleep(0.01)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
    told = [entry["why"] for entry in logs if entry["event"] == "sink.away"]
    assert told == ["404 Not Found", "403 Forbidden", "401"]
    assert {entry["log_level"] for entry in logs if entry["event"] == "sink.away"} == {"error"}
