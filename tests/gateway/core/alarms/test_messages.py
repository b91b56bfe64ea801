import pytest

from gateway.api.model import Alarm, TopTag, Transition
from gateway.core.alarms.messages import message_of, named

LOW = Alarm("flow.low", 2000.0, tag="flow", below=True)


def said(alarm, value, top=()):
    return message_of(alarm, Transition.RAISED, value=value, top=top, after=0.0, why="")


@pytest.mark.parametrize(
    ("alarm", "value", "words"),
    [
        (LOW, 992.0, "flow.low: 992 below its limit of 2000"),
        (Alarm("flow.high", 5.0, tag="flow"), 7.51234, "flow.high: 7.512 above its limit of 5"),
        (Alarm("t.low", -20.0, tag="t", below=True), -25.5, "t.low: -25.5 below its limit of -20"),
        (Alarm("anomaly", 2.31), 303.0, "anomaly: 303 past its threshold of 2.31"),
        (Alarm("p.high", 12_500.0, tag="p"), 12_501.0, "p.high: 12501 above its limit of 12500"),
        (Alarm("x", 1.0, phrase="{value} drops"), 3.0, "3 drops"),
    ],
)  # fmt: skip
def test_a_message_gives_value_and_limit_as_people_know_them(alarm, value, words):
    assert said(alarm, value) == words


@pytest.mark.parametrize(
    ("reasons", "more", "words"),
    [
        (["timeout", "timeout"], False, "a, b: timeout"),
        (["timeout", "exception 2"], False, "a: timeout; b: exception 2"),
        (["z", "a", "z"], False, "a, c: z; b: a"),
        (["", ""], True, "a, b, …"),
        (["timeout"], True, "a, …: timeout"),
        ([], False, ""),
    ],
)
def test_tags_are_named_with_their_reasons(reasons, more, words):
    top = [TopTag(name, 0.1, reason=why) for name, why in zip("abc", reasons, strict=False)]
    assert named(top, more=more) == words
