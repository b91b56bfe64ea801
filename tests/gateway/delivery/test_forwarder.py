import asyncio
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace

import pytest
import structlog
from patience import PATIENCE

from gateway.api.contracts import SinkRejected, SinkUnavailable
from gateway.api.going_on import made_progress
from gateway.api.model import SECOND, Envelope, Kind, Summary
from gateway.buffer import BufferRefused, open_buffer
from gateway.core.byte_budget import HOUR, LEAST, Budget
from gateway.core.points import summary_envelope
from gateway.core.stored_points import StoredPoints
from gateway.delivery.forwarder import Forwarder
from gateway.delivery.pace import FIRST_ROWS, Pace
from gateway.telemetry.heartbeats import Heartbeats

A, S, G, C = Kind
AWAY = SinkUnavailable("no route")
HUMAN = SinkUnavailable("401", needs_human=True)


def points(kind, *bodies):
    return [Envelope(kind, at, body.encode()) for at, body in enumerate(bodies, 1)]


class FakeSink:
    """Responds from a script, then takes everything; puts each batch into `calls`."""

    accepts = frozenset(Kind)

    def __init__(self, *script):
        self.script, self.batches, self.calls = list(script), [], asyncio.Queue()

    async def write(self, batch):
        bodies = [e.body.decode() for e in batch]
        self.calls.put_nowait(bodies)
        answer = self.script.pop(0) if self.script else None
        if callable(answer):
            answer = answer(bodies)
        if isinstance(answer, Exception):
            raise answer
        self.batches.append(bodies)
        return 10 * len(batch)


@pytest.fixture
async def buffer(tmp_path):
    options = SimpleNamespace(max_bytes=10**9, max_age=2**62)
    async with open_buffer(
        tmp_path / "b.db", options, {"cloud": frozenset(Kind)}, handling=StoredPoints("s", "l")
    ) as opened:
        yield opened


@asynccontextmanager
async def forwarding(buffer, sink, **options):
    options = {"pace": Pace(draw=lambda: 0.0), "linger": 0.05, **options}
    forwarder = Forwarder("cloud", sink, buffer, **options)
    task = asyncio.create_task(forwarder.run())
    try:
        yield forwarder
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition):
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)


async def until_async(fits, buffer):
    async with asyncio.timeout(PATIENCE):
        while not fits(await buffer.stats()):
            await asyncio.sleep(0.005)


async def next_call(sink):
    async with asyncio.timeout(PATIENCE):
        return await sink.calls.get()


async def idle(buffer):
    """Waits until the forwarder has nothing to do and waits for news."""
    await until(lambda: buffer._events["cloud"]._waiters)


async def empty(buffer):
    async with asyncio.timeout(PATIENCE):
        while await buffer.lease("cloud", 1, 10**6):
            await asyncio.sleep(0.005)


async def test_points_that_the_sink_took_are_acknowledged_and_counted(buffer):
    sink = FakeSink()
    async with forwarding(buffer, sink, clock=lambda: 77) as forwarder:
        await buffer.append(points(A, "a1") + points(S, "s1", "s2") + points(G, "g1"))
        await empty(buffer)
        await until(lambda: forwarder.tally.sent[G])
    assert sink.batches == [["a1"], ["s1", "s2", "g1"]]
    facts = forwarder.facts()
    assert facts["sent"] == {"alert": 1, "summary": 2, "gateway": 1, "clip": 0}
    assert (facts["sent_bytes"], facts["last_success_at"], facts["up"]) == (40, 77, True)


async def test_nothing_is_forgotten_while_the_sink_is_away(buffer):
    sink = FakeSink(AWAY, SinkUnavailable("cut", sent_bytes=7))
    async with forwarding(buffer, sink) as forwarder:
        await buffer.append(points(A, "a1"))
        assert await next_call(sink) == ["a1"]
        assert not forwarder.up
        assert forwarder.error == "no route"
        assert (await buffer.stats())["alerts"] == 1
        await empty(buffer)
    assert sink.batches == [["a1"]]
    assert (forwarder.up, forwarder.error, forwarder.sent_bytes) == (True, "", 17)


async def test_alerts_overtake_a_backlog_that_is_being_sent(buffer):
    await buffer.append(points(S, *(f"s{n}" for n in range(10 * FIRST_ROWS))))
    sink = FakeSink()
    async with forwarding(buffer, sink):
        await next_call(sink)
        await buffer.append(points(A, "a1"))
        await empty(buffer)
    assert ["a1"] in sink.batches
    assert sink.batches.index(["a1"]) < len(sink.batches) - 1


