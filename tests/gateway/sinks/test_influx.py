import asyncio
import functools
import itertools
import json
import random
import time
import urllib.parse
import urllib.request
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace

import pytest
import servers
from aiohttp import web
from fake_influx import FakeInflux, cuts_the_reply, drops_the_reply
from patience import PATIENCE

from gateway.api.contracts import Places, SinkRejected, SinkUnavailable
from gateway.api.going_on import reporting_to
from gateway.api.line_protocol import encode
from gateway.api.model import Envelope, Kind, Point
from gateway.api.options import Secret
from gateway.buffer import open_buffer
from gateway.delivery.forwarder import Forwarder
from gateway.delivery.pace import Pace
from gateway.sinks.influx import InfluxOptions, InfluxSink
from gateway.sinks.influx_bisect import GROW_AFTER, MAX_POINTS

TOKEN = "s3cret-token"


def envelopes(count, prefix="ok"):
    return [
        Envelope(Kind.SUMMARY, n, encode(Point("m", {"n": f"{prefix}{n}"}, {"x": 1.0}, n + 1)))
        for n in range(count)
    ]


@pytest.fixture
async def fake():
    async with FakeInflux().serving() as server:
        yield server


@pytest.fixture(autouse=True)
def token(monkeypatch):
    monkeypatch.setenv("INFLUX_TOKEN", TOKEN)


@asynccontextmanager
async def opened(url, places=None, **options):
    options = {"org": "plant", "bucket": "lines", "token": Secret("${env:INFLUX_TOKEN}")} | options
    places = places or Places(None, None)
    sink = InfluxSink("cloud", InfluxOptions(url=url, **options), places)
    async with sink.open():
        yield sink


async def refused(sink, batch=None, match=None):
    with pytest.raises(SinkUnavailable, match=match) as caught:
        await sink.write(batch or envelopes(3))
    assert TOKEN not in str(caught.value)
    return caught.value


async def outcome(sink, batch):
    """The bytes that were sent, or why they were not."""
    try:
        return await sink.write(batch)
    except (SinkUnavailable, SinkRejected) as error:
        return error


def status(code, **options):
    return web.Response(status=code, **options)


async def test_the_points_arrive_as_they_were_encoded(fake):
    batch = envelopes(3)
    async with opened(fake.url) as sink:
        await sink.write(batch)
    (only,) = fake.requests
    assert fake.lines == [e.body for e in batch]
    assert only.request.path == "/api/v2/write"
    assert dict(only.request.query) == {"org": "plant", "bucket": "lines", "precision": "ns"}
    assert only.request.headers["Authorization"] == f"Token {TOKEN}"
    assert only.zipped


async def test_each_reply_of_the_server_is_progress(fake):
    steps = []
    async with opened(fake.url) as sink:
        with reporting_to(lambda: steps.append(1)):
            await sink.write(envelopes(2 * MAX_POINTS + 1))
    assert len(steps) == 3


async def test_the_bytes_are_counted_as_sent_over_the_wire(fake):
    batch = envelopes(500)
    plain = len(b"\n".join(e.body for e in batch))
    async with opened(fake.url) as sink:
        zipped = await sink.write(batch)
    async with opened(fake.url, gzip=False) as sink:
        assert await sink.write(batch) == plain
    assert [len(r.wire) for r in fake.requests] == [zipped, plain]
    assert zipped < plain / 3
    assert not fake.requests[1].zipped


async def test_the_same_batch_is_the_same_bytes(fake):
    async with opened(fake.url) as sink:
        for _ in range(2):
            await sink.write(envelopes(50))
    assert fake.requests[0].wire == fake.requests[1].wire


@pytest.mark.parametrize("code", [401, 403, 404, 405])
async def test_a_fault_that_needs_a_human_is_reported_and_nothing_is_rejected(fake, code):
    fake.script = [web.json_response({"message": f"no, {TOKEN}!"}, status=code)]
    async with opened(fake.url) as sink:
        error = await refused(sink, match=rf"^{code} .*: no, \*\*\*!$")
        assert error.needs_human
        await sink.write(envelopes(1))


async def test_a_token_is_read_again_after_a_refusal(fake, monkeypatch):
    fake.script = [status(401)]
    async with opened(fake.url) as sink:
        await refused(sink)
        monkeypatch.setenv("INFLUX_TOKEN", "fresh")
        await sink.write(envelopes(1))
    assert fake.requests[-1].request.headers["Authorization"] == "Token fresh"


