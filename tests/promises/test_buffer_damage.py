"""Promise: damage costs at most the rows that it hit, wherever it is, and the daemon still starts.

More flips: `ANDON_BUFFER_FLIPS=200 .venv/bin/pytest tests/promises/test_buffer_damage.py`.
"""

import errno
import os
import random
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import damage
import pytest
from damage import DATABASE, LOG, NEWEST

from gateway.api import line_protocol
from gateway.api.model import SECOND, Kind, Summary
from gateway.buffer import ballast
from gateway.core import points

FLIPS = int(os.environ.get("ANDON_BUFFER_FLIPS", "40"))
PAGE = 4096
SECTOR = 512
SALVAGE_KILL = Path(__file__).parents[1] / "support" / "salvage_kill.py"


@pytest.fixture(scope="module", autouse=True)
def small_ballast():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ballast, "SIZE", damage.SMALL_BALLAST)
        yield


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    return damage.made(tmp_path_factory.mktemp("image"))


def changed(image, name, start, content):
    """The files, with `content` written at `start` of one of them."""
    raw = bytearray(image.files[name])
    end = min(start + len(content), len(raw))
    raw[start:end] = content[: end - start]
    return image.files | {name: bytes(raw)}


def check(result, image, hit):
    """Asserts that only hit rows are missing and all are counted; returns the missing ones."""
    assert result.got <= image.stored
    missing = image.waiting - result.got
    assert missing <= hit
    assert len(missing) <= result.counted <= len(hit)
    assert len(result.numbers) == len(set(result.numbers))
    return missing


def check_entries(result, hit):
    """Asserts that only hit entries of the journal are missing, and all are counted."""
    missing = set(range(1, 251 + damage.APPENDS)) - result.entries
    assert missing <= hit
    assert len(missing) <= result.entries_missing <= len(hit)
    return missing


def no_alarm_goes_back(result):
    """The states of the alarms are the newest ones, or none."""
    return result.checkpoints[0] in (NEWEST, None) and result.checkpoints[1] in (b"fan", None)


@pytest.mark.parametrize(
    ("name", "pages"),
    [
        pytest.param(DATABASE, 1, id="first page"),
        pytest.param(DATABASE, 9, id="schema and roots"),
        pytest.param(DATABASE, None, id="database"),
        pytest.param(LOG, None, id="log"),
    ],
)
def test_a_flipped_bit_costs_at_most_the_row_that_it_hit(image, tmp_path, name, pages):
    dice, lossy, whole = random.Random(7), 0, image.files[name]
    for _ in range(FLIPS):
        at = dice.randrange(pages * PAGE if pages else len(whole))
        files = changed(image, name, at, bytes([whole[at] ^ 1 << dice.randrange(8)]))
        result = damage.outcome(tmp_path, files)
        lossy += bool(check(result, image, image.hit(name, at, at + 1)))
        lossy += bool(check_entries(result, image.entries_hit(name, at, at + 1)))
        assert no_alarm_goes_back(result)
    # At the beginning there are no rows.
    assert bool(lossy) == (pages is None)


