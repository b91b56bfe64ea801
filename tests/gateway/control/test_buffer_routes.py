"""The buffer's routes refuse what makes no sense, with a status code."""

import pytest
from fakes import tag

from gateway.api.model import SECOND, Envelope, Kind
from gateway.buffer import open_buffer
from gateway.config.schema import BufferSection
from gateway.control import buffer_routes
from gateway.control.client import ControlError, request
from gateway.control.server import SOCKET, serve
from gateway.core.freshness import FreshnessWatch
from gateway.telemetry.health import Health

NOW = 1_700_000_000 * SECOND


@pytest.fixture
async def socket(tmp_path):
    """The socket of a daemon with one dead letter."""
    tags = [tag("flow")]
    health = Health("l", "s", tags, FreshnessWatch(tags, 5.0, 3.0))
    where = {"host": "127.0.0.1", "port": 0, "socket": tmp_path / SOCKET}
    async with open_buffer(
        tmp_path / "b.db", BufferSection(), {"cloud": frozenset(Kind)}
    ) as buffer:
        await buffer.append([Envelope(Kind.ALERT, NOW, b"m f=2 2")])
        await buffer.reject("cloud", await buffer.lease("cloud", 10, 10**6), "field type conflict")
        routes = buffer_routes.routes(buffer)
        async with serve(health, lambda: b"", lambda: NOW, routes=routes, **where):
            yield tmp_path / SOCKET


@pytest.mark.parametrize("limit", ["-1", "x", "1.5", "", "9999999", "%C2%B2"])
async def test_a_limit_that_is_not_a_small_number_is_refused(socket, limit):
    with pytest.raises(ControlError, match="limit must be a whole number") as caught:
        await request(socket, f"/buffer/letters?limit={limit}")
    assert caught.value.status == 400


@pytest.mark.parametrize("ids", [1, "all", [1.5], ["1"], [True], {}])
async def test_ids_that_are_not_whole_numbers_are_refused_and_nothing_is_sent(socket, ids):
    with pytest.raises(ControlError, match="ids must be a list") as caught:
        await request(socket, "/buffer/requeue", {"ids": ids})
    assert caught.value.status == 400
    assert (await request(socket, "/buffer"))["dead_letters"] == 1


async def test_null_requeues_all_and_an_empty_list_none(socket):
    assert await request(socket, "/buffer/requeue", {"ids": []}) == {"requeued": 0}
    assert await request(socket, "/buffer/requeue", {"ids": None}) == {"requeued": 1}
    assert await request(socket, "/buffer/letters") == []


async def test_letters_are_listed_in_pages_newest_first(tmp_path):
    tags = [tag("flow")]
    health = Health("l", "s", tags, FreshnessWatch(tags, 5.0, 3.0))
    where = {"host": "127.0.0.1", "port": 0, "socket": tmp_path / SOCKET}
    async with open_buffer(
        tmp_path / "b.db", BufferSection(), {"cloud": frozenset(Kind)}
    ) as buffer:
        await buffer.append([Envelope(Kind.ALERT, NOW + n, b"m f=%d 2" % n) for n in range(5)])
        await buffer.reject("cloud", await buffer.lease("cloud", 10, 10**6), "conflict")
        routes = buffer_routes.routes(buffer)
        async with serve(health, lambda: b"", lambda: NOW, routes=routes, **where):
            first = await request(tmp_path / SOCKET, "/buffer/letters?limit=2")
            last = first[-1]["id"]
            rest = await request(tmp_path / SOCKET, f"/buffer/letters?before={last}")
    assert [letter["line"] for letter in first + rest] == [f"m f={n} 2" for n in (4, 3, 2, 1, 0)]