async def test_a_missing_token_needs_a_human_and_may_come_later(fake, monkeypatch):
    monkeypatch.delenv("INFLUX_TOKEN")
    async with opened(fake.url) as sink:
        assert (await refused(sink, match="INFLUX_TOKEN")).needs_human
        monkeypatch.setenv("INFLUX_TOKEN", TOKEN)
        await sink.write(envelopes(1))
    assert len(fake.stored) == 1


async def test_a_token_of_two_lines_is_not_sent(fake, monkeypatch):
    monkeypatch.setenv("INFLUX_TOKEN", f"{TOKEN}\nX-Evil: 1")
    async with opened(fake.url) as sink:
        assert (await refused(sink)).needs_human
    assert fake.requests == []


@pytest.mark.parametrize("code", [429, 503])
async def test_the_server_says_how_long_to_wait(fake, code):
    fake.script = [status(code, headers={"Retry-After": "17"})]
    async with opened(fake.url) as sink:
        error = await refused(sink)
    assert (error.wait, error.needs_human) == (17.0, False)


@pytest.mark.parametrize("code", [408, 500, 502, 504])
async def test_an_unknown_outcome_sends_the_same_bytes_again(fake, code):
    fake.script = [status(code)]
    async with opened(fake.url) as sink:
        error = await refused(sink)
        assert (error.wait, error.needs_human) == (0.0, False)
        await sink.write(envelopes(3))
    assert fake.requests[0].wire == fake.requests[1].wire
    assert error.sent_bytes == len(fake.requests[0].wire)


async def test_a_redirect_is_not_followed_and_its_target_gets_no_token(fake):
    fake.script = [status(307, headers={"Location": f"{fake.url}/elsewhere"})]
    async with opened(fake.url) as sink:
        error = await refused(sink, match="elsewhere")
    assert error.needs_human
    assert len(fake.requests) == 1


async def test_a_captive_portal_does_not_swallow_points(fake):
    fake.script = [status(200, text="<html>log in</html>")]
    async with opened(fake.url) as sink:
        assert (await refused(sink)).needs_human


async def test_a_server_that_does_not_answer_is_unavailable(fake):
    hung = asyncio.Event()

    async def hang(request):
        await hung.wait()
        return status(204)

    fake.script = [hang]
    async with opened(fake.url, timeout="200ms") as sink:
        error = await refused(sink, match="0.2 s")
    hung.set()
    assert error.sent_bytes > 0


@pytest.mark.parametrize("fault", [drops_the_reply, cuts_the_reply])
async def test_a_reply_that_is_cut_is_unavailable(fake, fault):
    fake.script = [functools.partial(fault, fake)]
    async with opened(fake.url) as sink:
        assert not (await refused(sink)).needs_human


async def test_a_port_without_a_server_is_unavailable():
    async with opened(f"http://127.0.0.1:{servers.free_port()}") as sink:
        error = await refused(sink)
    # Nothing was sent: an outage uses no budget and counts no traffic in the ledger.
    assert (error.needs_human, error.sent_bytes) == (False, 0)


async def test_unreadable_certificates_need_a_human(fake, tmp_path):
    async with opened(fake.url, Places(tmp_path, tmp_path), ca="none.pem") as sink:
        assert (await refused(sink, match="none.pem")).needs_human


@pytest.mark.parametrize(
    "at", [0, 1, 999, 1000, 2600, 4999, *random.Random(5).sample(range(5000), 4)]
)
async def test_one_wrong_point_among_5000_costs_at_most_13_more_requests(fake, at):
    batch = envelopes(5000)
    batch[at] = envelopes(1, "poison")[0]
    async with opened(fake.url) as sink:
        with pytest.raises(SinkRejected, match="400 Bad Request: bad: m,n=poison0") as caught:
            await sink.write(batch)
    assert caught.value.which == (at,)
    assert set(fake.lines) == {e.body for n, e in enumerate(batch) if n != at}
    assert len(fake.requests) - 5000 / MAX_POINTS <= 13
    assert caught.value.sent_bytes == sum(len(r.wire) for r in fake.requests)


