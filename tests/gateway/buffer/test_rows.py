"""One class's table: numbers, bytes, checksums, and what each query picks. In memory."""

import zlib

import pytest

from gateway.api.model import Envelope, Kind
from gateway.buffer.database import Damaged
from gateway.buffer.rows import ALL, ROW_BYTES, PointTable, Span, checksum, cost, row_checksum

A, S, G, C = Kind


@pytest.fixture
def rows(db):
    return PointTable(db, S)


def points(*bodies, at=100):
    return [Envelope(S, at + n, body.encode()) for n, body in enumerate(bodies)]


def bodies(envelopes):
    return [envelope.body.decode() for envelope in envelopes]


def test_a_checksum_is_the_crc_of_all_columns():
    assert checksum("a", 1, b"x") == zlib.crc32(b"('a', 1, b'x')")
    assert row_checksum(S, 3, 100, 1, b"x") == checksum(1, 3, 100, 1, b"x")
    variants = [(A, 3, 100, 1, b"x"), (S, 4, 100, 1, b"x"), (S, 3, 101, 1, b"x")]
    variants += [(S, 3, 100, 2, b"x"), (S, 3, 100, 1, b"y")]
    assert row_checksum(S, 3, 100, 1, b"x") not in {row_checksum(*each) for each in variants}


def test_a_point_costs_its_body_and_forty_bytes():
    assert (ROW_BYTES, cost(b"12345")) == (40, 45)


def test_points_get_the_next_numbers_and_count(rows):
    stored = rows.insert(points("one", "three"))
    assert [(e.key, e.body) for e in stored] == [(1, b"one"), (2, b"three")]
    assert (rows.next, rows.count, rows.bytes) == (3, 2, 8 + 80)
    rows.insert(points("x"))
    assert (rows.next, rows.count, rows.bytes) == (4, 3, 9 + 120)
    rows.insert([])
    assert rows.next == 4


def test_a_row_has_every_column_of_its_point(rows, db):
    rows.insert([Envelope(S, 42, b"body", version=3)])
    row = db.execute("SELECT seq, at, version, body, crc FROM summary").fetchone()
    assert row == (1, 42, 3, b"body", row_checksum(S, 1, 42, 3, b"body"))


def test_each_class_has_a_table_of_its_own(db):
    for kind in Kind:
        PointTable(db, kind).insert([Envelope(kind, 1, b"x")])
    for table in ("alert", "summary", "gateway", "clip"):
        assert db.execute(f"SELECT COUNT(*) FROM {table}").fetchone() == (1,)


def test_points_are_put_under_the_numbers_that_they_carry_in_place_of_others(rows):
    rows.insert(points("a", "b", "c"))
    rows.put([Envelope(S, 7, b"new", key=2), Envelope(S, 8, b"far", key=9)])
    assert rows.next == 10
    rows_read = rows.between(0, ALL)
    assert [(e.key, e.at, e.body) for e in rows_read.sound] == [
        (1, 100, b"a"), (2, 7, b"new"), (3, 102, b"c"), (9, 8, b"far"),
    ]  # fmt: skip
    rows.measure()
    assert (rows.count, rows.bytes) == (4, 8 + 160)
    rows.put([Envelope(S, 7, b"low", key=4)])
    assert rows.next == 10, "numbers never go back"


def test_it_is_measured_from_the_file_and_numbers_of_deleted_rows_are_not_used_again(rows, db):
    rows.insert(points("a", "b", "c"))
    rows.delete(ALL)
    again = PointTable(db, S)
    assert (again.next, again.count, again.bytes) == (1, 0, 0)
    again.measure()
    assert (again.next, again.count, again.bytes) == (4, 0, 0)
    again.next = 20
    again.measure()
    assert again.next == 20


def test_a_span_says_how_many_what_they_cost_and_when_they_were(rows):
    rows.insert(points("aa", "bb", "cc", "dd"))
    assert rows.span(3) == Span(3, 3 * 42, 100, 102)
    assert rows.span(ALL, {1, 3}) == Span(2, 2 * 42, 101, 103)
    assert rows.span(3, {1, 3}) == Span(1, 42, 101, 101)
    assert rows.span(0) == Span(0, 0, 0, 0)


def test_numbers_that_no_row_has_are_claimed(rows, db):
    rows.insert(points("a"))
    rows.save_numbers()
    rows.next = 8
    rows.save_numbers()
    assert db.execute("SELECT * FROM sqlite_sequence WHERE name = 'summary'").fetchall() == [
        ("summary", 7)
    ]
    again = PointTable(db, S)
    again.measure()
    assert again.next == 8


def test_deleting_counts_off_what_goes_and_says_what_it_was(rows):
    rows.insert(points("a", "bb", "ccc", "dddd"))
    assert rows.delete(2) == Span(2, 3 + 80, 100, 101)
    assert (rows.count, rows.bytes) == (2, 7 + 80)
    assert rows.delete(ALL, {3}) == Span(1, 44, 103, 103)
    assert bodies(rows.between(0, ALL).sound) == ["ccc"]
    assert rows.delete(ALL, {3}) == Span(0, 0, 0, 0)
    assert (rows.count, rows.bytes) == (1, 43)


