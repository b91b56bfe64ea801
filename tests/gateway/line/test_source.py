import asyncio
import contextlib
from types import SimpleNamespace

import numpy as np
import pytest
import structlog
from fakes import ScriptedConnector, batch, tag
from patience import PATIENCE

from gateway.api.contracts import ConfigError, SourceLost
from gateway.api.going_on import made_progress
from gateway.api.model import Quality
from gateway.core.backoff import Backoff
from gateway.core.wait_limits import CONNECTING_S
from gateway.line import source
from gateway.line.inbox import Inbox
from gateway.line.source import bad_batch, keep_reading
from gateway.telemetry.heartbeats import Part
from gateway.telemetry.source_health import SourceHealth

TAGS = [tag(f"t{number}", high=1e6) for number in range(7)]


async def read(connector, until):
    inbox, health = Inbox(TAGS), SourceHealth("plc")
    task = asyncio.create_task(keep_reading(connector, range(5, 6), inbox, health))
    async with asyncio.timeout(PATIENCE):
        while not until(inbox, health) and not task.done():
            await asyncio.sleep(0.01)
    if task.done():
        return inbox, health, task
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return inbox, health, task


async def test_a_lost_session_is_opened_again_and_its_samples_go_on():
    lost = SourceLost("connection reset")
    connector = ScriptedConnector([batch(1, 1.0), lost], [batch(2, 2.0), lost])
    inbox, health, _ = await read(connector, lambda inbox, _: len(inbox) == 4)
    drained = inbox.drain()
    assert drained.tag.tolist() == [5, 5, 5, 5]
    assert drained.quality.tolist() == [0, 2, 0, 2], "bad as soon as the source is lost"
    assert np.isnan(drained.value[1])
    assert health.connects == 2
    assert health.samples == 2


async def test_a_source_that_is_away_says_why_and_is_not_up():
    connector = ScriptedConnector()
    _, health, _ = await read(connector, lambda _, health: connector.opened >= 2)
    assert not health.up
    assert health.error == "the script is over"


async def test_a_source_that_can_only_listen_is_up_before_anybody_speaks():
    connector = ScriptedConnector([SourceLost("broker gone")], [])
    connector.listens = True
    _, health, _ = await read(connector, lambda _, health: health.connects == 2)
    assert health.samples == 0


async def test_a_source_that_asks_is_not_up_before_it_has_an_answer():
    connector = ScriptedConnector([SourceLost("no answer")], [SourceLost("no answer")])
    _, health, _ = await read(connector, lambda _, health: connector.opened == 3)
    assert health.connects == 0


async def test_what_a_connector_has_to_say_of_its_tags_is_known_as_it_changes():
    connector = ScriptedConnector([batch(1, 1.0)])
    connector.diagnostics = []
    _, health, _ = await read(connector, lambda _, health: health.connects == 1)
    connector.diagnostics.append("flow: polled")
    assert list(health.diagnostics) == ["flow: polled"]


async def test_a_session_that_just_ends_is_a_lost_one():
    connector = ScriptedConnector([batch(1, 1.0)], [])
    _, health, _ = await read(connector, lambda _, health: health.losses == 1)
    assert health.error in {"the session ended", "the script is over"}


async def test_a_bug_in_a_connector_is_not_swallowed():
    connector = ScriptedConnector([ZeroDivisionError("a bug")])
    _, _, task = await read(connector, lambda *_: False)
    with pytest.raises(ZeroDivisionError):
        await task


async def test_what_a_human_must_mend_is_said_and_does_not_end_the_task():
    connector = ScriptedConnector([ConfigError("client.pem does not exist")])
    _, health, task = await read(connector, lambda _, health: health.error)
    assert health.error == "client.pem does not exist"
    assert task.cancelled()


class Deaf:
    """Goes on when it is cancelled, as asyncio.wait_for of Python 3.11 may."""

    @contextlib.asynccontextmanager
    async def open(self):
        async def batches():
            while True:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.01)
                yield batch(1, 1.0)

        yield batches()


async def test_a_cancellation_that_a_library_swallows_ends_the_reading_all_the_same():
    inbox, _, task = await read(Deaf(), lambda inbox, _: len(inbox) >= 2)
    assert task.cancelled()
    assert len(inbox) >= 2


class EnoughError(Exception):
    """The test has seen as many waits as it wants."""


