"""Which points that were given up a person is told of, in which words and for how long."""

import time

import pytest

from gateway.api.model import SECOND, Kind
from gateway.buffer.given_up import RECENT, GivenUp, sentences

A, S, G, C = Kind
NOW = time.time_ns()
LIST = "andon buffer LINE.yaml list"


def refused(kind, count=1, sink="cloud", ago=0, why="no"):
    return GivenUp(sink, kind, count, NOW - ago, NOW - ago, why)


def test_nothing_is_said_of_nothing():
    assert sentences([], NOW) == []


def test_one_sentence_for_each_sink_alerts_first():
    said = sentences(
        [refused(S, 120, why="conflict"), refused(A, 4, why="old"), refused(A, 1, "panel")], NOW
    )
    at = time.strftime("%H:%M", time.localtime(NOW / SECOND))
    assert said == [
        f"sink cloud: 4 alerts and 120 summaries refused since {at} (old): {LIST}",
        f"sink panel: 1 alert refused since {at} (no): {LIST}",
    ]


def test_what_the_buffer_lost_is_said_by_reason():
    said = sentences([refused(S, 2, "", why="no room"), refused(A, 1, "", why="too old")], NOW)
    assert [each.split(" since ")[0] for each in said] == [
        "buffer: 1 alert lost",
        "buffer: 2 summaries lost",
    ]


@pytest.mark.parametrize("kind", [S, G, C])
def test_other_points_than_alerts_are_news_for_a_while(kind):
    assert sentences([refused(kind, ago=RECENT - SECOND)], NOW)
    assert sentences([refused(kind, ago=RECENT)], NOW) == []


def test_an_alert_is_news_until_a_person_has_taken_note():
    year = 365 * 86400 * SECOND
    (said,) = sentences([refused(A, ago=year)], NOW)
    assert time.strftime("%Y-", time.localtime((NOW - year) / SECOND)) in said


def test_a_long_reason_is_cut():
    assert len(sentences([refused(A, why="x" * 1000)], NOW)[0]) < 300


def test_its_facts_are_plain_values():
    assert refused(A, 3).facts(NOW) == {
        "sink": "cloud",
        "class": "alert",
        "count": 3,
        "since": NOW,
        "until": NOW,
        "why": "no",
        "is_news": True,
    }
