"""Labels from the entries of a journal."""

import numpy as np

from gateway.api.alarms import Alarm
from gateway.api.model import SECOND as S
from gateway.api.model import Score
from gateway.core.alarms import acts
from gateway.core.alarms.journal import of_alert
from gateway.core.alarms.labels import Label, labels, needed
from gateway.core.alarms.machine import AlarmMachine
from gateway.core.alarms.maintenance import HOUR, Maintenance
from gateway.telemetry.status import alert_facts

T0 = 1_700_000_000 * S


class Pump:
    """An alarm machine whose alerts are entries of a journal."""

    def __init__(self):
        alarm = Alarm("anomaly", 10.0, on_delay=2 * S)
        self.machine, self.entries, self.second = AlarmMachine("pump", [alarm], ["flow"]), [], 0

    def note(self, *alerts):
        # No more of each than `needed` keeps.
        entries = [needed(of_alert(alert_facts(alert))) for alert in alerts]
        self.entries += [entry.as_json() for entry in entries]

    def see(self, *values):
        for value in values:
            self.second += 1
            score = Score(T0 + self.second * S, np.array([float(value)]), 1.0,
                          contribution=np.array([1.0]))  # fmt: skip
            self.note(*self.machine.step(score))

    def comment(self, verdict, why=""):
        self.note(self.machine.act("pump.anomaly", acts.comment(verdict), "anna", why))


def test_a_verdict_is_a_label_from_the_condition_to_the_return():
    pump = Pump()
    pump.see(5, 20, 20, 20, 20)
    pump.comment("real", "worn seal")
    pump.see(20, 5)
    (label,) = labels(pump.entries)
    assert label == Label(
        T0 + 2 * S, T0 + 7 * S, "real", "pump", "anomaly", ("flow",), "anna", "worn seal",
        pump.entries[0]["id"],
    )  # fmt: skip


def test_the_newest_verdict_counts_and_a_remark_alone_is_no_verdict():
    pump = Pump()
    pump.see(20, 20, 20)
    pump.comment("unclear")
    pump.comment("false", "valve test")
    pump.comment("", "seen again")
    (label,) = labels(pump.entries)
    assert (label.verdict, label.end) == ("false", None)


def test_an_alarm_without_a_verdict_is_no_label():
    pump = Pump()
    pump.see(20, 20, 20, 5)
    assert labels(pump.entries) == []


def test_a_verdict_on_an_alarm_that_is_over_ends_where_the_alarm_ended():
    pump = Pump()
    pump.see(20, 20, 20, 5)
    raised, returned = pump.entries
    (alert,) = [pump.machine.act("pump.anomaly", acts.acknowledge("anna"), "anna")]
    pump.note(alert)
    pump.see(20, 20, 20)
    pump.note(pump.machine.comment_on(alert, "real", "ben", ""))
    (label,) = labels(pump.entries)
    assert (label.id, label.end, label.by) == (raised["id"], returned["at"], "ben")


def test_maintenance_is_a_label_of_its_own_and_one_that_lasts_has_no_end():
    line, entries = Maintenance(), []
    for hour, why in ((0, "oil change"), (3, "cleaning")):
        at = T0 + hour * HOUR
        line.switch_on(at, at + HOUR if hour == 0 else None, "anna", why)
        entries += [line.tick(at).entry()]
        if hour == 0:
            entries += [line.tick(at + HOUR).entry()]
    found = labels(entry.as_json() for entry in entries)
    assert found == [
        Label(T0, T0 + HOUR, "maintenance", by="anna", comment="oil change"),
        Label(T0 + 3 * HOUR, None, "maintenance", by="anna", comment="cleaning"),
    ]