async def test_a_point_that_is_rejected_temporarily_is_not_given_up(fake):
    for alone in range(6):
        # The run, the halvings and the first single send are rejected; the second is not.
        fake.script = [status(400) for _ in range(alone)]
        async with opened(fake.url) as sink:
            await sink.write(envelopes(16, f"moment{alone}"))
        assert not fake.script
    assert len(fake.stored) == 6 * 16


@pytest.mark.parametrize("code", [400, 422, 500])
async def test_points_that_the_server_dropped_all_are_not_sent_one_by_one(fake, code):
    late = {"message": "partial write: points beyond retention policy dropped=40"}
    fake.script = [web.json_response(late, status=code)]
    async with opened(fake.url) as sink:
        with pytest.raises(SinkRejected, match="retention") as caught:
            await sink.write(envelopes(40))
    assert caught.value.which == tuple(range(40))
    assert len(fake.requests) == 1


async def test_a_refusal_of_every_request_rejects_no_point(fake):
    async with opened(fake.url) as sink:
        await sink.write(envelopes(3))
        words = "plain HTTP was sent to an HTTPS port"
        fake.script = [status(400, text=words) for _ in range(50)]
        assert (await refused(sink, match="HTTPS port")).needs_human


async def test_a_server_that_refuses_everything_between_two_attempts_rejects_no_point(fake):
    fake.script = [status(400), status(204), status(503)]
    async with opened(fake.url) as sink:
        await refused(sink, envelopes(4))
        fake.script = [status(400, text="log in first") for _ in range(50)]
        assert (await refused(sink, envelopes(4), match="log in first")).needs_human


async def test_results_from_before_the_link_fails_are_kept(fake):
    batch = envelopes(64)
    batch[40] = envelopes(1, "poison")[0]
    outcomes = itertools.cycle([False, True, True, True])

    async def every_fourth_one_fails(_request):
        fake.script.append(every_fourth_one_fails)
        return fake.honest(fake.requests[-1].body) if next(outcomes) else status(503)

    fake.script = [every_fourth_one_fails]
    async with opened(fake.url) as sink:
        results = [await outcome(sink, batch) for _ in range(20)]
    last = next(error for error in results if not isinstance(error, SinkUnavailable))
    assert last.which == (40,)
    assert set(fake.lines) == {e.body for n, e in enumerate(batch) if n != 40}


async def test_every_wrong_point_is_identified_and_every_other_stored(fake):
    batch = envelopes(300)
    bad = {0, 1, 2, 50, 51, 100, 200, 298, 299}
    for n in bad:
        batch[n] = envelopes(n + 1, "poison")[n]
    async with opened(fake.url) as sink:
        with pytest.raises(SinkRejected) as caught:
            await sink.write(batch)
    assert set(caught.value.which) == bad
    assert set(fake.lines) == {e.body for n, e in enumerate(batch) if n not in bad}


async def test_a_batch_of_wrong_points_costs_about_one_request_for_each(fake):
    fake.words = "field type conflict"
    async with opened(fake.url) as sink:
        with pytest.raises(SinkRejected) as caught:
            await sink.write(envelopes(100, "poison"))
    assert caught.value.which == tuple(range(100))
    assert len(fake.requests) < 130


async def test_a_server_that_refuses_even_a_comment_rejects_no_point(fake):
    missing = {"message": "organization is missing"}
    fake.script = [web.json_response(missing, status=400) for _ in range(50)]
    async with opened(fake.url) as sink:
        error = await refused(sink, match="organization is missing")
    assert error.needs_human


async def test_a_body_that_is_too_large_is_halved_and_the_limit_is_remembered(fake):
    batch = envelopes(64)
    fake.most_bytes = len(b"\n".join(e.body for e in batch)) // 3
    async with opened(fake.url) as sink:
        await sink.write(batch)
        first = len(fake.requests)
        await sink.write(batch)
    assert fake.lines == [e.body for e in batch]
    assert len(fake.requests) - first < first
    assert all(len(r.body) <= fake.most_bytes for r in fake.requests[first:])


async def test_a_limit_that_no_longer_exists_is_raised_in_time(fake):
    fake.script = [status(413)]
    async with opened(fake.url) as sink:
        for n in range(GROW_AFTER + 2):
            await sink.write(envelopes(8, f"b{n}x"))
    sizes = [len(r.body.splitlines()) for r in fake.requests]
    assert sizes[:3] == [8, 4, 4]
    assert sizes[-1] == 8


