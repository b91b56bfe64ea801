import pytest
from alarm_news import NOON, news

from gateway.api.local_time import local_time
from gateway.api.model import SECOND
from gateway.sinks.notify.letter import (
    MOST_ROWS,
    example,
    facts_for_template,
    how_late,
    letter_about,
)

ACK = "andon alarms {line}.yaml ack {id}"


def letter(*about, now=NOON, left_out=None, acknowledge=ACK):
    return letter_about(about, now, left_out or {}, acknowledge)


def test_a_message_says_what_is_wrong_where_since_when_and_what_to_do():
    made = letter(news(0, advice="Check the cooler.", caused_by="data.lost-1"))
    assert made.subject == "[HIGH] press-3: Oil temperature high: 87.2 °C, limit 85 °C (0)"
    assert made.text.splitlines() == [
        "Oil temperature high: 87.2 °C, limit 85 °C (0)",
        "",
        "Line: press-3 (site demo-plant)",
        "Severity: high",
        f"Since: {local_time(NOON)}",
        "Causes: oil 87.2 °C 100 %",
        "What to do: Check the cooler.",
        "Follows from: data.lost-1",
        "Alarm: guard.oil.high-0",
        "Acknowledge: andon alarms press-3.yaml ack guard.oil.high-0",
    ]
    assert made.key == news(0).key
    assert made.thread == "guard.oil.high-0"


def test_advice_that_is_in_the_sentence_is_not_repeated():
    made = letter(news(0, advice="Check the cooler.", message="Hot; Check the cooler."))
    assert made.text.count("Check the cooler.") == 1


def test_what_returned_needs_no_acknowledgement_and_none_is_shown_where_none_is_given():
    assert "Acknowledge" not in letter(news(0, "returned")).text
    assert "Acknowledge" not in letter(news(0), acknowledge="").text


def test_other_braces_of_the_way_to_acknowledge_stay():
    made = letter(news(0), acknowledge="https://panel/{site}?id={id}&x={0}")
    assert "https://panel/demo-plant?id=guard.oil.high-0&x={0}" in made.text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, ""),
        (119, ""),
        (120, "raised 2 min ago"),
        (7_830, "raised 2 h 10 min ago"),
        (7_200, "raised 2 h ago"),
        (3 * 86_400, "raised 3 d ago"),
        (-50, ""),
    ],
)
def test_a_late_message_says_how_late_it_is(seconds, words):
    now = NOON + seconds * SECOND
    assert how_late(news(0), now) == words
    assert (f"Late: {words}" in letter(news(0), now=now).text) is bool(words)
    assert words in letter(news(0), now=now).short


def test_html_is_escaped_and_a_subject_is_one_row():
    made = letter(news(0, message="<script>alert(1)</script>\nand more " + "x" * 500))
    assert "<script>" not in made.html
    assert "&lt;script&gt;" in made.html
    assert "\n" not in made.subject
    assert len(made.subject) == 150


def test_several_alerts_are_one_message_with_their_count_and_severities():
    about = [news(n, severity="critical" if n == 1 else "low") for n in range(3)]
    made = letter(*about, now=NOON + 7_800 * SECOND)
    assert made.subject == "[CRITICAL] press-3: 3 messages, 1 critical, 2 low"
    first, _, *rows = made.text.splitlines()
    assert first == "3 messages of line press-3 that waited; the oldest: raised 2 h 10 min ago:"
    assert len(rows) == 3
    assert rows[1] == (
        f"{local_time(about[1].at)}  critical  {about[1].words} [guard.oil.high-1]"
    )  # fmt: skip
    assert made.html.count("<li>") == 3


def test_a_digest_has_the_same_key_whenever_it_is_made():
    about = [news(n) for n in range(3)]
    assert letter(*about).key == letter(*about, now=NOON + SECOND).key
    assert letter(*about).key != letter(*about[:2]).key


def test_a_long_digest_lists_the_first_and_counts_the_others():
    made = letter(*(news(n) for n in range(MOST_ROWS + 20)))
    assert "and 20 more: see andon alarms list" in made.text
    assert made.text.count("Oil temperature") == MOST_ROWS


def test_what_was_left_out_is_mentioned():
    left_out = {"flood": 12, "overflow": 3, "severity": 9}
    words = "Not sent singly: 12 in a flood of alarms, 3 because too many were waiting."
    assert words in letter(news(0), left_out=left_out).text
    assert words in letter(news(0), news(1), left_out=left_out).html


def test_an_alert_without_anything_known_is_still_a_message():
    made = letter(example())
    assert made.subject == "[LOW] press-3: This is a test message of andon, no alarm"
    assert set(facts_for_template(example(), NOON)) > {"message", "severity", "since", "late"}
