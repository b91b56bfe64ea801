"""A line with hand-made time: no sleep, no server, every decision seen in what was stored."""

import asyncio
import contextlib
import json
import re
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import structlog
from fakes import PLACES, Broken, LastValue, MemoryStore, batch, tag
from patience import PATIENCE

from detectors.runtime.limits import LimitsDetector, LimitsOptions
from gateway.api import line_protocol
from gateway.api.alarms import AlarmState, Severity, Transition
from gateway.api.contracts import CommandRefused, Places
from gateway.api.model import SECOND, Envelope, Kind, Loss, Reference, WindowSpec
from gateway.config.load import LineConfig
from gateway.config.schema import LineFileBase, SecuritySection
from gateway.core.alarms.acts import acknowledge
from gateway.core.alarms.journal import note
from gateway.core.clock import RELEASED, ClockWatch
from gateway.line.detection import warm_up
from gateway.line.line import Line
from gateway.sinks.mqtt_json import payload_of
from gateway.telemetry.status import snapshot

S = SECOND
T0 = 1_700_000_040 * S  # a whole minute
TAGS = (tag("flow", unit="m3/h"), tag("level"))
RIPE = {"pump.sight_watched": np.array([3600 * S])}
"""A model that was watched for so long that its blindness can be told."""


def config(**sections):
    plain = {"version": 1, "line": "l", "site": "s", "sources": {}, **sections}
    file = LineFileBase.model_validate(plain)
    return LineConfig(
        Path("l.yaml"), "l", "s", file, SecuritySection(), TAGS, Places(Path(), Path()), "digest"
    )


def line(store, *, now=T0, **detectors):
    return Line(config(), detectors, store, now, clock=lambda: now)