async def test_a_permanent_limit_is_exceeded_less_and_less_often(fake):
    batch = envelopes(8)
    fake.most_bytes = len(b"\n".join(e.body for e in batch)) // 2 + 1
    async with opened(fake.url) as sink:
        for _ in range(100):
            await sink.write(batch)
    too_large = [n for n, r in enumerate(fake.requests) if len(r.body) > fake.most_bytes]
    assert len(too_large) < 8


async def test_a_single_point_that_is_too_large_is_rejected(fake):
    fake.most_bytes = 100
    huge = Envelope(Kind.ALERT, 1, encode(Point("m", {}, {"s": "x" * 200}, 1)))
    async with opened(fake.url) as sink:
        with pytest.raises(SinkRejected) as caught:
            await sink.write([*envelopes(2), huge])
    assert caught.value.which == (2,)
    assert len(fake.stored) == 2


async def test_a_probe_stores_nothing_and_reports_a_wrong_token(fake):
    async with opened(fake.url) as sink:
        assert (await sink.probe()).ok
        fake.script = [web.json_response({"message": "unauthorized access"}, status=401)]
        probe = await sink.probe()
    assert (probe.ok, probe.message) == (False, "401 Unauthorized: unauthorized access")
    assert fake.stored == {}


async def test_a_server_that_only_complains_about_the_comment_is_reached(fake):
    fake.script = [web.json_response({"message": "writing requires points"}, status=400)]
    async with opened(fake.url) as sink:
        probe = await sink.probe()
    assert (probe.ok, probe.message) == (
        True,
        "bucket lines answers: 400 Bad Request: writing requires points",
    )


# A real server.


def _series(server, selector):
    """The timestamps of each series on the server."""
    query = urllib.parse.urlencode({"match[]": selector})
    with urllib.request.urlopen(f"{server.url}/internal/force_flush", timeout=PATIENCE):
        pass
    with urllib.request.urlopen(f"{server.url}/api/v1/export?{query}", timeout=PATIENCE) as answer:
        series = [json.loads(row) for row in answer]
    return {tuple(sorted(entry["metric"].items())): entry["timestamps"] for entry in series}


@pytest.fixture
def victoria(tmp_path):
    with servers.victoria_metrics(tmp_path) as server:
        yield server


def alerts(count, first=0):
    """Alerts that are a second apart, as the server keeps milliseconds."""
    start = (time.time_ns() // 10**9 - 1000) * 10**9
    return [
        Envelope(
            Kind.ALERT,
            n,
            encode(Point("andon_alert", {"line": "skid"}, {"value": 1.0}, start + n * 10**9)),
        )
        for n in range(first, first + count)
    ]


async def test_sending_twice_to_a_real_server_changes_nothing(victoria):
    batch = alerts(50)
    async with opened(victoria.url) as sink:
        assert (await sink.probe()).ok
        await sink.write(batch)
        before = await asyncio.to_thread(_series, victoria, "andon_alert_value")
        await sink.write(batch)
    after = await asyncio.to_thread(_series, victoria, "andon_alert_value")
    assert after == before
    assert [len(times) for times in before.values()] == [50]


async def test_after_an_outage_a_real_server_has_every_point_once(victoria, tmp_path):
    everything = alerts(60)
    options = SimpleNamespace(max_bytes=10**9, max_age=2**62)
    async with (
        open_buffer(tmp_path / "b.db", options, {"cloud": frozenset(Kind)}) as buffer,
        opened(victoria.url, timeout="1s") as sink,
    ):
        forwarder = Forwarder("cloud", sink, buffer, pace=Pace(draw=lambda: 0.1))
        task = asyncio.create_task(forwarder.run())
        await buffer.append(everything[:20])
        await until(lambda: forwarder.tally.sent[Kind.ALERT] == 20)
        await asyncio.to_thread(victoria.stop)
        await buffer.append(everything[20:])
        await until(lambda: forwarder.tally.retries >= 2)
        assert (await buffer.stats())["alerts"] == 40
        assert not forwarder.up
        await asyncio.to_thread(victoria.start)
        await until(lambda: forwarder.tally.sent[Kind.ALERT] == 60)
        assert (await buffer.stats())["alerts"] == 0
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    series = await asyncio.to_thread(_series, victoria, "andon_alert_value")
    assert [len(times) for times in series.values()] == [60]


async def until(condition):
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.02)
