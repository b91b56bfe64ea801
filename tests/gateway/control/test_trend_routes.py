"""GET /trend over the socket of a server whose history is the recorder's."""

import asyncio
import contextlib
from types import SimpleNamespace

import pytest
from fakes import batch, tag

from gateway.api.model import SECOND
from gateway.control import trend_routes
from gateway.control.client import ControlError, request
from gateway.control.server import SOCKET, serve
from gateway.core.freshness import FreshnessWatch
from gateway.history.archive import Archive
from gateway.history.recorder import Recorder
from gateway.telemetry.health import Health

T0 = 1_700_000_000 * SECOND
MINUTE = 60 * SECOND
OPTIONS = SimpleNamespace(max_bytes=2**30, max_age=48 * 60 * MINUTE, flush=MINUTE)
TAGS = [tag("flow", unit="l/min"), tag("level"), *(tag(f"t{n}") for n in range(10))]


@contextlib.asynccontextmanager
async def serving(kept, folder):
    health = Health("l", "s", TAGS, FreshnessWatch(TAGS, 5.0, 3.0))
    routes = trend_routes.routes(kept, TAGS, lambda: T0 + 60 * MINUTE)
    where = {"host": "127.0.0.1", "port": 0, "socket": folder / SOCKET}
    async with serve(health, lambda: b"", lambda: T0, routes=routes, **where):
        yield folder / SOCKET


@pytest.fixture
async def press(tmp_path):
    """The recorder of an hour of flow, half of it written, and the socket."""
    names, folder = [each.name for each in TAGS], tmp_path / "history"
    facts = {"started": str(T0)}
    with contextlib.closing(
        Recorder(lambda: Archive(folder, OPTIONS, facts, names, 0), MINUTE, lambda: T0)
    ) as recorder:
        for minute in range(60):
            at = T0 + minute * MINUTE
            recorder.note(at, batch(at, float(minute)))
            if minute == 29:
                await recorder.flush()
        async with serving(recorder, tmp_path) as socket:
            yield recorder, socket


async def test_a_trend_has_what_is_written_and_what_is_not_yet(press):
    _, socket = press
    facts = await request(socket, "/trend?tag=flow&tag=level&points=30")
    flow, level = facts["tags"]["flow"], facts["tags"]["level"]
    assert (facts["from_history"], facts["why"], flow["unit"]) == (True, "", "l/min")
    assert flow["min"] == [2.0 * n for n in range(30)]
    assert flow["mean"] == [2.0 * n + 0.5 for n in range(30)]
    assert flow["max"] == [2.0 * n + 1 for n in range(30)]
    assert flow["t"] == [T0 + (2 * n + 1) * MINUTE for n in range(30)]
    assert level["mean"] == [None] * 30


async def test_a_span_and_its_usual_ends(press):
    _, socket = press
    since, until = T0 + 10 * MINUTE, T0 + 20 * MINUTE
    for given in (f"since={since}&until={until}", f"until={until}", f"since={since}"):
        flow = (await request(socket, f"/trend?tag=flow&points=1&{given}"))["tags"]["flow"]
        assert flow["min"] == ([0.0] if "since" not in given else [10.0])
        assert flow["max"] == ([59.0] if "until" not in given else [19.0])


async def test_it_says_why_there_is_nothing(press):
    _, socket = press
    facts = await request(socket, f"/trend?tag=flow&since=0&until={MINUTE}")
    assert set(facts["tags"]["flow"]["mean"]) == {None}
    assert facts["why"].startswith("there is no value between 1970")


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("", 400, "tag must be given 1 to 8 times"),
        ("?" + "&".join(f"tag=t{n}" for n in range(9)), 400, "not 9 times"),
        ("?tag=flwo", 404, 'did you mean "flow"'),
        ("?tag=flow&points=0", 400, "at least 1"),
        ("?tag=flow&points=2001", 400, "up to|from 0 to 2,000"),
        ("?tag=flow&since=2&until=1", 400, "since must be before until"),
        (f"?tag=flow&since=0&until={8 * 86_400 * SECOND}", 400, "at most 7 days"),
        (f"?tag=flow&until={2**63}", 400, "until must be a whole number"),
        ("?tag=flow&since=-1", 400, "since must be a whole number"),
        ("?tag=flow&since=1&since=2", 400, "given twice"),
        ("?tag=flow&glob=x", 400, "no parameter 'glob'"),
    ],
)
async def test_what_makes_no_sense_is_refused_in_a_sentence(press, query, status, words):
    _, socket = press
    with pytest.raises(ControlError, match=words) as caught:
        await request(socket, f"/trend{query}")
    assert caught.value.status == status


class Slow:
    """A history that takes long, or fails."""

    from_history, shortest = True, 0

    def __init__(self, error=None):
        self.error = error

    async def trend(self, bins):
        if self.error is not None:
            raise self.error
        await asyncio.Event().wait()


async def test_a_history_that_takes_too_long_or_fails_is_503(tmp_path, monkeypatch):
    monkeypatch.setattr(trend_routes, "WITHIN_S", 0.05)
    for kept, words in ((Slow(), "ask again"), (Slow(OSError(5, "Input/output error")), "Input")):
        async with serving(kept, tmp_path) as socket:
            with pytest.raises(ControlError, match=words) as caught:
                await request(socket, "/trend?tag=flow")
            assert caught.value.status == 503
