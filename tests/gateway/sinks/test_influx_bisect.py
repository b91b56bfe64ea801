"""Points that a server names or counts are found without a search."""

import random

import pytest
from fake_influx import FakeInflux
from retention import SECOND, VERSIONS, NamesLines, ShortRetention

from gateway.api.contracts import Places, SinkRejected
from gateway.api.line_protocol import encode
from gateway.api.model import Envelope, Kind, Point
from gateway.sinks.influx import InfluxOptions, InfluxSink

NOW = 1_790_000_000 * SECOND


def point(at, name="m", **tags):
    return Envelope(Kind.SUMMARY, at, encode(Point(name, tags, {"x": 1.0}, at)))


def points(*ats):
    return [point(at, n=str(n)) for n, at in enumerate(ats)]


async def given_up(server, batch):
    """The indices that were rejected, and the reason."""
    async with server.serving() as running:
        sink = InfluxSink("cloud", InfluxOptions(url=running.url, bucket="b"), Places(None, None))
        async with sink.open():
            try:
                await sink.write(batch)
            except SinkRejected as error:
                return set(error.which), str(error)
    return set(), ""


def times(shape, count=5_000):
    """`count` times in ns, half of them an hour before NOW, in some order."""
    old = [NOW - 3600 * SECOND + n * 1_000 for n in range(count // 2)]
    new = [NOW + n * 1_000 for n in range(count - count // 2)]
    mixed = [*old, *new]
    if shape == "interleaved":
        return [at for pair in zip(old, new, strict=True) for at in pair]
    if shape == "shuffled":
        random.Random(3).shuffle(mixed)
    if shape == "newest first":
        mixed.reverse()
    return mixed


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("shape", ["in order", "interleaved", "shuffled", "newest first"])
async def test_points_beyond_the_retention_cost_three_requests_more(version, shape):
    batch = points(*times(shape))
    server = ShortRetention(VERSIONS[version], NOW - 60 * SECOND)
    which, why = await given_up(server, batch)
    assert which == {n for n, each in enumerate(batch) if each.at < NOW - 60 * SECOND}
    assert set(server.lines) == {each.body for each in batch if each.at >= NOW - 60 * SECOND}
    assert "retention policy" in why
    # Five requests hold 5,000 points.
    assert len(server.requests) <= 5 + 3


@pytest.mark.parametrize("count", [1, 2, 3, 499, 500, 997, 998, 999])
@pytest.mark.parametrize("version", ["1.x", "2.8"])
async def test_any_share_of_a_request_may_be_beyond_the_retention(version, count):
    ats = [NOW + (n if n >= count else n - 3600 * SECOND) for n in range(1000)]
    random.Random(count).shuffle(ats)
    batch = points(*ats)
    server = ShortRetention(VERSIONS[version], NOW - 60 * SECOND)
    which, _ = await given_up(server, batch)
    assert which == {n for n, each in enumerate(batch) if each.at < NOW - 60 * SECOND}
    assert len(server.requests) <= 4


async def test_points_of_one_time_share_their_fate(tmp_path):
    batch = points(*[NOW - 3600 * SECOND] * 100, *[NOW] * 100)
    server = ShortRetention(VERSIONS["2.8"], NOW - 60 * SECOND)
    assert (await given_up(server, batch))[0] == set(range(100))
    assert len(server.requests) == 3


async def test_a_conflict_among_points_beyond_the_retention_is_found_too():
    ats = [NOW - 3600 * SECOND + n for n in range(50)] + [NOW + n for n in range(50)]
    batch = points(*ats)
    batch[70] = point(NOW + 70, "poison")
    server = ShortRetention(VERSIONS["2.8"], NOW - 60 * SECOND)
    which, _ = await given_up(server, batch)
    assert which == {*range(50), 70}
    assert set(server.lines) == {e.body for n, e in enumerate(batch) if n >= 50 and n != 70}


async def test_a_server_that_miscounts_loses_no_good_point():
    def miscounts(old, lower):
        return VERSIONS["1.x"](old[: len(old) // 2], lower)

    batch = points(*times("shuffled", 60))
    server = ShortRetention(miscounts, NOW - 60 * SECOND)
    which, _ = await given_up(server, batch)
    assert set(server.lines) == {each.body for each in batch if each.at >= NOW - 60 * SECOND}
    assert which == {n for n, each in enumerate(batch) if each.at < NOW - 60 * SECOND}


@pytest.mark.parametrize("bad", [{0}, {999}, {5, 6, 7}, set(range(0, 1000, 2)), set(range(1000))])
async def test_points_that_are_named_cost_three_requests(bad):
    batch = [point(NOW + n, "poison" if n in bad else "m", n=str(n)) for n in range(1000)]
    server = NamesLines()
    which, why = await given_up(server, batch)
    assert which == bad
    assert set(server.lines) == {e.body for n, e in enumerate(batch) if n not in bad}
    assert "invalid column" in why
    assert len(server.requests) <= 4


class Quotes(FakeInflux):
    """Quotes each refused point, so that no two messages are the same."""

    def honest(self, body):
        wrong = next((line for line in body.split(b"\n") if self.poison in line), b"")
        self.words = f"unable to parse '{wrong.decode()}': invalid number"
        return super().honest(body)


async def test_refusals_of_one_kind_that_quote_their_points_cost_one_request_each():
    server = Quotes()
    which, _ = await given_up(server, [point(NOW + n, "poison", n=str(n)) for n in range(100)])
    assert which == set(range(100))
    assert len(server.requests) < 130