@pytest.mark.parametrize("name", [DATABASE, LOG])
def test_a_zeroed_sector_costs_at_most_the_rows_that_it_hit(image, tmp_path, name):
    dice = random.Random(8)
    for _ in range(30):
        at = dice.randrange(len(image.files[name]) // SECTOR) * SECTOR
        result = damage.outcome(tmp_path, changed(image, name, at, bytes(SECTOR)))
        check(result, image, image.hit(name, at, at + SECTOR))
        check_entries(result, image.entries_hit(name, at, at + SECTOR))
        assert no_alarm_goes_back(result)


@pytest.mark.parametrize("name", [DATABASE, LOG])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_costs_at_most_the_rows_that_were_cut_off(image, tmp_path, name, share):
    whole = image.files[name]
    cut = int(len(whole) * share)
    result = damage.outcome(tmp_path, image.files | {name: whole[:cut]})
    assert check(result, image, image.hit(name, cut, len(whole))) or share > 0.9
    check_entries(result, image.entries_hit(name, cut, len(whole)))


@pytest.mark.parametrize("content", [b"", b"garbage" * 9000, bytes(60_000)], ids=len)
def test_the_log_survives_a_missing_database(image, tmp_path, content):
    result = damage.outcome(tmp_path, image.files | {DATABASE: content})
    in_log = image.hit(LOG, 0, len(image.files[LOG]))
    assert image.waiting - check(result, image, image.waiting) >= {
        body for body in in_log if len(body) < PAGE
    }
    assert len(result.set_aside) == 1


def test_a_half_written_page_costs_at_most_its_new_rows(image, tmp_path):
    whole, dice = image.files[DATABASE], random.Random(9)
    for _ in range(20):
        start = dice.randrange(9, len(whole) // PAGE) * PAGE
        half = start + dice.choice([0, PAGE // 2])
        other = dice.randrange(9, len(whole) // PAGE) * PAGE
        old = whole[other : other + PAGE // 2]
        result = damage.outcome(tmp_path, changed(image, DATABASE, half, old))
        check(result, image, image.hit(DATABASE, start, start + PAGE))


def test_damage_to_first_page_log_and_marks_costs_at_most_the_rows_that_were_hit(image, tmp_path):
    files = changed(image, DATABASE, 0, b"\xff" * PAGE)
    at = len(image.files[LOG]) // 2
    files |= {
        LOG: changed(image, LOG, at, b"\xff")[LOG],
        DATABASE + ".marks": b"\xff" * 2 * PAGE,
    }
    result = damage.outcome(tmp_path, files)
    assert image.waiting - result.got <= image.hit(LOG, at, at + 1)
    assert no_alarm_goes_back(result)


@pytest.mark.parametrize("name", [DATABASE, LOG])
def test_an_unreadable_sector_costs_at_most_its_rows(image, tmp_path, monkeypatch, name):
    # A real unreadable sector is not available. The log is hit too, so that all is salvaged.
    in_log = len(image.files[LOG]) // 3
    at, pread = len(image.files[name]) // PAGE // 2 * PAGE, os.pread

    def broken(file, length, offset):
        if offset == at and Path(f"/proc/self/fd/{file}").readlink().name == name:
            raise OSError(errno.EIO, "Input/output error")
        return pread(file, length, offset)

    monkeypatch.setattr(os, "pread", broken)
    result = damage.outcome(tmp_path, changed(image, LOG, in_log, b"x"))
    hit = image.hit(name, at, at + PAGE) | image.hit(LOG, in_log, in_log + 1)
    assert check(result, image, hit) or name == LOG
    assert no_alarm_goes_back(result)


def test_the_parts_of_a_merged_summary_do_not_come_back_beside_it(tmp_path):
    image, dice = merged(tmp_path), random.Random(3)
    for _ in range(FLIPS):
        at = dice.randrange(len(image[LOG]))
        flipped = bytes([image[LOG][at] ^ 1 << dice.randrange(8)])
        files = image | {LOG: image[LOG][:at] + flipped + image[LOG][at + 1 :]}
        fields = [line_protocol.decode(body).fields for body in damage.outcome(tmp_path, files).got]
        samples = [n for f in fields for n in range(int(f["min"]), int(f["max"]) + 1)]
        assert len(samples) == len(set(samples))


def merged(folder):
    """The files of a buffer that merged two hours of summaries, which its log still shows."""
    minute = 60 * SECOND
    with closing(damage.opened(folder / DATABASE)) as store:
        for first in (0, 120):
            ends = [(n, (n + 1) * minute) for n in range(first, first + 120)]
            # The single sample is the serial number, so that a merged one shows its parts.
            one = [Summary("a", end - minute, end, 1, 0, 1.0, n, 0.0, n, n, n) for n, end in ends]
            store.append([points.summary_envelope(summary, "plant", "line") for summary in one], {})
            store._contents.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        for _ in range(8):
            assert store.merge()
        rows = store._contents.rows[Kind.SUMMARY]
        counted = rows.count, rows.bytes
        rows.measure()
        assert counted == (rows.count, rows.bytes)
        return {name: (folder / name).read_bytes() for name in damage.FILES}


def test_a_kill_at_any_moment_of_salvaging_loses_and_duplicates_nothing():
    # In a separate process, because only one without threads may fork.
    command = [sys.executable, str(SALVAGE_KILL), "--kills", "20"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "0 lost, 0 doubled" in done.stdout