async def test_a_spent_budget_holds_back_summaries_but_no_alert(buffer):
    sink, now = FakeSink(), [12 * HOUR]
    budget = Budget(2_000)
    budget.spend(1_500, 1_500, now[0])
    async with forwarding(buffer, sink, budget=budget, clock=lambda: now[0]) as forwarder:
        await buffer.append(points(S, "s1"))
        await until(lambda: buffer._events["cloud"]._waiters)
        await buffer.append(points(A, "a1"))
        assert await next_call(sink) == ["a1"]
        assert (await buffer.stats())["summaries"] == 1
        assert forwarder.facts()["spent"] == 1_510
        now[0] += HOUR
        await buffer.append(points(A, "a2"))
        assert await next_call(sink) == ["a2"]
        assert await next_call(sink) == ["s1"]
    assert forwarder.facts()["spent"] == 20


@pytest.mark.parametrize("answer", [None, SinkUnavailable("no answer", sent_bytes=1_010)])
async def test_a_restart_does_not_begin_a_new_budget(buffer, answer):
    size, now = 1_000, lambda: 12 * HOUR
    sink = FakeSink(answer)
    await buffer.append(points(A, "a" * size))
    async with forwarding(buffer, sink, budget=Budget(2_000), clock=now) as before:
        before._budget.spend(1_000, 1_000, now())
        await next_call(sink)
        await until_async(lambda s: answer or not s["alerts"], buffer)
        await until(lambda: before.up is not bool(answer))
    spent = before.facts()["spent"]
    again = Forwarder("cloud", sink, buffer, budget=Budget(2_000), clock=now)
    await again.restore()
    assert again.facts()["spent"] == spent > 1_000


async def test_a_sink_without_a_budget_stores_no_spending(buffer):
    sink = FakeSink()
    async with forwarding(buffer, sink):
        await buffer.append(points(A, "a1"))
        await empty(buffer)
    assert await buffer.load_checkpoint("#budget.cloud") is None


async def test_clips_leave_last_and_wait_for_the_next_hour_before_summaries_do(buffer):
    sink, now = FakeSink(), [12 * HOUR]
    budget = Budget(4_000)
    async with forwarding(buffer, sink, budget=budget, clock=lambda: now[0]) as forwarder:
        await idle(buffer)
        await buffer.append(points(C, "c1") + points(S, "s1"))
        assert [await next_call(sink), await next_call(sink)] == [["s1"], ["c1"]]
        assert (forwarder.sent_bytes, forwarder.clip_bytes) == (20, 10)
        budget.spend(2_000, 2_000, now[0])
        await idle(buffer)
        await buffer.append(points(C, "c2") + points(S, "s2"))
        assert await next_call(sink) == ["s2"]
        await idle(buffer)
        assert (await buffer.stats())["clips"] == 1
        now[0] += HOUR
        await buffer.append(points(S, "s3"))
        assert [await next_call(sink), await next_call(sink)] == [["s3"], ["c2"]]


async def test_withheld_clips_are_sent_in_the_next_hour_even_without_new_points(buffer):
    # 30 ms before the full hour; later readings of the clock are after it.
    sink, times = FakeSink(), [13 * HOUR - 30_000_000] * 4
    budget = Budget(4_000)
    budget.spend(3_000, 3_000, times[0])
    await buffer.append(points(C, "c1"))

    def clock():
        return times.pop() if times else 13 * HOUR

    async with forwarding(buffer, sink, budget=budget, clock=clock):
        assert await next_call(sink) == ["c1"]


async def test_batches_are_cut_to_the_rest_of_the_budget(buffer):
    sink = FakeSink()
    await buffer.append(points(S, *(f"{n:0100}" for n in range(100))))
    async with forwarding(buffer, sink, budget=Budget(1_500), clock=lambda: 0) as forwarder:
        await until(lambda: forwarder.facts()["spent"] > 1_500 - LEAST)
    assert len(sink.batches[0]) == 15
    assert forwarder.facts()["spent"] <= 1_500
    assert (await buffer.stats())["summaries"] > 0


