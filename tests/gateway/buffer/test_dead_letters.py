"""Dead letters: kept with the sink's words, bounded, and given back once."""

import pytest

from gateway.api.model import Envelope, Kind
from gateway.buffer import dead_letters
from gateway.buffer.dead_letters import DeadLetter, DeadLetters
from gateway.buffer.given_up import GivenUp
from gateway.buffer.rows import PointTable

A, S, G, C = Kind


@pytest.fixture
def letters(db):
    return DeadLetters(db)


def points(kind, *bodies):
    return [Envelope(kind, 10 + n, b.encode(), key=n) for n, b in enumerate(bodies, 1)]


def bodies(envelopes):
    return [each.body.decode() for each in envelopes]


def test_a_dead_letter_has_all_that_is_known_of_it_and_the_newest_is_first(letters):
    letters.add("cloud", points(S, "one", "two"), "type conflict", 99)
    assert letters.newest(9) == [
        DeadLetter(2, "cloud", S, 12, b"two", "type conflict", 99),
        DeadLetter(1, "cloud", S, 11, b"one", "type conflict", 99),
    ]
    assert bodies(letters.newest(1)) == ["two"]
    assert letters.count() == 2


def test_the_limits_are_ten_thousand_and_a_thousand_of_clips():
    assert (dead_letters.KEPT, dead_letters.KEPT_CLIPS) == (10_000, 1_000)


def test_only_the_newest_are_kept(letters, monkeypatch):
    monkeypatch.setattr(dead_letters, "KEPT", 3)
    letters.add("cloud", points(S, "a", "b", "c"), "no", 1)
    assert letters.count() == 3
    letters.add("cloud", points(S, "d"), "no", 1)
    assert bodies(letters.newest(9)) == ["d", "c", "b"]


def test_no_class_displaces_another(letters, monkeypatch):
    monkeypatch.setattr(dead_letters, "KEPT", 3)
    letters.add("cloud", points(A, "a", "b"), "no", 1)
    letters.add("cloud", points(S, *"cdefg"), "no", 1)
    assert bodies(letters.newest(9)) == ["g", "f", "e", "b", "a"]


def test_clips_push_out_only_clips(letters, monkeypatch):
    monkeypatch.setattr(dead_letters, "KEPT_CLIPS", 2)
    letters.add("cloud", points(C, "c1") + points(A, "a1") + points(C, "c2", "c3"), "no", 1)
    assert bodies(letters.newest(9)) == ["c3", "c2", "a1"]


def test_a_damaged_row_is_kept_under_no_sinks_name(letters, db):
    rows = PointTable(db, S)
    rows.insert([Envelope(S, 7, b"one"), Envelope(S, 8, b"two"), Envelope(S, 9, b"three")])
    db.execute("UPDATE summary SET body = 'text' WHERE seq = 3")
    letters.add_damaged(S, [1, 3], 99)
    three, one = letters.newest(9)
    assert one == DeadLetter(1, "", S, 7, b"one", "damaged on disk", 99)
    assert (three.at, three.body) == (9, b"text")


def test_taking_removes_what_is_wanted_and_gives_its_points(letters):
    letters.add("cloud", points(S, "a", "b") + points(A, "c"), "no", 1)
    assert letters.take([1, 3]) == {
        Envelope(S, 11, b"a"): {"cloud"},
        Envelope(A, 11, b"c"): {"cloud"},
    }
    assert bodies(letters.newest(9)) == ["b"]
    assert bodies(letters.take(None)) == ["b"]
    assert letters.count() == 0


def test_a_point_that_two_sinks_refused_goes_out_once(letters):
    for sink in ("cloud", "panel"):
        letters.add(sink, points(S, "a"), "no", 1)
    assert letters.take(None) == {Envelope(S, 11, b"a"): {"cloud", "panel"}}


def test_damaged_rows_cannot_be_taken(letters, db):
    PointTable(db, S).insert([Envelope(S, 7, b"one")])
    letters.add_damaged(S, [1], 99)
    assert letters.take(None) == {}
    assert letters.count() == 1
    assert letters.discard(None) == 1
    assert letters.count() == 0


def test_discarded_letters_are_gone(letters):
    letters.add("cloud", points(S, "a", "b", "c"), "no", 1)
    assert letters.discard([2, 77]) == 1
    assert bodies(letters.newest(9)) == ["c", "a"]


def test_letters_are_summed_up_by_sink_and_class_with_the_newest_reason(letters):
    letters.add("cloud", points(S, "a"), "old", 5)
    letters.add("cloud", points(S, "b") + points(A, "c"), "new", 9)
    letters.add("panel", points(A, "c"), "no", 7)
    assert letters.given_up() == [
        GivenUp("cloud", A, 1, 9, 9, "new"),
        GivenUp("cloud", S, 2, 5, 9, "new"),
        GivenUp("panel", A, 1, 7, 7, "no"),
    ]


def test_a_letter_whose_class_is_damaged_is_passed_over(letters, db):
    letters.add("cloud", points(S, "a", "b"), "no", 1)
    db.execute("UPDATE dead_letter SET kind = 77 WHERE id = 1")
    assert bodies(letters.newest(9)) == ["b"]
    assert bodies(letters.take(None)) == ["b"]
