"""What is said of tags, once."""

import logging

from connectors.opcua.remarks import Remarks

TAGS = ["flow", "speed", "level", "torque", "current"]


def test_a_change_is_logged_and_a_repetition_is_not(caplog):
    caplog.set_level(logging.INFO)
    remarks = Remarks("plc", TAGS)
    remarks.note({0: "BadNodeIdUnknown", 1: ""})
    assert caplog.messages == ["plc: flow: BadNodeIdUnknown"]
    remarks.note({0: "BadNodeIdUnknown"})
    assert len(caplog.messages) == 1
    remarks.note({0: ""})
    assert caplog.messages[1:] == ["plc: flow: is as asked for"]
    assert remarks.lines == []


def test_many_with_the_same_share_a_line(caplog):
    remarks = Remarks("plc", TAGS)
    remarks.note(dict.fromkeys(range(5), "the server keeps 1 change"))
    assert remarks.lines == ["flow, speed, level and 2 more: the server keeps 1 change"]
    assert caplog.messages == ["plc: " + remarks.lines[0]]


def test_what_stands_is_always_the_same_list():
    remarks = Remarks("plc", TAGS)
    lines = remarks.lines
    remarks.note({2: "polled"})
    assert lines == ["level: polled"]