async def test_a_backlog_beyond_the_budget_is_merged(buffer):
    start = 100 * HOUR
    summaries = [
        summary_envelope(
            Summary("t", at - 60 * SECOND, at, 1, 0, 1.0, 2.0, 0.0, 2.0, 2.0, 2.0), "s", "l"
        )
        for at in range(start + 60 * SECOND, start + HOUR + 1, 60 * SECOND)
    ]
    await buffer.append(summaries)
    budget = Budget(1_500)
    budget.spend(1_000, 1_000, start)
    async with forwarding(buffer, FakeSink(), budget=budget, clock=lambda: start):
        await until_async(lambda s: s["merged"], buffer)
    assert (await buffer.stats())["summaries"] == 60 - 14


async def test_an_alert_does_not_wait_for_the_summaries_to_gather(buffer):
    sink = FakeSink()
    async with forwarding(buffer, sink, linger=3600):
        await idle(buffer)
        await buffer.append(points(S, "s1"))
        await buffer.append(points(A, "a1"))
        assert await next_call(sink) == ["a1"]
        assert await next_call(sink) == ["s1"]


async def test_summaries_gather_before_they_leave(buffer):
    sink = FakeSink()
    async with forwarding(buffer, sink, linger=0.3):
        await idle(buffer)
        for n in range(4):
            await buffer.append(points(S, f"s{n}"))
        assert await next_call(sink) == ["s0", "s1", "s2", "s3"]


async def test_a_rejected_point_becomes_a_dead_letter_and_the_rest_is_delivered(buffer):
    sink = FakeSink(SinkRejected([1], "422: field type conflict", sent_bytes=5))
    async with forwarding(buffer, sink) as forwarder:
        await buffer.append(points(A, "a1", "poison", "a3"))
        await empty(buffer)
        await until(lambda: forwarder.tally.sent[A])
    assert (await buffer.stats())["dead_letters"] == 1
    assert (forwarder.tally.rejected, forwarder.tally.sent[A]) == (1, 2)
    assert forwarder.sent_bytes == 5
    assert sink.calls.qsize() == 1


async def test_a_sink_is_logged_once_when_it_goes_away_and_once_when_it_is_back(buffer):
    sink = FakeSink(AWAY, SinkUnavailable("other words"), AWAY)
    with structlog.testing.capture_logs() as logs:
        async with forwarding(buffer, sink):
            await buffer.append(points(A, "a1"))
            await empty(buffer)
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [
        ("sink.away", "warning"),
        ("sink.back", "info"),
    ]
    assert logs[0]["why"] == "no route"
    assert logs[1]["away_s"] >= 0


async def test_a_fault_that_needs_a_human_is_logged_as_an_error(buffer):
    sink = FakeSink(HUMAN)
    with structlog.testing.capture_logs() as logs:
        async with forwarding(buffer, sink):
            await buffer.append(points(A, "a1"))
            await empty(buffer)
    assert (logs[0]["event"], logs[0]["log_level"]) == ("sink.away", "error")


async def test_a_bug_in_a_sink_is_for_the_supervisor_and_loses_nothing(buffer):
    forwarder = Forwarder("cloud", FakeSink(ZeroDivisionError("oops")), buffer)
    await buffer.append(points(A, "a1"))
    with pytest.raises(ZeroDivisionError):
        await forwarder.run()
    assert (forwarder.up, forwarder.error) == (False, "ZeroDivisionError: oops")
    assert (await buffer.stats())["alerts"] == 1


async def test_a_batch_is_sent_again_if_the_buffer_refuses_its_ack(buffer, monkeypatch):
    sink, ack, refusals = FakeSink(), buffer.ack, [BufferRefused("full")]

    async def refusing(name, envelopes, checkpoint):
        if refusals:
            raise refusals.pop()
        await ack(name, envelopes, checkpoint)

    monkeypatch.setattr(buffer, "ack", refusing)
    async with forwarding(buffer, sink):
        await buffer.append(points(A, "a1"))
        assert await next_call(sink) == await next_call(sink) == ["a1"]
        await empty(buffer)


class KeptConnection(FakeSink):
    """A sink whose connection is tried while it is idle; `lost` says why it is lost."""

    ping_every = 0.01

    def __init__(self, *script):
        super().__init__(*script)
        self.lost, self.pings = None, 0

    async def ping(self):
        self.pings += 1
        if self.lost is not None:
            raise self.lost


