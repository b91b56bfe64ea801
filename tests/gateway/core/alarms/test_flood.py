import json

import numpy as np

from gateway.api.alarms import Alarm
from gateway.api.model import SECOND, Score
from gateway.core.alarms import acts
from gateway.core.alarms.flood import DETECTOR, FloodWatch
from gateway.core.alarms.machine import AlarmMachine

S, T0 = SECOND, 1_700_000_000 * SECOND


class Line:
    """Many alarms, and the watch that counts them."""

    def __init__(self, count=40):
        self.machine = AlarmMachine(
            "guard", [Alarm(f"a{n}", 10.0) for n in range(count)], ["flow"], T0
        )
        self.watch = FloodWatch()
        self.flood = AlarmMachine(DETECTOR, self.watch.alarms, [], T0)
        self.count = count

    def at(self, second, *wrong):
        """The flood's transitions after these alarms are the active ones."""
        values = np.array([20.0 if n in wrong else 0.0 for n in range(self.count)])
        now = T0 + second * S
        alerts = self.machine.step(Score(now, values, 1.0))
        self.watch.note(alerts, now, lambda alert: alert.alarm.upper())
        return [
            (alert.transition.value, alert.message)
            for alert in self.watch.named(self.flood.step(self.watch.score(now)))
        ]


def test_the_eleventh_alarm_in_ten_minutes_is_a_flood_with_their_count():
    line = Line()
    assert line.at(0, *range(10)) == []
    assert line.at(599, *range(13)) == [
        ("raised", "Alarm flood: 13 alarms within 10 minutes; begin with the first of them: A0")
    ]


def test_eleven_alarms_in_more_than_ten_minutes_are_none():
    line = Line()
    assert line.at(0, *range(10)) == []
    assert line.at(600, *range(11)) == []


def test_a_flood_ends_when_fewer_than_five_came_in_ten_minutes():
    line = Line()
    line.at(0, *range(8))
    line.at(60, *range(12))
    line.at(120, *range(13))
    assert line.at(659, *range(13)) == []
    assert line.at(660, *range(13)) == [
        ("returned", "Alarm flood: returned to normal after 10 min")
    ]


def test_what_is_shelved_or_follows_from_another_alarm_is_no_part_of_a_flood():
    line = Line()
    for number in range(30):
        line.machine.act(f"guard.a{number}", acts.shelve(T0 + 3600 * S))
    assert line.at(1, *range(30)) == []
    assert int(line.watch.score(T0 + S).values[0]) == 0


def test_a_restart_goes_on_counting_and_a_clock_set_back_begins_anew():
    line, after = Line(), FloodWatch()
    line.at(0, *range(9))
    after.restore(json.loads(json.dumps(line.watch.facts())))
    assert after.score(T0 + 1).values[0] == 9
    assert after.score(T0 - 3600 * S).values[0] == 0
