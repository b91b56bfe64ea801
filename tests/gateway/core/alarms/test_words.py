import functools
from datetime import UTC

import pytest

from gateway.api.alarms import Alarm, AlarmState, Severity, TopTag, Transition
from gateway.api.local_time import local_time
from gateway.api.model import SECOND, Tag
from gateway.core.alarms.texts import TEXTS
from gateway.core.alarms.words import Occasion, Words, named, spoken

TAGS = [
    Tag("bearing_temperature", "plc", SECOND, "°C"),
    Tag("power", "plc", SECOND, "kW"),
    Tag("current", "plc", SECOND, "A"),
    Tag("flow", "plc", SECOND, "m3/h", description="Cooling water"),
    Tag("valve", "plc", SECOND, names={2.0: "jammed"}),
]
TAG_NAMES = [tag.name for tag in TAGS]
IN_UTC = functools.partial(local_time, zone=UTC)
WORDS = Words("press-3", {tag.name: tag for tag in TAGS}, time=IN_UTC)
AT = 1_767_264_123 * SECOND  # 10:42:03 UTC


def said(alarm, transition=Transition.RAISED, **occasion):
    occasion = {"value": 0.0, "since": AT, "after": 90 * SECOND} | occasion
    return WORDS.say(alarm, transition, Occasion(**occasion))


def limit(name, threshold, **more):
    tag = name.partition(".")[0]
    return Alarm(name, threshold, Severity.HIGH, tag, below=".low" in name, **more)


@pytest.mark.parametrize(
    ("alarm", "value", "words"),
    [
        (limit("bearing_temperature.high", 85.0), 87.2,
         "Bearing temperature high: 87.2 °C, limit 85 °C, since 10:42:03"),
        (limit("flow.low", 2000.0), 992.0,
         "Cooling water low: 992 m3/h, limit 2000 m3/h, since 10:42:03"),
        (limit("flow.low_low", -20.0), -25.5,
         "Cooling water very low: -25.5 m3/h, limit -20 m3/h, since 10:42:03"),
        (limit("power.high_high", 12_500.0), 12_501.25,
         "Power very high: 12501 kW, limit 12500 kW, since 10:42:03"),
        (limit("power.rate_of_change", 0.5), 0.75,
         "Power changes fast: 0.75 kW per second, limit 0.5 kW per second, since 10:42:03"),
        (limit("flow.flat_line", 60.0), 75.0,
         "Cooling water does not change: the same value for 75 s, limit 60 s"),
        (limit("valve.high", 1.0), 2.0, "Valve high: jammed, limit 1, since 10:42:03"),
        (limit("unknown.high", 1.0), 2.0, "Unknown high: 2, limit 1, since 10:42:03"),
        (limit("power.high", 1.0, title="Overload of {x}", advice="stop the press"), 2.0,
         "Overload of {x}: 2 kW, limit 1 kW, since 10:42:03; stop the press"),
    ],
)  # fmt: skip
def test_a_limit_is_told_with_the_value_and_the_limit_as_people_know_them(alarm, value, words):
    assert said(alarm, value=value) == words


def test_a_model_names_its_tags_with_what_was_expected_and_no_score():
    top = [TopTag("power", 0.3, 5.1, 4.2), TopTag("current", 0.29, 11.0), TopTag("flow", 0.2)]
    assert said(Alarm("anomaly", 0.5), value=11.0, tags=top) == (
        "Press 3 behaves unlike its normal running: "
        "power 30 % (5.1 kW, expected 4.2), current 29 % (11 A), Cooling water 20 %"
    )
    unknown = [TopTag("power", 0.3, 5.1, 4.2), TopTag("current", 0.29)]
    assert said(Alarm("anomaly", 0.5), value=11.0, tags=unknown) == (
        "Press 3 behaves unlike its normal running: power 30 % (5.1 kW, expected 4.2), current 29 %"
    )
    assert said(Alarm("anomaly", 0.5)) == "Press 3 behaves unlike its normal running"


def test_a_sentence_names_the_tags_that_matter():
    alarm = Alarm("anomaly", 0.5)

    def named_by(*shares):
        top = [TopTag(f"t{number}", share) for number, share in enumerate(shares)]
        return said(alarm, tags=top).partition(": ")[2]

    assert named_by(0.75, 0.18, 0.04, 0.03) == "t0 75 %, t1 18 %"
    assert named_by(0.3, 0.25, 0.25, 0.2) == "t0 30 %, t1 25 %, t2 25 %"
    assert named_by(0.04, 0.03) == "t0 4 %"
    silent = [TopTag(f"t{number}", 0.2, reason="timeout") for number in range(5)]
    assert "t4: timeout" in said(Alarm("plc.no_data", 0.5), tags=silent, count=5)