async def play(a_line, values, start=T0):
    """One sample of both tags each second, a tick after each cell's lateness; NaN is bad."""
    for k, value in enumerate(values):
        at = start + k * S + S // 2
        a_line.inbox.put(batch(at, value, 1.0), 0)
        await a_line.tick(start + (k + 1) * S + S // 2)


def stored_points(store, kind):
    return [line_protocol.decode(row.body) for row in store.rows if row.kind is kind]


async def test_a_strange_window_becomes_one_stored_alert_with_its_cause():
    store = MemoryStore()
    press = line(store, pump=LastValue("flow", severity=Severity.HIGH))
    await play(press, [5, 5, 20, 20, 5])
    raised, cleared = stored_points(store, Kind.ALERT)
    assert raised.measurement == "andon_alert"
    assert raised.tags == {"site": "s", "line": "l", "detector": "pump", "severity": "high"}
    assert raised.fields["active"] is True
    assert raised.fields["top_tags"] == "flow"
    assert raised.fields["id"] == cleared.fields["id"]
    assert cleared.fields["state"] == "returned_unacknowledged"
    assert raised.at == T0 + 3 * S
    assert [alert.is_active for alert in press.health.alerts] == [True, False]


async def test_what_was_not_stored_is_neither_shown_nor_forgotten():
    store = MemoryStore()
    press = line(store, pump=LastValue("flow"))
    store.refuse = True
    await play(press, [20, 20])
    assert not press.health.alerts
    assert press.health.append_failures == 2
    store.refuse = False
    await play(press, [20], start=T0 + 2 * S)
    assert len(stored_points(store, Kind.ALERT)) == 1
    assert press.health.raised == 1


async def test_each_time_that_the_store_refuses_is_said_once_and_its_end_too():
    store = MemoryStore()
    press = line(store, pump=LastValue("flow"))
    with structlog.testing.capture_logs() as logs:
        for k, (refuse, value) in enumerate(
            [(True, 20), (True, 20), (False, 20), (True, 5), (False, 5)]
        ):
            store.refuse = refuse
            await play(press, [value], start=T0 + k * S)
    events = [each["event"] for each in logs if each["event"].startswith("buffer.")]
    assert events == ["buffer.refused", "buffer.accepts"] * 2


async def test_a_restart_raises_nothing_twice():
    store = MemoryStore()
    await play(line(store, pump=LastValue("flow")), [20, 20, 20])
    again = line(store, now=T0 + 3 * S, pump=LastValue("flow"))
    await again.restore()
    assert [alert.alarm for alert in again.health.active.values()] == ["anomaly"]
    await play(again, [20, 20, 5], start=T0 + 3 * S)
    raised, cleared = stored_points(store, Kind.ALERT)
    assert raised.fields["id"] == cleared.fields["id"]
    assert not again.health.active


async def test_a_failing_detector_is_said_to_fail_and_its_neighbour_goes_on():
    store = MemoryStore()
    press = line(store, broken=Broken("flow"), pump=LastValue("flow"))
    await play(press, [20])
    assert press.health.detectors["broken"].state == "failed"
    assert "the model is broken" in press.health.detectors["broken"].reason
    assert press.health.detectors["pump"].state == "ok"
    assert len(stored_points(store, Kind.ALERT)) == 1
    assert press.health.overall == "blind"


async def test_bad_data_makes_a_model_blind_and_not_strange():
    store = MemoryStore()
    press = line(store, pump=LastValue("flow"))
    await play(press, [5, float("nan")])
    pump = press.health.detectors["pump"]
    assert (pump.state, pump.reason) == (
        "blind",
        "no data for 1 of 1 tags: flow (its quality is bad)",
    )
    assert (pump.scored, pump.refused) == (1, 1)
    assert stored_points(store, Kind.ALERT) == []


async def test_a_silent_source_is_an_alarm_of_its_own():
    store = MemoryStore()
    press = line(store, pump=LastValue("flow"))
    press.health.sources["plc"].note_up()
    await play(press, [5, 5])
    for k in range(3, 15):
        await press.tick(T0 + k * S)
    (alert,) = stored_points(store, Kind.ALERT)
    assert alert.tags["detector"] == "data"
    assert alert.fields["alarm"] == "plc.lost"
    assert alert.fields["top_tags"] == "flow,level"
    assert press.health.detectors["pump"].state == "blind"


async def test_each_minute_brings_a_summary_of_each_tag_and_one_point_of_the_gateway():
    store = MemoryStore()
    press = line(store, pump=LastValue("flow"))
    press.health.sources["plc"].note_up()
    await play(press, [float(k % 7) for k in range(61)])
    flow, level = stored_points(store, Kind.SUMMARY)
    assert flow.tags == {"site": "s", "line": "l", "tag": "flow"}
    assert (flow.fields["count"], flow.fields["max"]) == (60, 6.0)
    assert level.fields["std"] == 0.0
    (gateway,) = stored_points(store, Kind.GATEWAY)
    assert gateway.fields["health"] == "ok"
    assert gateway.fields["windows_scored"] >= 59
    assert gateway.fields["score_pump"] == 6.0
    assert gateway.fields["threshold_pump"] == 10.0
    assert gateway.fields["bytes_raw"] > 60 * 2 * 40


async def test_windows_that_close_together_are_scored_in_one_call():
    store, pump = MemoryStore(), LastValue("flow")
    press = line(store, pump=pump)
    press.inbox.put(batch(T0 + S // 2, 1.0, 1.0), 0)
    await press.tick(T0 + 4 * S + S // 2)
    assert pump.calls == [4]


@pytest.mark.parametrize("step", [-3600, 3600])
async def test_a_clock_step_neither_stops_nor_alarms_the_line(step):
    store = MemoryStore()
    press = line(store, pump=LastValue("flow"))
    await play(press, [5, 5])
    start = T0 + step * S
    await press.tick(start)
    await play(press, [5, 5, 20], start=start)
    alarms = [alert.fields["alarm"] for alert in stored_points(store, Kind.ALERT)]
    assert alarms == ["anomaly"]


async def test_the_recorder_hears_of_every_look_and_with_which_time_it_was_decided():
    class Heard(list):
        def note(self, now, press):
            self.append((now, press))

    heard = Heard()
    press = Line(config(), {}, MemoryStore(), T0, clock=lambda: T0, recorder=heard)
    await play(press, [5.0])
    await press.tick(T0 + 3 * S)
    (first, arrived), silence = heard
    assert (first, arrived.value.tolist()) == (T0 + S + S // 2, [5.0, 1.0])
    assert silence == (T0 + 3 * S, None)


async def test_the_ledger_of_bytes_goes_on_after_a_restart():
    store = MemoryStore()
    press = line(store, pump=LastValue("flow"))
    press.health.sources["plc"].wire_bytes = 500
    await play(press, [1.0] * 61)
    again = line(store, pump=LastValue("flow"))
    await again.restore()
    again.health.sources["plc"].wire_bytes = 30
    again.health.record_bytes(T0 + 120 * S)
    (day,) = again.health.ledger.days()
    assert day["read"] == 530
    assert day["raw_gzip"] > 100


async def alarmed(store):
    """A line with an active alarm, and its id."""
    press = line(store, pump=LastValue("flow", severity=Severity.HIGH))
    await play(press, [20, 20])
    (alarm_id,) = press.health.active
    return press, alarm_id


async def test_an_alarm_that_is_not_acknowledged_escalates_at_each_time_of_the_line_file():
    store, asked = MemoryStore(), config(alarms={"escalate_after": ["2s", "4s"]})
    press = Line(asked, {"pump": LastValue("flow")}, store, T0, clock=lambda: T0)
    await play(press, [20] * 8)
    assert [p.fields["transition"] for p in stored_points(store, Kind.ALERT)] == [
        "raised",
        "escalated",
        "escalated",
    ]
    quiet = MemoryStore()
    await play(line(quiet, pump=LastValue("flow")), [20] * 8)
    assert [p.fields["transition"] for p in stored_points(quiet, Kind.ALERT)] == ["raised"]


async def acknowledging(press, alarm_id):
    caller = asyncio.create_task(press.act(alarm_id, acknowledge("anna"), "anna"))
    await asyncio.sleep(0)
    return caller


async def test_an_acknowledgement_is_stored_with_the_append_before_its_caller_hears_of_it():
    store = MemoryStore()
    press, alarm_id = await alarmed(store)
    caller = await acknowledging(press, alarm_id)
    await press.tick(T0 + 3 * S)
    alert = await caller
    assert (alert.id, alert.state) == (alarm_id, AlarmState.ACKNOWLEDGED)
    assert [p.fields["state"] for p in stored_points(store, Kind.ALERT)] == [
        "unacknowledged",
        "acknowledged",
    ]
    assert b'"acknowledged_by": "anna"' in store.checkpoints["pump"]


async def test_an_acknowledgement_is_no_new_alarm_and_is_shown_as_one_that_stands():
    store = MemoryStore()
    press, alarm_id = await alarmed(store)
    caller = await acknowledging(press, alarm_id)
    with structlog.testing.capture_logs() as logs:
        await press.tick(T0 + 3 * S)
    await caller
    assert press.health.raised == 1
    assert press.health.active[alarm_id].state is AlarmState.ACKNOWLEDGED
    assert [entry["event"] for entry in logs] == ["alert.acknowledged"]
    assert press.health.alerts[-1].transition is Transition.ACKNOWLEDGED


async def test_while_the_buffer_refuses_the_caller_waits_and_nothing_is_shown():
    store = MemoryStore()
    press, alarm_id = await alarmed(store)
    caller = await acknowledging(press, alarm_id)
    store.refuse = True
    await press.tick(T0 + 3 * S)
    await asyncio.sleep(0)
    assert not caller.done()
    assert press.health.active[alarm_id].state is AlarmState.UNACKNOWLEDGED
    store.refuse = False
    await press.tick(T0 + 4 * S)
    assert (await caller).id == alarm_id
    assert press.health.active[alarm_id].state is AlarmState.ACKNOWLEDGED


@pytest.mark.parametrize("wrong", ["pump.anomaly-1", "nobody.anomaly-1", ""])
async def test_an_act_that_cannot_be_done_is_refused_and_stores_nothing(wrong):
    store = MemoryStore()
    press, _ = await alarmed(store)
    rows, states = list(store.rows), dict(store.checkpoints)
    caller = await acknowledging(press, wrong)
    await press.tick(T0 + 2 * S + S // 2 + 1)
    with pytest.raises(CommandRefused, match="no alarm"):
        await caller
    assert (store.rows, store.checkpoints) == (rows, states)


async def test_a_command_does_not_wait_for_the_next_window():
    store = MemoryStore()
    press, alarm_id = await alarmed(store)
    running = asyncio.create_task(press.run())
    async with asyncio.timeout(PATIENCE):
        assert (await press.act(alarm_id, acknowledge("anna"), "anna")).id == alarm_id
    running.cancel()


class Noted:
    """Takes any call, and notes it as (name, arguments)."""

    def __init__(self, **answers):
        self.calls, self._answers = [], answers

    def __getattr__(self, name):
        def call(*given):
            self.calls.append((name, *given))
            return self._answers.get(name)

        return call

    def named(self, name):
        return [given for called, *given in self.calls if called == name]


class Clocks:
    """A monotonic clock that goes with the ticks but for the steps of the other one."""

    def __init__(self):
        self.behind = 0
        self.watch = ClockWatch(lambda: self.now, lambda: False)
        self.now = 0

    def at(self, now, step=0):
        self.behind += step
        self.now = now - self.behind
        return now


def line_with(store, detectors=None, **more):
    return Line(config(), detectors or {}, store, T0, clock=lambda: T0, **more)


TICK = T0 + S + S // 2
"""When the first window of a second closes."""


def test_a_detector_is_starting_until_its_first_whole_window():
    specs = [WindowSpec(("flow",), S, length, hop) for length, hop in ((1, 1), (10, 1), (10, 4))]
    assert [warm_up(spec) for spec in specs] == [2, 11, 3]
    press = line(MemoryStore(), pump=LastValue("flow", length=10))
    assert press.health.detectors["pump"].warm_up == 11
    assert (press.health.line, press.health.site) == ("l", "s")


def test_the_next_tick_is_when_a_window_is_due_and_at_most_a_second_away():
    press = line(MemoryStore(), pump=LastValue("flow"))
    assert press.next_tick(T0) == T0 + S
    assert press.next_tick(T0 + S) == TICK
    assert press.next_tick(TICK + S) == TICK, "it is overdue"
    assert line(MemoryStore()).next_tick(T0) == T0 + S


async def test_the_line_waits_for_its_next_tick_and_no_longer(monkeypatch):
    press = line(MemoryStore(), pump=LastValue("flow"))
    times, waits, ticks = iter([T0, T0 + 1, TICK + S, TICK + S + 1]), [], []
    press._clock = lambda: next(times)
    press.commands = SimpleNamespace(wait=lambda seconds: asyncio.sleep(0, waits.append(seconds)))
    monkeypatch.setattr(press, "tick", lambda now: asyncio.sleep(0, ticks.append(now)))
    with pytest.raises(RuntimeError, match="StopIteration"):
        await press.run()
    assert waits == [1.0, 0.0]
    assert ticks == [T0 + 1, TICK + S + 1]


async def test_the_clocks_past_and_the_clips_that_are_owed_survive_a_restart():
    store, clocks = MemoryStore(), Clocks()
    store.checkpoints = {"#clock": b'{"newest": 77, "turn": 4}', "#clips": b"owed"}
    clips = Noted()
    press = line_with(store, clock_watch=clocks.watch, clips=clips)
    await press.restore()
    assert clocks.watch.epoch == 4
    assert clips.calls == [("restore", b"owed")]


async def test_a_line_without_clock_watch_and_clips_leaves_what_a_run_with_them_stored():
    store = MemoryStore()
    store.checkpoints = {"#clock": b'{"newest": 77, "turn": 4}', "#clips": b"owed"}
    await line_with(store).restore()
    empty = line_with(MemoryStore(), clock_watch=Clocks().watch, clips=Noted())
    await empty.restore()
    assert empty._clips.calls == []


async def test_the_alarms_of_every_detector_are_shown_after_a_restart():
    store = MemoryStore()
    await play(line(store, pump=LastValue("flow"), fan=LastValue("flow")), [20])
    again = line(store, now=T0 + S, pump=LastValue("flow"), fan=LastValue("flow"))
    await again.restore()
    assert sorted(alert.detector for alert in again.health.active.values()) == ["fan", "pump"]


async def test_the_windows_survive_a_restart():
    press = line(MemoryStore(), pump=LastValue("flow", length=3))
    await play(press, [1, 2])
    pump = LastValue("flow", length=3)
    again = line(MemoryStore(), now=T0 + 2 * S, pump=pump)
    again.recall(press.memory())
    with again.tap.subscribe("windows") as asked:
        await play(again, [3], start=T0 + 2 * S)
    (windows, _) = await asked.get()
    spec, (window,) = windows["pump"]
    assert spec is pump.spec
    assert window.values[:, 0].tolist() == [1.0, 2.0, 3.0]


async def test_what_a_model_was_shown_survives_a_restart():
    class Learnt(LastValue):
        reference = Reference(((0.5,),) * 2, ((0.5, 0.5),) * 2, S)

    press = line(MemoryStore(), pump=Learnt("flow"))
    await play(press, [1, 2, 3])
    assert press.memory()["pump.sight_watched"].tolist() == [3 * S]
    again = line(MemoryStore(), pump=Learnt("flow"))
    again.recall(press.memory())
    assert again.memory()["pump.sight_watched"].tolist() == [3 * S]
    assert again.memory()["pump.channels"].tolist() == press.memory()["pump.channels"].tolist()


async def test_a_subscriber_gets_samples_windows_scores_and_alerts():
    press = line(MemoryStore(), pump=LastValue("flow"))
    topics = ("samples", "windows", "scores", "alerts")
    with contextlib.ExitStack() as stack:
        asked = [stack.enter_context(press.tap.subscribe(topic)) for topic in topics]
        await play(press, [20.0])
        samples, windows, scores, alert = [(await each.get())[0] for each in asked]
    assert (samples[0], samples[1].value.tolist()) == (TICK, [20.0, 1.0])
    assert windows["pump"][0].tags == ("flow",)
    assert windows["pump"][1][0].end == T0 + S
    name, spec, alarms, (score,) = scores
    assert (name, spec.tags, [alarm.name for alarm in alarms]) == ("pump", ("flow",), ["anomaly"])
    assert score.values.tolist() == [20.0]
    assert alert.transition is Transition.RAISED


async def test_durations_are_measured_in_seconds():
    press = line(MemoryStore(), pump=LastValue("flow"))
    press.timings = press._detection.scorer._timings = press._announcements._timings = Noted()
    press._clock = lambda: T0 + 3 * S
    await play(press, [20.0])
    assert press.timings.named("decided") == [[1.5]]
    # From the window's close, which was a lateness of 0.5 s after its end.
    assert press.timings.named("alerted") == [[1.5]]
    ((name, scoring),), ((append,),) = (
        press.timings.named("scored"),
        press.timings.named("committed"),
    )
    assert name == "pump"
    assert 0 <= scoring < 10
    assert 0 <= append < 10
    await press.tick(TICK + 1)
    assert len(press.timings.named("decided")) == 1, "no window closed"


async def test_an_alert_of_the_future_has_no_latency_and_an_acknowledgement_none_at_all():
    press, alarm_id = await alarmed(MemoryStore())
    press.timings = press._announcements._timings = Noted()
    caller = await acknowledging(press, alarm_id)
    await press.tick(T0 + 3 * S)
    await caller
    assert press.timings.named("alerted") == []
    await play(press, [5.0], start=T0 + 3 * S)
    assert press.timings.named("alerted") == [[0.0]]


async def test_a_line_counts_what_was_late_or_dropped_and_what_it_stored():
    store = MemoryStore()
    press = line(store, pump=LastValue("flow"))
    await play(press, [1.0, 2.0])
    press.inbox.put(batch(T0 - 61 * S, 1.0), 0)
    press.inbox.put(batch(T0 + S // 2, 1.0), 0)
    press.inbox.put(batch(T0 + 3600 * S, 1.0), 0)
    press.inbox.dropped = 7
    await press.tick(T0 + 2 * S + S // 2 + 1)
    health = press.health
    # The aligner misses both, the summaries only what is of a minute that was closed.
    assert (health.late, health.future, health.dropped) == (3, 1, 7)
    await press.tick(T0 + 60 * S + S // 2)
    await press.tick(T0 + 120 * S + S // 2)
    assert health.summaries == 4


async def test_a_stepped_clock_moves_ages_delays_clips_and_what_is_due():
    store, clocks, clips = MemoryStore(), Clocks(), Noted(take=((), None), checkpoint=b"owed")
    pump = LastValue("flow", on_delay=2 * S)
    press = line_with(store, {"pump": pump}, clock_watch=clocks.watch, clips=clips)
    press._watch, press._routine._due = Noted(states=np.zeros(2)), 5
    press._alarms.machines = {"pump": Noted(checkpoint=b"{}")}
    with structlog.testing.capture_logs() as logs:
        press._check_clock(clocks.at(RELEASED + 10 * S))
        assert press._routine._due == 5
        press._check_clock(clocks.at(RELEASED + 71 * S + 123_456_789, step=60 * S + 123_456_789))
    assert press._watch.calls == [("shift", 60 * S + 123_456_789)]
    assert press._alarms.machines["pump"].calls == [
        ("restart_delays", RELEASED + 71 * S + 123_456_789 - S // 2, 60 * S + 123_456_789)
    ]
    assert clips.calls == [("make_due_now",)]
    assert press._routine._due == (RELEASED // (60 * S) + 2) * 60 * S
    assert press.health.clock == "stepped"
    assert press.health.clock_steps == 1
    assert logs == [
        {"event": "clock.stepped", "log_level": "warning", "by_s": 60.123},
        {"event": "clock.doubted", "log_level": "warning", "why": "stepped"},
    ]
    with structlog.testing.capture_logs() as logs:
        press._check_clock(clocks.at(RELEASED + 7200 * S))
    assert logs == [{"event": "clock.trusted", "log_level": "info"}]
    assert press.health.clock_steps == 1


async def test_a_clock_step_of_a_line_without_clips_is_not_an_error():
    clocks = Clocks()
    press = line_with(MemoryStore(), clock_watch=clocks.watch)
    for now, step in ((T0, 0), (T0 + 3600 * S, 3599 * S)):
        await press.tick(clocks.at(now, step))
    assert press.health.clock_steps == 1


async def test_points_of_a_doubted_clock_and_of_another_epoch_are_marked():
    store, clocks = MemoryStore(), Clocks()
    press = line_with(store, {"pump": LastValue("flow")}, clock_watch=clocks.watch)
    clocks.watch.epoch = 3
    at = clocks.at(TICK)
    press.inbox.put(batch(T0 + S // 2, 20.0, 1.0), 0)
    await press.tick(at)
    (alert,) = stored_points(store, Kind.ALERT)
    assert alert.fields["clock"] == "before_release"
    assert alert.fields["id"].endswith(".3")
    assert alert.at == T0 + S + 300_000
    assert store.rows[0].at == alert.at


async def test_points_of_a_trusted_clock_are_left_as_they_are():
    store, clocks = MemoryStore(), Clocks()
    press = line_with(store, clock_watch=clocks.watch)
    now = RELEASED // (60 * S) * 60 * S + 120 * S
    await press.tick(clocks.at(now))
    await press.tick(clocks.at(now + 60 * S + S // 2))
    points = [line_protocol.decode(row.body) for row in store.rows]
    assert points
    assert not any("clock" in point.fields or point.at % S not in (0, S // 2) for point in points)


async def test_the_newest_point_is_stored_with_what_the_clock_watch_knows():
    store, clocks = MemoryStore(), Clocks()
    press = line_with(store, {"pump": LastValue("flow")}, clock_watch=clocks.watch)
    await press.tick(clocks.at(T0 + S))
    assert "#clock" not in store.checkpoints, "nothing was stored"
    press.inbox.put(batch(T0 + S // 2, 20.0, 1.0), 0)
    await press.tick(clocks.at(TICK))
    assert store.checkpoints["#clock"] == b'{"newest": %d, "turn": 0}' % (T0 + S)


async def test_the_points_of_a_clip_are_stored_with_what_is_still_owed():
    store = MemoryStore()
    clip = Envelope(Kind.CLIP, 5, b"m x=1i 5")
    clips = Noted(take=([clip], None), checkpoint=b"owed")
    press = line_with(store, {"pump": LastValue("flow")}, clips=clips)
    await play(press, [20.0])
    assert clip in store.rows
    assert store.checkpoints["#clips"] == b"owed"
    ((asked,),) = clips.named("ask")
    assert (asked.alarm, asked.transition) == ("anomaly", Transition.RAISED)
    names = [name for name, *_ in clips.calls]
    assert names.index("take") < names.index("ask"), "what is asked for now is cut later"


async def test_what_a_clip_lost_is_noted_in_the_store():
    store = MemoryStore()
    lost, store.losses = Loss(Kind.CLIP, "per_hour", 3, 1, 2), []
    store.note = store.losses.append
    press = line_with(store, clips=Noted(take=((), lost), checkpoint=b"{}"))
    await press.tick(T0 + 1)
    assert store.losses == [lost]


async def test_a_detector_that_fails_is_logged_once_and_its_recovery_too():
    pump, broken = LastValue("flow"), Broken("flow")
    press = line(MemoryStore(), pump=pump)
    events = []
    for k, score in enumerate((pump.score, broken.score, broken.score, pump.score)):
        pump.score = score
        with structlog.testing.capture_logs() as logs:
            await play(press, [1.0], start=T0 + k * S)
        events += logs
    ok = {"event": "detector.state", "log_level": "info", "state": "ok", "why": ""}
    failed = {"event": "detector.failed", "log_level": "error", "why": "the model is broken"}
    assert events == [each | {"detector": "pump"} for each in (ok, failed, ok)]


async def test_a_blind_detector_is_logged_with_the_reason():
    press = line(MemoryStore(), pump=LastValue("flow"))
    await play(press, [1.0])
    with structlog.testing.capture_logs() as logs:
        await play(press, [float("nan")], start=T0 + S)
    assert logs == [
        {
            "event": "detector.state",
            "log_level": "info",
            "detector": "pump",
            "state": "blind",
            "why": "no data for 1 of 1 tags: flow (its quality is bad)",
        }
    ]


async def test_a_detector_with_too_few_scores_is_an_error():
    pump = LastValue("flow")
    pump.score = lambda windows: []
    with pytest.raises(ValueError, match="zip"):
        await play(line(MemoryStore(), pump=pump), [1.0])


async def test_an_alert_is_logged_with_its_causes_and_what_it_was():
    press = line(MemoryStore(), pump=LastValue("flow", severity=Severity.HIGH))
    with structlog.testing.capture_logs() as logs:
        await play(press, [20.0, 5.0])
    raised, returned = [each for each in logs if each["event"].startswith("alert.")]
    assert raised == {
        "event": "alert.raised",
        "log_level": "warning",
        "id": f"pump.anomaly-{(T0 + S) // 1_000_000:x}",
        "severity": "high",
        "message": "L behaves unlike its normal running: flow 100 %",
        "tags": ["flow"],
    }
    assert type(raised["severity"]) is str
    assert returned["event"] == "alert.returned"


TIMES = r", since \d\d:\d\d:\d\d$"


@pytest.mark.parametrize(
    ("limits", "values", "words", "stored"),
    [
        ({"high": 85}, [20, 87.2], "Flow high: 87.2 m3/h, limit 85 m3/h", (87.2, 85.0, 2.2)),
        ({"low": 2000}, [2001, 992], "Flow low: 992 m3/h, limit 2000 m3/h", (992, 2000, 1008)),
        ({"low": -20}, [0, -25.5], "Flow low: -25.5 m3/h, limit -20 m3/h", (-25.5, -20, 5.5)),
        ({"low_low": 0}, [1, -1], "Flow very low: -1 m3/h, limit 0 m3/h", (-1.0, 0.0, 1.0)),
        ({"rate_of_change": 2}, [10, 4],
         "Flow changes fast: 6 m3/h per second, limit 2 m3/h per second", (6.0, 2.0, 4.0)),
        ({"flat_line": "2s"}, [5] * 4, "Flow does not change: the same value for 3 s, limit 2 s",
         (3.0, 2.0, 1.0)),
    ],
)  # fmt: skip
async def test_one_sentence_and_the_same_numbers_are_stored_sent_logged_and_shown(
    limits, values, words, stored
):
    options = LimitsOptions.model_validate({"type": "limits", "tags": {"flow": limits}})
    guard = LimitsDetector("guard", options, {each.name: each for each in TAGS}, PLACES)
    store = MemoryStore()
    press = line(store, guard=guard)
    with structlog.testing.capture_logs() as logs:
        await play(press, values)
    (point,) = stored_points(store, Kind.ALERT)
    (logged,) = [each for each in logs if each["event"] == "alert.raised"]
    (shown,) = snapshot(press.health, T0 + 9 * S)["active"]
    sent = json.loads(payload_of(point))
    assert re.sub(TIMES, "", point.fields["message"]) == words
    assert {each["message"] for each in (logged, shown, sent)} == {point.fields["message"]}
    for facts in (point.fields, sent):
        numbers = facts["value"], facts["threshold"], facts["excess"]
        assert numbers == pytest.approx(stored)
        assert facts["peak"] == facts["value"]
        assert "expected" not in f"{facts['cause']} {facts['causes']} {facts['message']}"
    assert (shown["value"], shown["threshold"]) == pytest.approx(stored[:2])
    (top,) = shown["top_tags"]
    assert (top["actual"], top["expected"], top["unit"]) == (values[-1], None, "m3/h")


async def test_an_alert_names_its_window_and_the_version_of_the_line_file():
    store = MemoryStore()
    await play(line(store, pump=LastValue("flow", length=3)), [9, 9, 9, 20])
    (point,) = stored_points(store, Kind.ALERT)
    assert (point.fields["window_start"], point.fields["window_end"]) == (T0 + S, T0 + 4 * S)
    assert (point.fields["config"], point.fields["model"]) == ("digest", "fake@1")


async def test_windows_that_close_together_bring_the_transitions_of_all():
    store = MemoryStore()
    press = line(store, pump=LastValue("flow"), fan=LastValue("level", threshold=0.5))
    for k, value in enumerate((20.0, 5.0)):
        press.inbox.put(batch(T0 + k * S + S // 2, value, 1.0), 0)
    await press.tick(TICK + S)
    made = [(p.tags["detector"], p.fields["state"]) for p in stored_points(store, Kind.ALERT)]
    assert made == [
        ("pump", "unacknowledged"),
        ("fan", "unacknowledged"),
        ("pump", "returned_unacknowledged"),
    ]


class Many(LastValue):
    """Eleven alarms at once."""

    def __init__(self):
        super().__init__("flow")
        self.alarms = tuple(replace(self.alarms[0], name=f"a{n}") for n in range(11))

    def score(self, windows):
        return [replace(s, values=np.repeat(s.values, 11)) for s in super().score(windows)]


async def test_a_flood_of_alarms_is_an_alarm_that_is_stored_shown_and_survives_a_restart():
    store = MemoryStore()
    press = line(store, pump=Many())
    await play(press, [5, 20])
    assert "flood" in [alarm.alarm for alarm in press.health.active.values()]
    points = stored_points(store, Kind.ALERT)
    assert [p.tags["detector"] for p in points] == ["pump"] * 11 + ["alarms"]
    assert [p.fields["in_flood"] for p in points] == [True] * 11 + [False]
    message = "Alarm flood: 11 alarms within 10 minutes; begin with the first of them: a0"
    assert points[-1].fields["message"] == message
    after = line(store, now=T0 + 2 * S, pump=Many())
    await after.restore()
    assert "flood" in [alarm.alarm for alarm in after.health.active.values()]
    assert after.health.open == press.health.open
    assert message in [alert.message for alert in after.health.open]


async def test_open_alarms_are_in_the_order_in_which_their_conditions_began():
    slow = LastValue("flow", on_delay=3 * S)
    press = line(MemoryStore(), quick=LastValue("flow", threshold=15.0), slow=slow)
    await play(press, [12, 12, 20, 20])
    assert [alert.detector for alert in press.health.open] == ["slow", "quick"]
    assert [alert.detector for alert in press.health.alerts] == ["quick", "slow"], "as they came"


async def test_a_blind_model_follows_from_the_source_that_it_lost():
    pump = LastValue("flow")
    pump.reference = Reference(((0.5,),) * 2, ((0.5, 0.5),) * 2, S)
    press = line(MemoryStore(), pump=pump)
    press.recall({**press.memory(), "pump.sight": np.array([9.0, 1.0]), **RIPE})
    press.inbox.put(batch(T0, 5.0, 1.0), 0)
    await press.tick(T0 + 1)
    # Neither of the two tags gives data any more: both are of one source.
    for second in (1, 3, 10, 20, 620, 640):
        await press.tick(T0 + second * S)
    blind, lost = press.health.open
    assert (lost.detector, blind.alarm) == ("data", "pump.blindness")
    assert (lost.caused_by, blind.caused_by) == ("", lost.id)


async def test_after_a_restart_a_model_alarms_only_when_no_window_has_the_gap_any_more():
    def lines(store, now=T0):
        pump = LastValue("flow", length=4)
        pump.reference = Reference(((0.5,),) * 2, ((0.5, 0.5),) * 2, S)
        return line(store, now=now, pump=pump, guard=LastValue("flow", length=4))

    store = MemoryStore()
    press = lines(store)
    await play(press, [5] * 6)
    after = lines(store, T0 + 8 * S)
    await after.restore()
    with structlog.testing.capture_logs() as logs:
        after.recall(press.memory())
    assert logs == [{"event": "alarms.wait", "log_level": "info", "detector": "pump", "for_s": 4.0}]
    await play(after, [20] * 6, start=T0 + 8 * S)
    raised = {alert.detector: (alert.at - T0) // S for alert in after.health.alerts}
    assert raised == {"guard": 9, "pump": 12}


async def test_trouble_with_a_model_is_an_alert_of_the_models():
    press = line(MemoryStore(), pump=LastValue("flow"))
    assert press._alarms.machines["models"].detector == "models"
    assert press._alarms.machines["data"].detector == "data"


async def test_a_line_scores_in_one_thread_of_its_own_or_in_none():
    seen = []

    class Seeing(LastValue):
        def score(self, windows):
            seen.append(threading.current_thread().name)
            return super().score(windows)

    await play(line(MemoryStore(), pump=Seeing("flow")), [1.0])
    press = line_with(MemoryStore(), {"pump": Seeing("flow")}, in_thread=False)
    await play(press, [1.0])
    assert seen == ["detectors", threading.current_thread().name]


async def test_the_gateways_own_point_is_due_with_each_full_interval():
    store = MemoryStore()
    press = line(store, now=T0 + 1)
    await press.tick(T0 + 60 * S - 1)
    assert stored_points(store, Kind.GATEWAY) == []
    await press.tick(T0 + 60 * S)
    await press.tick(T0 + 60 * S + 1)
    (point,) = stored_points(store, Kind.GATEWAY)
    assert (point.at, point.tags) == (T0 + 60 * S, {"site": "s", "line": "l"})
    await press.tick(T0 + 120 * S)
    assert len(stored_points(store, Kind.GATEWAY)) == 2


async def test_an_alarm_of_a_detector_with_a_dot_in_its_name_can_be_acknowledged():
    store = MemoryStore()
    press = line(store, **{"pump.main": LastValue("flow"), "pump": LastValue("level")})
    await play(press, [20, 20])
    (alarm_id,) = press.health.active
    caller = await acknowledging(press, alarm_id)
    await press.tick(T0 + 3 * S)
    assert (await caller).id == alarm_id


async def test_what_a_person_did_is_stored_even_if_the_tick_fails_behind_it(monkeypatch):
    store = MemoryStore()
    press, alarm_id = await alarmed(store)
    caller = await acknowledging(press, alarm_id)
    with monkeypatch.context() as patch:
        patch.setattr(press.inbox, "drain", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await press.tick(T0 + 3 * S)
    await press.tick(T0 + 4 * S)
    assert (await caller).id == alarm_id
    assert stored_points(store, Kind.ALERT)[-1].fields["state"] == "acknowledged"


async def test_an_acknowledged_alarm_is_listed_with_what_is_wrong_and_who_has_seen_it():
    store = MemoryStore()
    press, alarm_id = await alarmed(store)
    raised = press.health.active[alarm_id].message
    caller = await acknowledging(press, alarm_id)
    await press.tick(T0 + 3 * S)
    await caller
    listed = press.health.active[alarm_id]
    assert (listed.message, listed.acknowledged_by) == (raised, "anna")


@pytest.mark.parametrize(
    ("offset", "state"), [(7200, "bad"), (30, "bad"), (-7200, "stale"), (-800_000_000, "stale")]
)
async def test_a_sample_with_a_wrong_time_is_neither_scored_nor_summed_up_nor_passed_over(
    offset, state
):
    store = MemoryStore()
    press = line(store, guard=LastValue("flow", threshold=10.0))
    with structlog.testing.capture_logs() as logs:
        for second in range(1, 140):
            now = T0 + second * S
            press.inbox.put(batch(now + offset * S, 90.0, first=0), 0)
            press.inbox.put(batch(now, 1.0, first=1), 0)
            await press.tick(now)
    flow, level = press.health.last_values(now)
    assert (flow["state"], level["state"]) == (state, "fresh")
    assert press.health.detectors["guard"].state == "blind"
    assert flow["reason"] in press.health.detectors["guard"].reason
    assert {alert.alarm for alert in press.health.active.values()} == {"plc.no_data"}
    counts = {
        point.tags["tag"]: point.fields["count"] for point in stored_points(store, Kind.SUMMARY)
    }
    assert (counts["flow"], counts["level"] > 0) == (0, True)
    (told,) = [entry for entry in logs if entry["event"] == f"tags.{state}"]
    assert (told["tags"], told["why"]) == (["flow"], flow["reason"])


async def test_every_transition_and_act_is_an_entry_of_the_journal_with_its_append():
    store = MemoryStore()
    press = line(store, pump=LastValue("flow"))
    await play(press, [20])
    (raised,) = press.health.open
    done = asyncio.create_task(press.act(raised.id, acknowledge("anna"), "anna", "seen"))
    await asyncio.sleep(0)
    await play(press, [5], start=T0 + S)
    await done
    assert [(e.transition, e.by, e.reason) for e in store.journal] == [
        ("raised", "", ""),
        ("acknowledged", "anna", "seen"),
        ("returned", "", ""),
    ]
    first = store.journal[0]
    assert (first.kind, first.id, first.at) == ("alarm", raised.id, raised.at)
    assert first.facts["top_tags"][0]["tag"] == "flow"
    assert len(stored_points(store, Kind.ALERT)) == 3


async def test_a_note_is_stored_with_its_states_and_again_only_if_that_was_refused():
    store = MemoryStore()
    press = line(store, pump=LastValue("flow"))
    press.note(note(T0, "hello"), {"#run": b"one"})
    store.refuse = True
    await play(press, [5])
    assert store.journal == []
    store.refuse = False
    await play(press, [5, 5], start=T0 + S)
    assert [entry.message for entry in store.journal] == ["hello"]
    assert store.checkpoints["#run"] == b"one"
