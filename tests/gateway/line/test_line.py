"""A line with hand-made time: no sleep, no server, every decision seen in what was stored."""

import asyncio
from pathlib import Path

import pytest
import structlog
from fakes import Broken, LastValue, MemoryStore, batch, tag

from gateway.api import line_protocol
from gateway.api.contracts import CommandRefused, Places
from gateway.api.model import SECOND, AlarmState, Kind, Severity, Transition
from gateway.config.load import LineConfig
from gateway.config.schema import LineFileBase, SecuritySection
from gateway.line.line import Line

S = SECOND
T0 = 1_700_000_040 * S  # a whole minute
TAGS = (tag("flow", unit="m3/h"), tag("level"))


def config():
    file = LineFileBase.model_validate({"version": 1, "line": "l", "site": "s", "sources": {}})
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
    found = line(store, pump=LastValue("flow", severity=Severity.HIGH))
    await play(found, [5, 5, 20, 20, 5])
    raised, cleared = stored_points(store, Kind.ALERT)
    assert raised.measurement == "andon_alert"
    assert raised.tags == {"site": "s", "line": "l", "detector": "pump", "severity": "high"}
    assert raised.fields["active"] is True
    assert raised.fields["top_tags"] == "flow"
    assert raised.fields["id"] == cleared.fields["id"]
    assert cleared.fields["state"] == "normal"
    assert raised.at == T0 + 3 * S
    assert [alert.is_active for alert in found.health.alerts] == [True, False]


async def test_what_was_not_stored_is_neither_shown_nor_forgotten():
    store = MemoryStore()
    found = line(store, pump=LastValue("flow"))
    store.refuse = True
    await play(found, [20, 20])
    assert not found.health.alerts
    assert found.health.append_failures == 2
    store.refuse = False
    await play(found, [20], start=T0 + 2 * S)
    assert len(stored_points(store, Kind.ALERT)) == 1
    assert found.health.raised == 1


async def test_each_time_that_the_store_refuses_is_said_once_and_its_end_too():
    store = MemoryStore()
    found = line(store, pump=LastValue("flow"))
    with structlog.testing.capture_logs() as said:
        for k, (refuse, value) in enumerate(
            [(True, 20), (True, 20), (False, 20), (True, 5), (False, 5)]
        ):
            store.refuse = refuse
            await play(found, [value], start=T0 + k * S)
    events = [each["event"] for each in said if each["event"].startswith("buffer.")]
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
    found = line(store, broken=Broken("flow"), pump=LastValue("flow"))
    await play(found, [20])
    assert found.health.detectors["broken"].state == "failed"
    assert "the model is broken" in found.health.detectors["broken"].reason
    assert found.health.detectors["pump"].state == "ok"
    assert len(stored_points(store, Kind.ALERT)) == 1
    assert found.health.overall == "blind"


async def test_bad_data_makes_a_model_blind_and_not_strange():
    store = MemoryStore()
    found = line(store, pump=LastValue("flow"))
    await play(found, [5, float("nan")])
    pump = found.health.detectors["pump"]
    assert (pump.state, pump.reason) == ("blind", "no data for flow")
    assert (pump.scored, pump.refused) == (1, 1)
    assert stored_points(store, Kind.ALERT) == []


async def test_a_silent_source_is_an_alarm_of_its_own():
    store = MemoryStore()
    found = line(store, pump=LastValue("flow"))
    found.health.sources["plc"].note_up()
    await play(found, [5, 5])
    for k in range(3, 15):
        await found.tick(T0 + k * S)
    (alert,) = stored_points(store, Kind.ALERT)
    assert alert.tags["detector"] == "data"
    assert alert.fields["alarm"] == "plc.no_data"
    assert alert.fields["top_tags"] == "flow,level"
    assert found.health.detectors["pump"].state == "blind"


async def test_each_minute_brings_a_summary_of_each_tag_and_one_point_of_the_gateway():
    store = MemoryStore()
    found = line(store, pump=LastValue("flow"))
    found.health.sources["plc"].note_up()
    await play(found, [float(k % 7) for k in range(61)])
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
    found = line(store, pump=pump)
    found.inbox.put(batch(T0 + S // 2, 1.0, 1.0), 0)
    await found.tick(T0 + 4 * S + S // 2)
    assert pump.calls == [4]


@pytest.mark.parametrize("step", [-3600, 3600])
async def test_a_clock_step_neither_stops_nor_alarms_the_line(step):
    store = MemoryStore()
    found = line(store, pump=LastValue("flow"))
    await play(found, [5, 5])
    start = T0 + step * S
    await found.tick(start)
    await play(found, [5, 5, 20], start=start)
    alarms = [alert.fields["alarm"] for alert in stored_points(store, Kind.ALERT)]
    assert alarms == ["anomaly"]


async def test_the_recorder_hears_of_every_look_and_with_which_time_it_was_decided():
    class Heard(list):
        def note(self, now, found):
            self.append((now, found))

    heard = Heard()
    found = Line(config(), {}, MemoryStore(), T0, clock=lambda: T0, recorder=heard)
    await play(found, [5.0])
    await found.tick(T0 + 3 * S)
    (first, arrived), silence = heard
    assert (first, arrived.value.tolist()) == (T0 + S + S // 2, [5.0, 1.0])
    assert silence == (T0 + 3 * S, None)


async def test_the_ledger_of_bytes_goes_on_after_a_restart():
    store = MemoryStore()
    found = line(store, pump=LastValue("flow"))
    found.health.sources["plc"].wire_bytes = 500
    await play(found, [1.0] * 61)
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


async def acknowledging(press, alarm_id):
    caller = asyncio.create_task(press.acknowledge(alarm_id, "anna"))
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
    with pytest.raises(CommandRefused, match="no active alarm"):
        await caller
    assert (store.rows, store.checkpoints) == (rows, states)


async def test_a_command_does_not_wait_for_the_next_window():
    store = MemoryStore()
    press, alarm_id = await alarmed(store)
    running = asyncio.create_task(press.run())
    async with asyncio.timeout(60):
        assert (await press.acknowledge(alarm_id, "anna")).id == alarm_id
    running.cancel()