async def test_a_lost_connection_shows_before_an_alert_needs_it(buffer):
    sink = KeptConnection()
    with structlog.testing.capture_logs() as logs:
        async with forwarding(buffer, sink) as forwarder:
            await until(lambda: sink.pings > 2)
            assert forwarder.up
            sink.lost = SinkUnavailable("the broker does not respond")
            await until(lambda: not forwarder.up)
            assert forwarder.error == "the broker does not respond"
            assert not forwarder.facts()["needs_human"]
            sink.lost = None
            await until(lambda: forwarder.up)
            await buffer.append(points(A, "a"))
            assert await asyncio.wait_for(sink.calls.get(), PATIENCE) == ["a"]
    events = [entry["event"] for entry in logs if entry["event"].startswith("sink.")]
    assert events == ["sink.away", "sink.back"]


async def test_a_sink_that_delivers_is_not_pinged(buffer):
    sink = KeptConnection()
    sink.ping_every = PATIENCE
    async with forwarding(buffer, sink):
        await until(lambda: sink.pings == 1)
        for number in range(20):
            await buffer.append(points(A, f"a{number}"))
            await asyncio.wait_for(sink.calls.get(), PATIENCE)
    assert sink.pings == 1


class HangingSink(FakeSink):
    """Makes progress when it is told to, and does not end."""

    def __init__(self, *, pings):
        super().__init__()
        self.steps, self.done = asyncio.Queue(), asyncio.Event()
        if pings:
            self.ping, self.ping_every = self._hang, 0.01

    async def write(self, batch):
        await self._hang()

    async def _hang(self):
        while True:
            await self.steps.get()
            made_progress()
            self.done.set()


@pytest.mark.parametrize("pings", [True, False])
async def test_a_sink_is_stuck_when_it_makes_no_progress_for_its_limit(buffer, pings):
    clock = SimpleNamespace(now=1000.0)
    beats = Heartbeats(lambda: clock.now)
    sink = HangingSink(pings=pings)
    part = beats.part("sink cloud")
    async with forwarding(buffer, sink, part=part, limit=90):
        if not pings:
            await buffer.append(points(A, "a1", "a2"))
        async with asyncio.timeout(PATIENCE):
            while part.state.wait.limit is None:
                await asyncio.sleep(0.01)
        clock.now += 80
        sink.steps.put_nowait(1)
        async with asyncio.timeout(PATIENCE):
            await sink.done.wait()
        clock.now += 80
        assert beats.stuck() == []
        clock.now += 11
        what = "waiting for the server's answer" if pings else "sending 2 points"
        assert [str(each) for each in beats.stuck()] == [f"sink cloud: {what} for 91 s, limit 90 s"]


async def test_a_sink_without_work_is_never_stuck(buffer):
    clock = SimpleNamespace(now=1000.0)
    beats, sink = Heartbeats(lambda: clock.now), FakeSink(AWAY)
    async with forwarding(buffer, sink, part=beats.part("sink cloud")):
        await buffer.append(points(A, "a1"))
        async with asyncio.timeout(PATIENCE):
            await sink.calls.get()
            await sink.calls.get()
            while beats.part("sink cloud").state.wait.what != "waiting for points":
                await asyncio.sleep(0.01)
        clock.now += 1e6
        assert beats.stuck() == []


async def test_a_bug_in_a_ping_is_an_error_of_the_sink(buffer):
    class Buggy(FakeSink):
        ping_every = 0.01

        async def ping(self):
            raise KeyError("topic")

    forwarder = Forwarder("cloud", Buggy(), buffer)
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(KeyError):
            await forwarder.run()
    assert (forwarder.up, forwarder.error) == (False, "KeyError: 'topic'")


async def test_a_bug_in_the_buffer_is_no_error_of_the_sink_but_named(buffer, monkeypatch):
    clock = SimpleNamespace(now=1000.0)
    beats = Heartbeats(lambda: clock.now)
    forwarder = Forwarder("cloud", FakeSink(), buffer, part=beats.part("sink cloud"))

    async def lease(*_, **__):
        raise KeyError("kind")

    with monkeypatch.context() as patched:
        patched.setattr(buffer, "lease", lease)
        for _ in range(3):
            with pytest.raises(KeyError):
                await forwarder.run()
            clock.now += 8
    assert forwarder.up
    why = "failing (KeyError: 'kind') for 24 s, limit 15 s"
    assert [each.why for each in beats.stuck()] == [why]
    task = asyncio.create_task(forwarder.run())
    async with asyncio.timeout(PATIENCE):
        while beats.stuck():
            await asyncio.sleep(0.01)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


