"""All alarms of a line together: acts that find them, and what survives a restart."""

from pathlib import Path

import numpy as np
import pytest
from fakes import LastValue, tag

from gateway.api import line_protocol
from gateway.api.alarms import Alarm, AlarmState, Transition
from gateway.api.contracts import CommandRefused, Places
from gateway.api.model import SECOND, Score
from gateway.config.load import LineConfig
from gateway.config.schema import LineFileBase, SecuritySection
from gateway.core.alarms.acts import UnknownAlarm, acknowledge
from gateway.line.alarms import LineAlarms

T0 = 1_700_000_040 * SECOND
TAGS = (tag("flow"), tag("level"))


def made():
    plain = {"version": 1, "line": "l", "site": "s", "sources": {}}
    file = LineFileBase.model_validate(plain)
    places = Places(Path(), Path())
    config = LineConfig(Path("l.yaml"), "l", "s", file, SecuritySection(), TAGS, places, "d" * 64)
    detectors = {"pump": LastValue("flow"), "fan": LastValue("level")}
    return LineAlarms(config, detectors, {"data": [Alarm("plc.lost", 0.5)]}, T0)


def score(value, second=1):
    return Score(T0 + second * SECOND, np.array([value]), 1.0)


def raised(alarms, detector="pump"):
    (alert,) = alarms.follow(alarms.step(detector, score(20.0)), T0 + SECOND)
    return alert


def test_each_detector_and_each_watch_has_its_alarms_and_the_flood_has_one():
    names = {name: [a.name for a in of] for name, of in made().by_detector.items()}
    assert names == {
        "pump": ["anomaly"], "fan": ["anomaly"], "data": ["plc.lost"], "alarms": ["flood"],
    }  # fmt: skip


def test_an_alert_names_the_version_of_the_line_file_and_is_stored_with_its_detector():
    alarms = made()
    alert = raised(alarms)
    assert alert.config == "d" * 12
    point = line_protocol.decode(alarms.envelope(alert).body)
    assert (point.tags["line"], point.tags["detector"]) == ("l", "pump")


def test_an_act_finds_the_alarm_among_all_detectors():
    alarms = made()
    alert = raised(alarms, "fan")
    done = alarms.act(alert.id, acknowledge("anna"), "anna", "")
    assert (done.detector, done.state, done.by) == ("fan", AlarmState.ACKNOWLEDGED, "anna")


def test_an_act_on_an_alarm_that_the_line_does_not_have_is_refused():
    alarms = made()
    with pytest.raises(UnknownAlarm, match=r"no alarm has the id pump\.other"):
        alarms.act("pump.other", acknowledge("anna"), "anna", "")


def test_a_verdict_on_an_alarm_of_a_detector_that_is_gone_is_refused():
    alarms = made()
    past = raised(alarms)
    assert alarms.comment_on(past, "real", "anna", "").transition is Transition.COMMENTED
    del alarms.machines["pump"]
    with pytest.raises(CommandRefused, match=f"{past.id}: the line has no detector pump now"):
        alarms.comment_on(past, "real", "anna", "")


async def test_a_restart_takes_up_the_open_alarms_and_raises_none_again():
    before, after = made(), made()
    alert = raised(before)
    states = before.states()

    async def stored(name):
        return states.get(name)

    (open_alarm,) = await after.restore(stored)
    assert (open_alarm.id, open_alarm.is_active) == (alert.id, True)
    assert after.step("pump", score(20.0, 2)) == []
    assert after.states() == states


def test_ids_of_another_epoch_of_the_clock_are_others():
    alarms = made()
    alarms.set_epoch(3)
    assert raised(alarms).id.endswith(".3")
