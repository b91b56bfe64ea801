"""A line in maintenance: what is suppressed, what is not, what a restart keeps."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
import structlog
from fakes import LastValue, MemoryStore, batch, tag

from gateway.api import line_protocol
from gateway.api.contracts import CommandRefused, Places
from gateway.api.model import SECOND as S
from gateway.api.model import Kind, Reference
from gateway.config.load import LineConfig
from gateway.config.schema import LineFileBase, SecuritySection
from gateway.core.drift import DETECTOR as MODELS
from gateway.line.line import Line

T0 = 1_700_000_040 * S
TAGS = (tag("flow"), tag("mode"))
RUNNING, CLEANING = 1.0, 3.0


class Press:
    """A line with two tags whose clock is a number; `again` is its next run."""

    def __init__(self, store=None, second=0, section=None, detector=None):
        facts = {"version": 1, "line": "press", "site": "s", "sources": {}, "maintenance": section}
        file = LineFileBase.model_validate(facts)
        places = Places(Path(), Path())
        config = LineConfig(Path("l.yaml"), "press", "s", file, SecuritySection(), TAGS, places, "")
        self.store, self.second, self.section = store or MemoryStore(), second, section
        self.detector = detector or LastValue("flow")
        self.line = Line(
            config, {"pump": self.detector}, self.store, self.now, clock=lambda: self.now
        )

    @property
    def now(self):
        return T0 + self.second * S + S // 2

    async def again(self):
        press = Press(self.store, self.second, self.section)
        await press.line.restore()
        return press

    async def play(self, *values, mode=RUNNING):
        for value in values:
            self.line.inbox.put(batch(self.now, value, mode), 0)
            self.second += 1
            await self.line.tick(self.now)

    async def maintain(self, *, on=True, for_s=None, by="anna", why="oil change"):
        until = None if for_s is None else self.now + for_s * S
        asked = asyncio.create_task(self.line.maintain(on=on, until=until, by=by, why=why))
        await asyncio.sleep(0)
        await self.line.tick(self.now)
        await asked

    @property
    def transitions(self):
        points = [
            line_protocol.decode(row.body) for row in self.store.rows if row.kind is Kind.ALERT
        ]
        return [(p.fields["transition"], p.fields["state"]) for p in points]

    @property
    def reports(self):
        points = [
            line_protocol.decode(row.body) for row in self.store.rows if row.kind is Kind.GATEWAY
        ]
        return [p.fields for p in points if "maintenance_by" in p.fields]


async def test_an_alarm_is_suppressed_meanwhile_and_shown_again_if_it_still_holds():
    press = Press()
    await press.play(5, 20)
    await press.maintain(for_s=5)
    assert press.line.health.maintenance["on"] is True
    await press.play(20, 20)
    (alarm,) = press.line.health.open
    assert (alarm.state, press.line.health.active) == ("suppressed_by_design", {})
    await press.play(20, 20, 20, 20, 20)
    assert press.transitions == [
        ("raised", "unacknowledged"),
        ("suppressed", "suppressed_by_design"),
        ("unsuppressed", "unacknowledged"),
    ]
    assert press.line.health.maintenance["on"] is False


async def test_what_comes_and_goes_meanwhile_is_stored_and_shown_to_none():
    press = Press()
    await press.maintain()
    await press.play(20, 20, 5, 5)
    await press.maintain(on=False)
    await press.play(5, 5)
    assert press.line.health.open == []
    states = {state for _, state in press.transitions[:-1]}
    assert states == {"suppressed_by_design"}
    assert press.transitions[-1] == ("unsuppressed", "normal")


async def test_a_window_that_holds_data_of_it_raises_nothing_after_it():
    press = Press(detector=LastValue("flow", length=5))
    await press.play(5, 5, 5, 5, 5)
    await press.maintain()
    await press.play(20, 20)
    await press.maintain(on=False)
    await press.play(20, 20, 5, 5, 5, 5, 5)
    assert {s for t, s in press.transitions if t == "raised"} <= {"suppressed_by_design"}
    await press.play(20, 20)
    assert press.transitions[-1] == ("raised", "unacknowledged")


async def test_a_sensor_that_is_lost_meanwhile_is_an_alarm():
    press = Press()
    press.line.health.sources["plc"].note_up()
    await press.play(5, 5)
    await press.maintain()
    for _ in range(15):
        press.second += 1
        await press.line.tick(press.now)
    (lost,) = press.line.health.active.values()
    assert (lost.detector, lost.alarm, lost.state) == ("data", "plc.lost", "unacknowledged")


async def test_it_goes_on_after_a_restart_and_ends_at_its_time():
    press = Press()
    await press.play(5)
    await press.maintain(for_s=10)
    press = await press.again()
    assert press.line.health.maintenance["by"] == "anna"
    await press.play(20, 20)
    assert {state for _, state in press.transitions} == {"suppressed_by_design"}
    await press.play(*[20] * 10)
    assert press.line.health.maintenance["on"] is False
    assert press.transitions[-1] == ("unsuppressed", "unacknowledged")


async def test_a_tag_begins_and_ends_it():
    press = Press(section={"tag": "mode", "when": CLEANING, "settle": "2s"})
    await press.play(5, 5)
    await press.play(20, 20, 20, mode=CLEANING)
    assert press.line.health.maintenance["why"] == "mode is 3"
    await press.play(5, 5, 5, 5)
    assert press.line.health.maintenance["on"] is False
    assert {state for t, state in press.transitions if t == "raised"} == {"suppressed_by_design"}


async def test_its_begin_and_end_are_reported_and_logged_with_who_and_why():
    press = Press()
    with structlog.testing.capture_logs() as logs:
        await press.maintain(for_s=5)
        await press.play(*[5] * 8)
    assert [
        (each["event"], each["by"], each["why"])
        for each in logs
        if each["event"].startswith("maintenance.")
    ] == [
        ("maintenance.began", "anna", "oil change"),
        ("maintenance.ended", "", "its time is over"),
    ]
    assert [entry.message for entry in press.store.journal] == [
        "maintenance began by anna: oil change",
        "maintenance ended: its time is over",
    ]
    began, ended = press.reports
    assert (began["maintenance"], began["maintenance_by"]) == (True, "anna")
    assert (ended["maintenance"], ended["maintenance_why"]) == (False, "its time is over")


async def test_while_the_buffer_refuses_it_is_neither_shown_nor_logged_and_nothing_is_lost():
    press = Press()
    press.store.refuse = True
    asked = asyncio.create_task(press.line.maintain(on=True, until=None, by="anna", why="x"))
    await asyncio.sleep(0)
    with structlog.testing.capture_logs() as logs:
        await press.line.tick(press.now)
    assert (press.line.health.maintenance["on"], asked.done()) == (False, False)
    assert "maintenance.began" not in [each["event"] for each in logs]
    press.store.refuse = False
    press.second += 1
    await press.line.tick(press.now)
    await asked
    assert press.line.health.maintenance["on"] is True
    assert [entry.transition for entry in press.store.journal] == ["began"]


async def test_one_that_is_refused_changes_nothing():
    press = Press()
    with pytest.raises(CommandRefused, match="maintenance is not on"):
        await press.maintain(on=False)
    assert press.reports == []


async def test_one_that_is_forgotten_is_an_alarm_of_its_own():
    press = Press(section={"tag": "mode", "when": CLEANING, "longest": "6m"})
    await press.maintain()
    for _ in range(12):
        press.second += 60
        await press.line.tick(press.now)
    forgotten = [a for a in press.line.health.active.values() if a.detector == "maintenance"]
    assert [a.message.split(":")[0] for a in forgotten] == [
        "Maintenance has been on for 0.2 h, longer than 0.1 h"
    ]


async def test_drift_of_a_model_learns_nothing_from_it():
    model = LastValue("flow")
    model.reference = Reference(edges=[[5.0], [5.0]], shares=[[0.5, 0.5]] * 2)
    press = Press(detector=model)
    press.line.health.sources["plc"].note_up()

    def watched():
        return sum(int(np.sum(part)) for part in press.line._models.memory().values())

    await press.play(5, 5)
    await press.maintain()
    await press.play(5)
    before = watched()
    assert before > 0
    await press.play(5, 5)
    assert watched() == before
    assert press.line._alarms.machines[MODELS].suppression == "maintenance: oil change"