def test_single_rows_are_removed_by_number(rows):
    rows.insert(points("a", "bb", "ccc"))
    rows.remove([1, 3])
    assert (rows.count, rows.bytes, bodies(rows.between(0, ALL).sound)) == (1, 42, ["bb"])
    with pytest.raises(Damaged, match="row 3 of summary"):
        rows.remove([3])


def test_a_damaged_row_without_a_body_is_removed_too(rows, db):
    rows.insert(points("a"))
    db.execute("UPDATE summary SET body = ''")
    rows.remove([1])
    assert rows.count == 0


def test_enough_of_the_oldest_rows_frees_the_bytes(rows):
    rows.insert(points("aa", "bb", "cc"))
    assert [rows.up_to_free(excess) for excess in (1, 42, 43, 84, 85, 126, 127)] == [
        1,
        1,
        2,
        2,
        3,
        3,
        3,
    ]
    assert rows.up_to_free(1, {1}) == 2
    assert rows.up_to_free(1, {1, 2, 3}) == 0


def test_at_most_a_thousand_rows_go_at_once(rows):
    rows.insert(points(*["x"] * 1001))
    assert rows.up_to_free(10**9) == 1000


def test_rows_older_than_a_time_are_those_before_the_first_that_is_not(rows):
    rows.insert([Envelope(S, at, b"x") for at in (10, 20, 15, 30)])
    assert [rows.last_before(than) for than in (10, 11, 16, 20, 21, 31)] == [0, 1, 1, 1, 3, 4]


def test_no_row_is_older_in_an_empty_table(rows):
    assert rows.last_before(100) == 0


def test_the_first_row_above_a_time(rows):
    rows.insert([Envelope(S, at, b"x") for at in (10, 30, 20, 40)])
    assert [rows.first_after(1, at) for at in (9, 10, 30, 40)] == [1, 2, 4, 5]
    assert rows.first_after(3, 10) == 3


def test_the_first_number_is_that_of_the_oldest_row_or_the_next_one(rows):
    assert rows.first() == 1
    rows.insert(points("a", "b", "c"))
    rows.delete(1)
    assert rows.first() == 2
    rows.delete(ALL)
    assert rows.first() == 4


def test_rows_between_two_numbers_both_included_sound_and_damaged(rows, db):
    rows.insert(points("a", "b", "c", "d"))
    db.execute("UPDATE summary SET body = x'00' WHERE seq = 3")
    rows_read = rows.between(2, 4)
    assert rows_read.sound == [
        Envelope(S, 101, b"b", 1, 2),
        Envelope(S, 103, b"d", 1, 4),
    ]
    assert rows_read.damaged == [3]
    assert bodies(rows.between(1, 4, 2).sound) == ["a", "b"]
    assert bodies(rows.between(4, 3).sound) == []


def test_reading_gives_the_oldest_rows_beyond_a_number(rows):
    rows.insert(points("aa", "bb", "cc", "dd"))
    assert bodies(rows.read(1, set(), 2, 100).sound) == ["bb", "cc"]
    assert bodies(rows.read(0, {1, 3}, 2, 100).sound) == ["bb", "dd"]
    assert rows.read(0, set(), 1, 100).sound == [Envelope(S, 100, b"aa", 1, 1)]
    assert rows.read(4, set(), 9, 100).sound == []


@pytest.mark.parametrize(("size", "count"), [(0, 1), (2, 1), (3, 1), (4, 2), (8, 4)])
def test_reading_keeps_to_the_bytes_but_gives_at_least_one(rows, size, count):
    rows.insert(points("aa", "bb", "cc", "dd"))
    assert len(rows.read(0, set(), 9, size).sound) == count


def test_reading_passes_damaged_rows_and_names_them(rows, db):
    rows.insert(points("aa", "bb", "cc", "dd"))
    db.execute("UPDATE summary SET at = 5 WHERE seq IN (1, 3)")
    rows_read = rows.read(0, set(), 3, 100)
    assert (bodies(rows_read.sound), rows_read.damaged) == (["bb"], [1, 3])
    assert rows.read(0, {1}, 9, 100).damaged == [3], "what is skipped is not looked at"


def test_the_numbers_beyond_one_in_order(rows):
    rows.insert(points("a", "b", "c"))
    rows.remove([2])
    assert list(rows.numbers(0)) == [1, 3]
    assert list(rows.numbers(1)) == [3]


def test_the_ends_are_those_by_number_and_not_by_time(rows):
    assert (rows.oldest_at(), rows.newest_at()) == (None, None)
    rows.insert([Envelope(S, at, b"x") for at in (20, 5, 30, 10)])
    assert (rows.oldest_at(), rows.newest_at()) == (20, 10)
