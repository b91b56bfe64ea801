import asyncio
import re
import threading
import time

import odd_files
import pytest
from patience import PATIENCE

from gateway.api import files
from gateway.api.files import FileUnreadable, list_folder, off_loop, read_file, read_text


def refusal(path, at_most=1_000):
    with pytest.raises(FileUnreadable) as refused:
        read_file(path, at_most)
    return str(refused.value)


@pytest.mark.parametrize("odd", odd_files.NO_FILE)
def test_only_a_file_is_read_and_the_others_are_named(tmp_path, odd):
    make, sentence = odd_files.NO_FILE[odd]
    make(tmp_path / "odd")
    said = refusal(tmp_path / "odd")
    assert str(tmp_path / "odd") in said
    assert re.search(sentence, said)


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "a" * 300, "a/" * 3_000])
def test_a_name_that_no_file_has_is_told_on_one_short_line(tmp_path, name):
    said = refusal(tmp_path / name)
    assert "name" in said
    assert said.isprintable()
    assert len(said) < 300


def test_a_file_as_large_as_allowed_is_read_and_one_byte_more_is_not(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 1_000)
    assert read_file(tmp_path / "file", 1_000) == b"x" * 1_000
    assert "larger than" in refusal(tmp_path / "file", 999)
    # The system says that a file in /proc has no bytes.
    assert read_file("/proc/self/status", 100_000).startswith(b"Name:")
    assert "larger than" in refusal("/proc/self/status", 10)


def test_text_is_utf_8_and_what_is_not_is_not_repeated(tmp_path):
    (tmp_path / "file").write_bytes("\ufeffÖl".encode())
    assert read_text(tmp_path / "file", 100) == "Öl"
    (tmp_path / "file").write_bytes(b"s3cret\xff")
    with pytest.raises(FileUnreadable, match=r"not UTF-8 text .at byte 7") as refused:
        read_text(tmp_path / "file", 100)
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None
    assert "s3cret" not in str(refused.value)


def test_a_file_that_another_program_holds_is_not_waited_for(tmp_path):
    with odd_files.held(tmp_path / "held"):
        assert "another program holds it" in refusal(tmp_path / "held")


@pytest.fixture
def hanging(monkeypatch):
    """A file system that answers nothing until this is set."""
    answers = threading.Event()
    content = files._content

    def wait(path, at_most):
        answers.wait()
        return content(path, at_most)

    monkeypatch.setattr(files, "_content", wait)
    monkeypatch.setattr(files, "READ_S", 0.05)
    yield answers
    answers.set()
    until(lambda: not files._attempts)


def until(is_so):
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_file_that_hangs_costs_one_thread_and_one_wait(hanging, tmp_path):
    (tmp_path / "file").write_text("x")
    before = threading.active_count()
    said = {refusal(tmp_path / "file") for _ in range(20)}
    assert said == {f"{tmp_path / 'file'}: it cannot be read within 0.05 s"}
    assert threading.active_count() == before + 1
    hanging.set()
    until(lambda: threading.active_count() == before)
    assert read_file(tmp_path / "file", 10) == b"x"


def test_when_many_files_hang_no_other_is_tried(hanging, tmp_path):
    for number in range(files.MOST_HANGING):
        assert "within" in refusal(tmp_path / str(number))
    assert "not tried" in refusal(tmp_path / "another")


async def test_the_loop_goes_on_while_a_file_hangs(hanging, tmp_path):
    reading = asyncio.create_task(off_loop(lambda: refusal(tmp_path / "file")))
    turns = 0
    while not reading.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert "within" in await reading
    assert turns > 3


def test_a_folder_is_listed_without_what_is_no_file(tmp_path):
    for name in ("b", "a"):
        (tmp_path / name).write_text("x")
    odd_files.fifo(tmp_path / "fifo")
    odd_files.dangling(tmp_path / "link")
    odd_files.folder(tmp_path / "folder")
    assert [path.name for path in list_folder(tmp_path)] == ["a", "b"]
    with pytest.raises(FileUnreadable, match="Not a directory"):
        list_folder(tmp_path / "a")


def test_a_folder_with_too_many_files_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_FILES", 2)
    for name in "abc":
        (tmp_path / name).write_text("x")
    with pytest.raises(FileUnreadable, match="more than 2 files"):
        list_folder(tmp_path)
