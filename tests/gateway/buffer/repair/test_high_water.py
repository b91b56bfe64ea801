"""The marks file: two slots in turn, each with a CRC, and what is fsynced."""

import os
import zlib

import pytest

from gateway.api.model import Kind
from gateway.buffer.repair import high_water
from gateway.buffer.repair.high_water import HighWaterMarks, Mark

A, S, G, C = Kind
ONE = {A: Mark(1, 5, 4, 99, 0), S: Mark(2, 7, 5, 98, 3)}
TWO = {A: Mark(1, 6, 5, 100, 0), S: Mark(2, 7, 5, 98, 3)}
THREE = {A: Mark(1, 7, 6, 101, 0)}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "buffer.db.marks"


@pytest.fixture
def synced(monkeypatch):
    """The calls that make something survive a power cut."""
    calls = []
    for name in ("fsync", "fdatasync"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda fd, name=name, real=real: calls.append(name) or real(fd)
        )
    return calls


def reopened(path):
    marks = HighWaterMarks(path)
    marks.close()
    return marks.stored


def test_a_class_begins_with_number_one_and_nothing_stored():
    assert Mark() == Mark(first=1, next=1, count=0, newest_at=0, leased=0)


def test_a_new_file_says_nothing_and_has_room_for_both_slots(path, synced):
    marks = HighWaterMarks(path)
    assert (marks.stored, marks.current) == ({}, {})
    assert path.stat().st_size == 8192
    assert path.stat().st_mode & 0o777 == 0o600
    assert synced == ["fsync", "fsync"], "the file, and its name in the folder"
    marks.close()
    HighWaterMarks(path).close()
    assert len(synced) == 2, "it is there already"


def test_what_was_written_last_is_found_again(path):
    marks = HighWaterMarks(path)
    for each in (ONE, TWO, THREE):
        marks.write(each, durable=False)
        assert marks.current == each
        assert reopened(path) == each
    marks.close()


@pytest.mark.parametrize(("durable", "calls"), [(True, ["fdatasync"]), (False, [])])
def test_only_a_durable_mark_is_waited_for(path, synced, durable, calls):
    marks = HighWaterMarks(path)
    synced.clear()
    marks.write(ONE, durable=durable)
    assert synced == calls
    marks.close()


def test_marks_that_say_the_same_are_not_written_again(path, monkeypatch):
    marks = HighWaterMarks(path)
    written = []
    monkeypatch.setattr(os, "pwrite", lambda *given: written.append(given))
    marks.write(ONE, durable=False)
    marks.write(dict(ONE), durable=True)
    assert len(written) == 1
    marks.close()


def test_a_slot_carries_the_checksum_of_its_content(path):
    marks = HighWaterMarks(path)
    marks.write(ONE, durable=False)
    marks.close()
    slot = path.read_bytes()[4096:8192]
    assert len(slot[:1024].rstrip(b"\0")) < 1024
    crc, body = slot[:1024].rstrip(b"\0").split(b" ", 1)
    assert int(crc) == zlib.crc32(body)


def test_a_write_that_was_cut_short_leaves_the_slot_before_it(path):
    marks = HighWaterMarks(path)
    marks.write(ONE, durable=False)
    marks.write(TWO, durable=False)
    marks.close()
    raw = bytearray(path.read_bytes())
    raw[10:30] = bytes(20)
    path.write_bytes(raw)
    assert reopened(path) == ONE


def test_after_a_restart_the_older_slot_is_overwritten_first(path):
    first = HighWaterMarks(path)
    first.write(ONE, durable=False)
    first.write(TWO, durable=False)
    first.close()
    again = HighWaterMarks(path)
    again.write(THREE, durable=False)
    again.close()
    raw = bytearray(path.read_bytes())
    raw[4096 + 10 : 4096 + 30] = bytes(20)
    path.write_bytes(raw)
    assert reopened(path) == TWO


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b"null",
        b'{"turn": 1}',
        b'{"turn": 1, "marks": {"77": {}}}',
        b'{"turn": 1, "marks": {"0": {"x": 1}}}',
        b"nonsense",
    ],
)
def test_nonsense_with_a_right_checksum_is_passed_over(path, body):
    HighWaterMarks(path).close()
    raw = bytearray(path.read_bytes())
    text = b"%d %s" % (zlib.crc32(body), body)
    raw[: len(text)] = text
    path.write_bytes(raw)
    assert reopened(path) == {}


def test_a_disk_that_refuses_the_file_stops_nothing(tmp_path):
    (tmp_path / "marks").mkdir()
    marks = HighWaterMarks(tmp_path / "marks")
    assert marks.stored == {}
    marks.write(ONE, durable=True)
    assert marks.current == ONE
    marks.close()


def test_a_disk_that_refuses_a_write_stops_nothing(path, monkeypatch):
    marks = HighWaterMarks(path)

    def refuse(*_):
        raise OSError("no space left on the device")

    monkeypatch.setattr(os, "pwrite", refuse)
    marks.write(ONE, durable=True)
    assert marks.current == ONE
    marks.close()


def test_a_file_that_cannot_be_read_says_nothing(path, monkeypatch):
    first = HighWaterMarks(path)
    first.write(ONE, durable=False)
    first.close()

    def refuse(*_):
        raise OSError("input/output error")

    monkeypatch.setattr(high_water.os, "pread", refuse)
    assert reopened(path) == {}


def test_closing_twice_closes_once(path):
    marks = HighWaterMarks(path)
    marks.close()
    marks.close()
    marks.write(ONE, durable=True)
    assert reopened(path) == {}


def test_a_file_that_was_cut_short_gets_room_for_both_slots_again(path):
    path.write_bytes(b"x" * 100)
    HighWaterMarks(path).close()
    assert path.stat().st_size == 8192


def test_the_file_is_given_back(path):
    marks = HighWaterMarks(path)
    handle = marks._file
    marks.close()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(handle)
