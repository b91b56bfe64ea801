"""What is said of tags, once."""

import logging

from connectors.opcua.diagnostics import Diagnostics

TAGS = ["flow", "speed", "level", "torque", "current"]


def test_a_change_is_logged_and_a_repetition_is_not(caplog):
    caplog.set_level(logging.INFO)
    diagnostics = Diagnostics("plc", TAGS)
    diagnostics.note({0: "BadNodeIdUnknown", 1: ""})
    assert caplog.messages == ["plc: flow: BadNodeIdUnknown"]
    diagnostics.note({0: "BadNodeIdUnknown"})
    assert len(caplog.messages) == 1
    diagnostics.note({0: ""})
    assert caplog.messages[1:] == ["plc: flow: is as asked for"]
    assert diagnostics.lines == []


def test_many_with_the_same_share_a_line(caplog):
    diagnostics = Diagnostics("plc", TAGS)
    diagnostics.note(dict.fromkeys(range(5), "the server keeps 1 change"))
    assert diagnostics.lines == ["flow, speed, level and 2 more: the server keeps 1 change"]
    assert caplog.messages == ["plc: " + diagnostics.lines[0]]


def test_what_stands_is_always_the_same_list():
    diagnostics = Diagnostics("plc", TAGS)
    lines = diagnostics.lines
    diagnostics.note({2: "polled"})
    assert lines == ["level: polled"]
