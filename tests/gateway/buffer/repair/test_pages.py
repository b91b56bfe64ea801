import random
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.model import Envelope, Kind
from gateway.buffer import database
from gateway.buffer.journal import JournalTable
from gateway.buffer.journal_query import journal_checksum
from gateway.buffer.repair.pages import PageContent, last_numbers, read, row_count
from gateway.buffer.repair.wal import PAGE
from gateway.buffer.rows import PointTable, checksum

A, S = Kind.ALERT, Kind.SUMMARY
INT64 = st.integers(-(2**63), 2**63 - 1)


def pages_of(envelopes, checkpoints=(), cursors=(), deleted=(), journal=()):
    """The pages of a database that holds these rows but for the deleted ones."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.execute("PRAGMA secure_delete = ON")
        database._create(db, None)
        rows = {kind: PointTable(db, kind) for kind in Kind}
        db.execute("BEGIN")
        for kind, held in rows.items():
            held.put([e for e in envelopes if e.kind is kind])
        for name, state in checkpoints:
            row = (name, state, checksum(name, state))
            db.execute("INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?)", row)
        for cursor in cursors:
            row = (*cursor, checksum(*cursor))
            db.execute("INSERT OR REPLACE INTO cursor VALUES (?, ?, ?, ?)", row)
        JournalTable(db).put(journal)
        for kind, number in deleted:
            rows[kind].remove([number])
        db.execute("COMMIT")
        raw = db.serialize()
    return [raw[at : at + PAGE] for at in range(0, len(raw), PAGE)]


def read_all(pages):
    def page_at(number):
        return pages[number - 1] if 0 < number <= len(pages) else b""

    content = PageContent()
    for page in pages:
        content.add(read(page, page_at))
    return content


def row(number, body, kind=A):
    return Envelope(kind, 1_700_000_000_000_000_000 + number, body, key=number)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.sampled_from(list(Kind)), st.integers(1, 2**55)),
        st.tuples(INT64, st.integers(0, 2**31), st.binary(max_size=300)),
        max_size=40,
    )
)
def test_every_row_is_read_whatever_its_content(content):
    sent = [Envelope(k, at, body, v, seq) for (k, seq), (at, v, body) in content.items()]
    content = read_all(pages_of(sent)).rows
    assert sorted(content, key=repr) == sorted(sent, key=repr)


@pytest.mark.parametrize("size", [0, 57, 58, 4033, 4034, 4035, 4036, 4037, 8125, 8126, 100_000])
def test_a_row_with_overflow_pages_is_read_completely(size):
    sent = [row(1, b"before"), row(2, b"x" * size), row(3, b"after")]
    content = read_all(pages_of(sent)).rows
    assert sorted(content, key=lambda e: e.key) == sent


def test_checkpoints_and_cursors_are_read_as_they_are_stored():
    states = {f"detector-{n}-é" * (n + 1): bytes([n]) * n**4 for n in range(12)}
    cursors = {("cloud", 0, 0), ("cloud", 1, 1), ("file with a name", 2, 2**40)}
    content = read_all(pages_of([row(1, b"a")], states.items(), cursors))
    assert {name: state for name, state, _ in content.checkpoints} == states
    assert {cursor[:3] for cursor in content.cursors} == cursors


def test_only_the_last_state_of_a_checkpoint_is_read():
    states = [("pump", b"%d" % n * 100) for n in range(50)]
    assert [row[1] for row in read_all(pages_of([], states)).checkpoints] == [b"49" * 100]


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.integers(1, 2**55),
        st.tuples(INT64, INT64, st.text(max_size=200), st.binary(max_size=300)),
        max_size=30,
    )
)
def test_every_entry_of_the_journal_is_read_whatever_its_content(content):
    sent = [
        (seq, *row, journal_checksum(seq, *row)) for seq, row in sorted(content.items())
        if "\0" not in row[2]
    ]  # fmt: skip
    assert sorted(read_all(pages_of([], journal=sent)).journal) == sent


@pytest.mark.parametrize("size", [4020, 4033, 4034, 4035, 4036, 4037, 8125, 100_000])
def test_an_entry_with_overflow_pages_is_read_completely(size):
    row = (7, 8, 9, "guard.flow.high-1", b"x" * size)
    sent = [(*row, journal_checksum(*row))]
    assert read_all(pages_of([], journal=sent)).journal == sent


def test_deleted_rows_are_not_read():
    sent = [row(n, b"%d" % n * 40, S) for n in range(1, 400)]
    gone = {n for n in range(1, 400) if n % 3 or n < 200}
    content = read_all(pages_of(sent, deleted=[(S, n) for n in gone])).rows
    assert {e.key for e in content} == set(range(1, 400)) - gone


def test_the_last_numbers_are_read():
    pages = pages_of([row(300 + kind, b"a", kind) for kind in Kind])
    content = [numbers for page in pages if (numbers := last_numbers(page))]
    assert content == [{kind: 300 + kind for kind in Kind}]
    (numbers,) = filter(None, map(last_numbers, pages_of([], journal=[(70, 1, 1, "a", b"b", 1)])))
    assert numbers == {"journal": 70}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damage_costs_the_damaged_rows_only(data):
    sent = [row(n, b"%04d" % n * 12) for n in range(1, 60)]
    pages = pages_of(sent)
    number, at = data.draw(st.sampled_from(range(len(pages)))), data.draw(st.integers(0, 4095))
    size = data.draw(st.integers(1, 600))
    damaged = bytearray(pages[number])
    damaged[at : at + size] = data.draw(st.binary(min_size=size, max_size=size))[: PAGE - at]
    whole = pages[number]
    pages[number] = bytes(damaged[:PAGE])
    lost = {e.key for e in sent} - {e.key for e in read_all(pages).rows}
    # A row: about 20 bytes before its body, a CRC of up to 6 behind it.
    places = {e.key: whole.find(e.body) for e in sent if e.body in whole}
    hit = {n for n, place in places.items() if place - 25 < at + size and at < place + 48 + 6}
    assert lost <= hit


@pytest.mark.parametrize("seed", range(20))
def test_garbage_has_no_rows(seed):
    dice = random.Random(seed)
    page = bytes(dice.choices([6, 9, 0, 1, 12, 13, 128, 255], k=PAGE)) if seed else b"\x09" * PAGE
    assert read(page, lambda _: b"") == PageContent()
    assert last_numbers(page) == {}


def test_a_page_of_rows_says_how_many_it_has():
    assert row_count(bytes([0x0D, 0, 0, 1, 2, 9, 9])) == 0x102
    assert row_count(bytes([0x05, 0, 0, 1, 2, 9, 9])) == 0
    sizes = [row_count(page) for page in pages_of([row(n, b"x") for n in range(1, 8)])]
    assert 7 in sizes


def test_what_another_page_holds_is_added():
    one = PageContent([row(1, b"a")], [("pump", b"x", 1)], [("cloud", 0, 1, 2)])
    one.add(PageContent([row(2, b"b")], [("fan", b"y", 2)], [("panel", 0, 1, 2)]))
    assert [e.key for e in one.rows] == [1, 2]
    assert [name for name, *_ in one.checkpoints] == ["pump", "fan"]
    assert [sink for sink, *_ in one.cursors] == ["cloud", "panel"]


def at_a_cell(content):
    """A page of rows whose cells begin with this content at its end."""
    start = PAGE - len(content)
    head = bytes([0x0D, 0, 0, 0, 1]) + start.to_bytes(2, "big") + b"\0" + start.to_bytes(2, "big")
    return head + bytes(start - len(head)) + content


def test_what_lies_before_the_first_cell_was_deleted():
    sent = [row(1, b"kept body")]
    (page,) = [p for p in pages_of(sent) if read(p, lambda _: b"").rows]
    start = int.from_bytes(page[5:7], "big")
    cell = page[start:]
    both = at_a_cell(cell)
    assert read(both, lambda _: b"").rows == sent
    before = bytearray(both)
    before[1000 : 1000 + len(cell)] = cell
    assert len(read(bytes(before), lambda _: b"").rows) == 1