class Sessions(ScriptedConnector):
    """A script whose sessions take a time: pairs of seconds and what they bring."""

    def __init__(self, clock, *sessions):
        super().__init__(*(brings for _, brings in sessions))
        self._clock, self._lengths = clock, [seconds for seconds, _ in sessions]

    @contextlib.asynccontextmanager
    async def open(self):
        self._clock.now += self._lengths.pop(0) if self._lengths else 0.0
        async with super().open() as batches:
            yield batches


@pytest.fixture
def clock(monkeypatch):
    """A monotonic clock that only sessions move, and waits that take no time."""
    made = SimpleNamespace(now=1000.0, waits=[])

    async def sleep(seconds):
        made.waits.append(seconds)
        if len(made.waits) == made.limit:
            raise EnoughError

    monkeypatch.setattr(
        source, "time", SimpleNamespace(monotonic=lambda: made.now, time_ns=lambda: 77)
    )
    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(source, "Backoff", lambda **limits: Backoff(**limits, draw=lambda: 1.0))
    return made


async def played(clock, connector, waits, tags=range(5, 7)):
    """Read until so many waits have passed; what arrived, the health and the log."""
    inbox, health, clock.limit = Inbox(TAGS), SourceHealth("plc"), waits
    with structlog.testing.capture_logs() as logs, pytest.raises(EnoughError):
        await keep_reading(connector, tags, inbox, health)
    return inbox.drain(), health, logs


LOST = SourceLost("connection reset")


async def test_a_lost_source_makes_its_tags_bad_once_and_not_at_every_retry(clock):
    connector = Sessions(clock, (0, [batch(1, 1.0, 2.0), LOST]), (0, [LOST]), (0, [LOST]))
    arrived, _, _ = await played(clock, connector, 4)
    assert arrived.tag.tolist() == [5, 6, 5, 6]
    assert arrived.quality.tolist() == [0, 0, 2, 2]
    assert arrived.at.tolist() == [1, 1, 77, 77]


async def test_a_source_that_never_delivered_has_no_values_to_make_bad(clock):
    arrived, health, _ = await played(clock, Sessions(clock, (0, [LOST]), (0, [LOST])), 2)
    assert arrived is None
    assert health.samples == 0


async def test_the_waits_between_sessions_grow_to_three_seconds(clock):
    await played(clock, Sessions(clock), 6)
    assert clock.waits == [0.25, 0.5, 1.0, 2.0, 3.0, 3.0]


@pytest.mark.parametrize(("length", "wait"), [(10.0, 2.0), (10.5, 0.25)])
async def test_only_a_session_of_more_than_ten_seconds_forgives_the_failures(clock, length, wait):
    short = (0, [LOST])
    connector = Sessions(clock, short, short, short, (length, [batch(1, 1.0), LOST]))
    await played(clock, connector, 5)
    assert clock.waits[:4] == [0.25, 0.5, 1.0, wait]


async def test_a_source_that_asks_for_time_is_left_alone_for_that_long(clock):
    asked = SourceLost("busy", wait=7.0)
    await played(clock, Sessions(clock, (0, [asked]), (0, [SourceLost("busy", wait=0.1)])), 2)
    assert clock.waits == [7.0, 0.5]


async def test_what_a_human_must_mend_is_tried_every_half_minute(clock):
    wrong = ConfigError("client.pem does not exist")
    _, health, logs = await played(clock, Sessions(clock, (0, [wrong]), (0, [wrong])), 2)
    assert clock.waits == [30.0, 30.0]
    assert logs == [
        {
            "event": "source.misconfigured",
            "log_level": "error",
            "source": "plc",
            "why": "client.pem does not exist",
        }
    ]
    assert (health.up, health.error) == (False, "client.pem does not exist")


async def test_change_is_logged_and_not_repetition(clock):
    connector = Sessions(
        clock,
        (0, [LOST]),
        (0, [LOST]),
        (0, [batch(1, 1.0), batch(2, 1.0), LOST]),
        (0, [LOST]),
        (0, [SourceLost("no route")]),
    )
    _, _, logs = await played(clock, connector, 5)
    assert [(each["event"], each["log_level"], each.get("why")) for each in logs] == [
        ("source.lost", "warning", "connection reset"),
        ("source.up", "info", None),
        ("source.lost", "warning", "connection reset"),
        ("source.lost", "warning", "no route"),
    ]
    assert {each["source"] for each in logs} == {"plc"}
    assert logs[1]["away_s"] >= 0