def test_a_phrase_counts_the_tags_it_names():
    alarm = Alarm("plc.no_data", 0.5, phrase="{value} of 3 tags of plc without data ({tags})")
    top = [TopTag("power", 1.0, reason="timeout")]
    assert said(alarm, value=1.0, tags=top, count=2) == (
        "2 of 3 tags of plc without data (power, …: timeout)"
    )
    assert said(Alarm("x", 1.0, phrase="{value} drops of {oil} {"), value=3.0) == (
        "3 drops of {oil} {"
    )


@pytest.mark.parametrize(
    ("transition", "occasion", "words"),
    [
        ("returned", {}, "returned to normal after 1 min 30 s"),
        ("realarmed", {}, "still active after 1 min 30 s"),
        ("escalated", {}, "not acknowledged after 1 min 30 s"),
        ("acknowledged", {"by": "anna"}, "acknowledged by anna"),
        ("acknowledged", {"by": "anna", "why": "seen"}, "acknowledged by anna: seen"),
        ("reset", {"by": "anna"}, "reset by anna"),
        ("suppressed", {"why": "stopped"}, "suppressed by design after 1 min 30 s: stopped"),
        ("unsuppressed", {}, "no longer suppressed by design"),
        ("shelved", {"by": "ben", "until": AT, "why": "spare part ordered"},
         "shelved by ben until 2026-01-01 10:42: spare part ordered"),
        ("shelved", {"by": "ben"}, "shelved by ben until it returns to normal"),
        ("unshelved", {}, "no longer shelved"),
        ("taken_out_of_service", {"by": "ben", "why": "probe is broken"},
         "taken out of service by ben: probe is broken"),
        ("returned_to_service", {"by": "ben"}, "returned to service by ben"),
        ("removed", {"why": "not in the file"}, "ended: not in the file"),
    ],
)  # fmt: skip
def test_every_other_transition_is_a_sentence_about_the_alarm(transition, occasion, words):
    alarm = limit("power.high", 5.0)
    assert said(alarm, Transition(transition), **occasion) == f"Power high: {words}"


def test_a_latched_alarm_does_not_say_that_it_is_normal():
    alarm = limit("power.high", 5.0, latch=True)
    assert said(alarm, Transition.RETURNED) == (
        "Power high: its condition is gone after 1 min 30 s; latched until it is reset"
    )


def test_another_language_replaces_texts():
    texts = TEXTS | {"high": "{tag} zu hoch", "beyond a limit": "{alarm}: {value} > {limit}"}
    texts |= {"state shelved": "zurückgestellt", "severity high": "hoch", "decimal point": ","}
    words = Words("press-3", WORDS.tags, texts, IN_UTC)
    alarm = limit("power.high", 5.0)
    assert words.say(alarm, Transition.RAISED, Occasion(6.5)) == "Power zu hoch: 6,5 kW > 5 kW"
    assert words.state(AlarmState.SHELVED) == "zurückgestellt"
    assert words.severity(Severity.HIGH) == "hoch"


def test_every_state_and_severity_has_a_name_for_people():
    assert WORDS.state(AlarmState.RETURNED_UNACKNOWLEDGED) == "returned, not acknowledged"
    assert len({WORDS.state(state) for state in AlarmState}) == len(AlarmState)
    assert [WORDS.severity(each) for each in Severity] == ["low", "medium", "high", "critical"]


@pytest.mark.parametrize(
    ("name", "scope", "words"),
    [
        ("plc.lost", TAG_NAMES, "plc is lost: no usable data from any of its 5 tags (flow: gone)"),
        ("plc.lost", ["flow"], "plc is lost: no usable data from its only tag (flow: gone)"),
        ("plc.no_data", TAG_NAMES, "1 of 5 tags of plc without usable data (flow: gone)"),
    ],
)
def test_what_a_source_lacks_is_told_with_the_tags_and_why(name, scope, words):
    top = [TopTag("flow", 1.0, reason="gone")]
    assert said(Alarm(name, 0.5, scope=tuple(scope)), value=1.0, tags=top, count=1) == words


def test_the_phrase_of_a_limit_has_the_values_with_their_unit():
    phrase = "{alarm}! {value} instead of {limit}, {since}"
    alarm = limit("power.high", 5.0, phrase=phrase, advice="stop the press")
    assert said(alarm, value=6.0) == "Power high! 6 kW instead of 5 kW, 10:42:03; stop the press"


def test_without_a_time_nothing_is_told_of_it():
    assert said(limit("power.high", 5.0), value=6.0, since=0) == "Power high: 6 kW, limit 5 kW"


def test_names_of_the_line_file_are_written_as_people_would():
    assert [spoken(each) for each in ("press-3", "bearing_temperature_de", "")] == [
        "Press 3",
        "Bearing temperature de",
        "",
    ]


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
