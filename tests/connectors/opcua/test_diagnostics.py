"""The diagnostics of tags, each reported once."""

from connectors.opcua.diagnostics import Diagnostics

TAGS = ["flow", "speed", "level", "torque", "current"]


def degraded(tags, why):
    event = {"event": "opcua.tags_degraded", "log_level": "warning", "source": "plc"}
    return event | {"tags": tags, "why": why}


def test_a_change_is_logged_and_a_repetition_is_not(events):
    diagnostics = Diagnostics("plc", TAGS)
    diagnostics.note({0: "BadNodeIdUnknown", 1: ""})
    assert events == [degraded("flow", "BadNodeIdUnknown")]
    diagnostics.note({0: "BadNodeIdUnknown"})
    assert len(events) == 1
    diagnostics.note({0: ""})
    recovered = {"event": "opcua.tags_recovered", "log_level": "info"}
    assert events[1:] == [recovered | {"source": "plc", "tags": "flow"}]
    assert diagnostics.texts == []


def test_tags_with_the_same_diagnostic_share_a_text(events):
    diagnostics = Diagnostics("plc", TAGS)
    diagnostics.note(dict.fromkeys(range(5), "the server keeps 1 change"))
    assert diagnostics.texts == ["flow, speed, level and 2 more: the server keeps 1 change"]
    assert events == [degraded("flow, speed, level and 2 more", "the server keeps 1 change")]


def test_the_texts_are_always_the_same_list():
    diagnostics = Diagnostics("plc", TAGS)
    texts = diagnostics.texts
    diagnostics.note({2: "polled"})
    assert texts == ["level: polled"]