async def test_a_session_that_ends_by_itself_is_a_loss_with_that_reason(clock):
    _, health, logs = await played(clock, Sessions(clock, (0, [batch(1, 1.0)])), 1)
    assert health.error == logs[-1]["why"] == "the session ended"


@pytest.mark.parametrize(("listens", "events"), [(True, ["source.up"]), (False, [])])
async def test_only_a_connector_that_can_do_no_more_than_listen_is_up_in_silence(
    clock, listens, events
):
    connector = Sessions(clock, (0, []))
    connector.listens = listens
    _, health, logs = await played(clock, connector, 1)
    assert [each["event"] for each in logs][:-1] == events
    assert health.connects == len(events)


async def test_the_health_has_the_very_diagnostics_of_the_connector(clock):
    connector = Sessions(clock, (0, [LOST]))
    connector.diagnostics = ["flow: polled"]
    _, health, _ = await played(clock, connector, 1)
    assert health.diagnostics is connector.diagnostics


async def test_samples_are_noted_in_the_health_as_they_come(clock):
    connector = Sessions(clock, (0, [batch(3, 1.0, float("nan")), batch(4, 2.0), LOST]))
    arrived, health, _ = await played(clock, connector, 1)
    assert (health.samples, health.bad, health.last_sample_at, health.losses) == (3, 1, 4, 1)
    assert arrived.tag.tolist() == [5, 6, 5, 5, 6]


def test_a_bad_batch_has_one_sample_without_a_value_of_each_tag():
    made = bad_batch(3, 42, "it is away")
    assert (made.tag.tolist(), made.tag.dtype) == ([0, 1, 2], np.int32)
    assert (made.at.tolist(), made.at.dtype) == ([42] * 3, np.int64)
    assert np.isnan(made.value).all()
    assert (made.quality.tolist(), made.quality.dtype) == ([Quality.BAD] * 3, np.uint8)
    assert len(made.value) == 3
    assert made.reasons == dict.fromkeys(range(3), "it is away")


class DeafAndLost:
    """Loses its session when it is cancelled."""

    @contextlib.asynccontextmanager
    async def open(self):
        async def batches():
            yield batch(1, 1.0)
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                raise SourceLost("connection refused") from None

        yield batches()


async def test_a_source_that_is_lost_while_it_is_cancelled_is_not_opened_again():
    _, _, task = await read(DeafAndLost(), lambda inbox, _: len(inbox) >= 1)
    assert task.cancelled()


async def test_a_source_whose_connector_has_a_bug_is_down_and_its_tags_are_bad():
    connector = ScriptedConnector([batch(1, 1.0), KeyError("flow")])
    inbox, health, task = await read(connector, lambda inbox, _: len(inbox) == 2)
    assert inbox.drain().quality.tolist() == [0, 2]
    assert (health.up, health.error) == (False, "KeyError: 'flow'")
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(KeyError):
            await task


class Hanging:
    """A connector that hangs where it is told to."""

    def __init__(self, where, *, listens=False):
        self.where, self.hangs = where, asyncio.Event()
        if listens:
            self.listens = True

    @contextlib.asynccontextmanager
    async def open(self):
        if self.where == "open":
            made_progress()
            await self._hang()
        yield self._batches()

    async def _batches(self):
        if self.where == "next":
            yield batch(1, 1.0)
        await self._hang()
        yield batch(2, 2.0)

    async def _hang(self):
        self.hangs.set()
        await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("where", "listens", "does", "limit"),
    [
        ("open", False, "connecting", CONNECTING_S),
        ("open", True, "connecting", CONNECTING_S),
        ("first", False, "connecting", CONNECTING_S),
        ("first", True, "listening", None),
        ("next", False, "waiting for data", 77.0),
        ("next", True, "waiting for data", None),
    ],
)
async def test_a_source_says_what_it_waits_for_and_how_long_at_most(where, listens, does, limit):
    connector, part = Hanging(where, listens=listens), Part("source plc")
    reading = keep_reading(
        connector, range(5, 6), Inbox(TAGS), SourceHealth("plc"), part=part, silence=77.0
    )
    task = asyncio.create_task(reading)
    async with asyncio.timeout(PATIENCE):
        await connector.hangs.wait()
    assert (part.state.wait.what, part.state.wait.limit) == (does, limit)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
