"""What is counted of one sink, and what of it is news."""

from gateway.api.model import SECOND, Envelope, Kind
from gateway.delivery.tally import Tally

A, S, G, C = Kind
NOON = 1_700_000_000 * SECOND


def test_a_sink_is_up_until_it_fails_and_has_got_nothing_yet():
    tally = Tally()
    assert (tally.up, tally.error, tally.needs_human) == (True, "", False)
    assert tally.sent == {A: 0, S: 0, G: 0, C: 0}
    assert (tally.sent_bytes, tally.rejected, tally.failures, tally.retries) == (0, 0, 0, 0)


def test_what_was_sent_is_counted_by_class_with_the_time():
    tally = Tally()
    tally.note_sent([Envelope(S, 1, b"x"), Envelope(S, 2, b"x"), Envelope(G, 3, b"x")], NOON)
    tally.note_sent([Envelope(A, 4, b"x")], NOON + 5)
    assert tally.sent == {A: 1, S: 2, G: 1, C: 0}
    assert tally.last_success_at == NOON + 5


def test_two_tallies_count_apart():
    Tally().note_sent([Envelope(A, 1, b"x")], NOON)
    assert Tally().sent[A] == 0


def test_only_the_first_failure_is_news_and_the_others_are_retries():
    tally = Tally()
    assert tally.note_failure("no route", NOON) is True
    assert tally.note_failure("timed out", NOON + SECOND) is False
    assert tally.note_failure("timed out", NOON + 2 * SECOND) is False
    assert (tally.failures, tally.retries) == (1, 2)
    assert (tally.up, tally.error, tally.away_since) == (False, "timed out", NOON)


def test_that_a_human_must_help_is_news_and_its_end_too():
    tally = Tally()
    tally.note_failure("no route", NOON)
    assert tally.note_failure("401", NOON, needs_human=True) is True
    assert tally.needs_human
    assert tally.note_failure("401", NOON, needs_human=True) is False
    assert tally.note_failure("no route", NOON) is True
    assert not tally.needs_human


def test_another_reason_for_which_a_human_must_help_is_news():
    tally = Tally()
    told = [
        tally.note_failure(why, NOON, needs_human=True)
        for why in ("404 Not Found", "404 Not Found", "403 Forbidden", "401", "403", "403")
    ]
    assert told == [True, False, True, True, True, False]


def test_refused_points_are_news_for_each_class_and_reason():
    tally, summary, alert = Tally(), [Envelope(S, 1, b"x")], [Envelope(A, 1, b"x")]
    told = [
        tally.note_rejected(summary, "400: dropped=3"),
        tally.note_rejected(summary * 2, "400: dropped=4"),
        tally.note_rejected(alert, "400: dropped=1"),
        tally.note_rejected(summary, "422: beyond retention"),
    ]
    assert told == [True, False, True, True]
    assert tally.rejected == 5
    assert tally.note_accepted([*summary, Envelope(G, 2, b"x")]) == [S]
    assert tally.note_accepted(summary) == []
    assert tally.note_rejected(summary, "422: beyond retention") is True


def test_an_answer_after_an_outage_is_news_with_its_length():
    tally = Tally()
    assert tally.note_answer(NOON) is None
    tally.note_failure("401", NOON, needs_human=True)
    tally.note_failure("401", NOON + SECOND, needs_human=True)
    assert tally.note_answer(NOON + 2 * SECOND + 340_000_000) == 2.3
    assert (tally.up, tally.error, tally.needs_human) == (True, "", False)
    assert tally.note_answer(NOON + 3 * SECOND) is None
    assert tally.note_failure("no route", NOON + 4 * SECOND) is True
    assert (tally.failures, tally.away_since) == (2, NOON + 4 * SECOND)