class RememberingSink(FakeSink):
    """Remembers how many batches it took, as a sink does that keeps a state elsewhere."""

    def __init__(self, *script):
        super().__init__(*script)
        self.restored = None

    def checkpoint(self):
        return f"{len(self.batches)}".encode()

    def restore(self, state):
        self.restored = state


async def test_what_a_sink_remembers_is_stored_with_the_ack_and_restored(buffer):
    sink = RememberingSink()
    async with forwarding(buffer, sink) as forwarder:
        await forwarder.restore()
        assert sink.restored is None
        await buffer.append(points(A, "a1"))
        await until(lambda: forwarder.tally.sent[A])
    again = RememberingSink()
    await Forwarder("cloud", again, buffer).restore()
    assert again.restored == b"1"


async def test_what_a_sink_remembers_is_stored_only_when_it_changes(buffer, monkeypatch):
    ack, saved = buffer.ack, []

    async def counting(name, envelopes, checkpoint=None):
        saved.append(dict(checkpoint or {}))
        await ack(name, envelopes, checkpoint)

    monkeypatch.setattr(buffer, "ack", counting)
    sink = RememberingSink()
    sink.checkpoint = lambda: b"same"
    async with forwarding(buffer, sink) as forwarder:
        for name in ("a1", "a2"):
            await buffer.append(points(A, name))
            await until(lambda name=name: [name] in sink.batches)
        await until(lambda: forwarder.tally.sent[A] == 2)
    assert saved == [{"#sink.cloud": b"same"}, {}]


class KeepsSome(FakeSink):
    """A sink that takes everything, and sends later what it says is due."""

    def __init__(self, *outcomes):
        super().__init__()
        self.due_in, self.outcomes, self.sent = None, list(outcomes), 0
        self.diagnostics = ["shift: 1 alert waiting at https://user:pa55word@host"]

    async def write(self, batch):
        self.due_in = 0.0
        return await super().write(batch)

    async def send_due(self):
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is not None:
            raise outcome
        self.due_in = None
        self.sent += 1
        return 7


async def test_a_sink_sends_what_it_keeps_when_it_says_so(buffer):
    sink = KeepsSome()
    async with forwarding(buffer, sink) as forwarder:
        await buffer.append(points(A, "a1"))
        await until(lambda: sink.sent == 1)
        await buffer.append(points(A, "a2"))
        await until(lambda: sink.sent == 2)
        await idle(buffer)
        await until(lambda: forwarder.sent_bytes == 34)
    assert sink.batches == [["a1"], ["a2"]]


async def test_a_sink_that_cannot_send_what_it_keeps_is_away_and_tried_again(buffer):
    sink = KeepsSome(AWAY, AWAY)
    async with forwarding(buffer, sink) as forwarder:
        await buffer.append(points(A, "a1"))
        await until(lambda: forwarder.error == "no route")
        assert not forwarder.up
        await until(lambda: sink.sent == 1)
        await until(lambda: forwarder.up)


async def test_a_sink_that_keeps_points_is_not_asked_before_they_are_due(buffer):
    sink = KeepsSome()
    sink.due_in = 3600.0
    async with forwarding(buffer, sink):
        await idle(buffer)
    assert sink.sent == 0


async def test_a_fault_of_a_sink_that_sends_later_is_noted_and_raised(buffer):
    sink = KeepsSome(ZeroDivisionError("oops"))
    sink.due_in = 0.0
    forwarder = Forwarder("cloud", sink, buffer)
    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(PATIENCE):
            await forwarder.run()
    assert "oops" in forwarder.error


async def test_what_a_sink_has_to_tell_is_shown_without_secrets(buffer):
    facts = Forwarder("cloud", KeepsSome(), buffer).facts()
    assert facts["diagnostics"] == ["shift: 1 alert waiting at https://********@host"]
    assert Forwarder("cloud", FakeSink(), buffer).facts()["diagnostics"] == []


async def test_what_is_due_is_sent_though_points_keep_coming(buffer):
    """Each write appends the next point, so the loop never waits."""
    sink, count = KeepsSome(), 0

    async def write(batch):
        nonlocal count
        count += 1
        if count < 50 and not sink.sent:
            await buffer.append(points(A, f"a{count + 1}"))
        sink.due_in = 0.0
        return 7

    sink.write = write
    async with forwarding(buffer, sink):
        await buffer.append(points(A, "a1"))
        await until(lambda: sink.sent)
    assert count < 50
