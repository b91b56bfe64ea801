import math

import numpy as np
import pytest
from fakes import tag

from gateway.api.alarms import Severity
from gateway.api.model import SECOND
from gateway.core.alarms.words import Words
from gateway.core.device_status import DeviceStatus, alarms_of, classes_of, judged

NORMAL, MAINTENANCE, OUTSIDE, CHECK, FAILURE = DeviceStatus
PLAIN, FREEZING = tag("flow"), tag("speed", frozen_after=60 * SECOND)


def scores(status, awaited=None, classes=(OUTSIDE, MAINTENANCE)):
    waits = np.array(awaited or [False] * len(status))
    values = judged(np.array(status, dtype=np.int64), waits, classes)
    return [None if math.isnan(value) else value for value in values]


@pytest.mark.parametrize(
    ("status", "awaited", "values"),
    [
        ([NORMAL, NORMAL], None, [0, 0, 0, 0]),
        ([FAILURE, NORMAL], None, [0, 1, 0, 0]),
        ([FAILURE, FAILURE], None, [2, None, None, None]),
        ([FAILURE, FAILURE], [True, True], [None, None, None, None]),
        ([FAILURE, NORMAL], [True, False], [0, None, 0, 0]),
        ([FAILURE, OUTSIDE], None, [0, 1, 1, 0]),
        ([OUTSIDE, OUTSIDE], None, [0, 0, 2, 0]),
        ([MAINTENANCE, CHECK], None, [0, 0, 0, 1]),
    ],
)
def test_each_class_counts_its_tags_and_a_lost_source_says_nothing_of_them(status, awaited, values):
    assert scores(status, awaited) == values


def test_only_a_source_with_a_tag_that_may_freeze_has_an_alarm_for_it():
    assert classes_of([PLAIN]) == (OUTSIDE, MAINTENANCE)
    assert classes_of([PLAIN, FREEZING]) == (OUTSIDE, CHECK, MAINTENANCE)
    assert scores([CHECK, NORMAL], classes=classes_of([FREEZING])) == [0, 0, 0, 1, 0]


def test_the_alarms_of_a_source_have_their_class_and_a_severity_to_match():
    alarms = alarms_of("plc", [PLAIN, FREEZING])
    assert [(alarm.name, alarm.ne107, alarm.severity) for alarm in alarms] == [
        ("plc.lost", "failure", Severity.HIGH),
        ("plc.no_data", "failure", Severity.HIGH),
        ("plc.out_of_specification", "out_of_specification", Severity.MEDIUM),
        ("plc.check_function", "check_function", Severity.MEDIUM),
        ("plc.maintenance_required", "maintenance_required", Severity.LOW),
    ]
    assert {alarm.scope for alarm in alarms} == {("flow", "speed")}
    assert {(alarm.threshold, alarm.on_delay, alarm.off_delay) for alarm in alarms} == {
        (0.5, 2 * SECOND, 2 * SECOND)
    }


def test_each_class_has_a_name_for_people():
    assert list(Words().names()["ne107"].values()) == [
        "normal",
        "maintenance required",
        "out of specification",
        "check function",
        "failure",
    ]
