"""A server that fails in every way, three times in ten: none missing, none extra."""

import asyncio
import os
from contextlib import suppress
from types import SimpleNamespace

import pytest
from fake_influx import FAULTS, LyingInflux

from gateway.api.contracts import Places
from gateway.api.line_protocol import encode
from gateway.api.model import Envelope, Kind, Point
from gateway.buffer import open_buffer
from gateway.delivery.forwarder import Forwarder
from gateway.delivery.pace import Pace
from gateway.sinks.influx import InfluxOptions, InfluxSink

POINTS = 10_000
SEEDS = range(int(os.environ.get("ANDON_LYING_SEEDS", "2")))
POISON = {17, 4000, 4001, 7777, POINTS - 1}
BUFFER = SimpleNamespace(max_bytes=10**9, max_age=2**62)


def points():
    """Every hundredth an alert; some that no server will ever take."""
    for n in range(POINTS):
        tags = {"tag": f"poison{n}" if n in POISON else f"t{n % 50}"}
        kind = Kind.SUMMARY if n % 100 else Kind.ALERT
        yield Envelope(kind, n, encode(Point("m", tags, {"value": n / 7}, n)))


@pytest.mark.parametrize("seed", SEEDS)
async def test_10_000_points_arrive_once_each_whatever_the_server_says(tmp_path, seed):
    everything = list(points())
    good = {e.body for n, e in enumerate(everything) if n not in POISON}
    server = LyingInflux(seed)
    async with (
        server.serving(),
        open_buffer(tmp_path / "b.db", BUFFER, {"cloud": frozenset(Kind)}) as buffer,
    ):
        sink = InfluxSink("cloud", InfluxOptions(url=server.url, bucket="b"), Places(None, None))
        forwarder = Forwarder("cloud", sink, buffer, pace=Pace(draw=lambda: 0.0), linger=0.0)
        async with sink.open():
            task = asyncio.create_task(forwarder.run())
            for start in range(0, POINTS, 500):
                await buffer.append(everything[start : start + 500])
            await drained(buffer)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        letters = await buffer.dead_letters(POINTS)
    assert sorted(server.lines) == sorted(good)
    assert {letter.body for letter in letters} == {everything[n].body for n in POISON}
    assert len(letters) == len(POISON)
    assert sum(server.faults.values()) > len(FAULTS)


async def drained(buffer):
    async with asyncio.timeout(100):
        while (stats := await buffer.stats())["alerts"] or stats["summaries"]:
            await asyncio.sleep(0.05)
    assert set(stats["dropped_by"]) == {"summary.rejected", "alert.rejected"}
