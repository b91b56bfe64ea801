"""A start over a damaged buffer that is killed at any moment, and again while it makes good for it.

`python tests/support/salvage_kill.py --kills 500` prints the figures; the tests run a shorter one.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import damage
import structlog
from damage import DATABASE, LOG
from disk_image import put

from gateway.buffer import ballast

ballast.SIZE = damage.SMALL_BALLAST
LOST = damage.rows_of(damage.A, 101, 101)[0].body
LASTING = {"rename", "unlink", "fsync", "open", "execute", "executemany", "close"}
"""Calls between which the disk is in another state."""


def start(path, pipe, killed_at):
    """Open the buffer; ends before the call of that number, else says how many there were."""
    calls = 0

    def count(_frame, event, called):
        nonlocal calls
        if event == "c_call" and called.__name__ in LASTING:
            calls += 1
            if calls == killed_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
    damage.opened(path)
    sys.setprofile(None)
    os.write(pipe, b"%d" % calls)


def run_and_kill(path, killed_at):
    """Whether it was killed, and how many calls there were if it was not."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            start(path, writing, killed_at)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as output:
        calls = int(output.read() or 0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) == (not calls), "the start failed by itself"
    return os.WIFSIGNALED(status), calls


def damaged(image):
    """The files with damage to the first page, to one row, and to the middle of the log."""
    files = {name: bytearray(body) for name, body in image.files.items()}
    row, frame = files[DATABASE].find(LOST[:7]), len(files[LOG]) // 2
    for name, at in ((DATABASE, 3), (DATABASE, row), (LOG, frame)):
        files[name][at] ^= 1
    return {name: bytes(body) for name, body in files.items()}


def check(folder, image, files):
    """Everything is there but what was hit, and once; the damaged files are as they were."""
    result = damage.drained(folder)
    hit = image.hit(LOG, len(files[LOG]) // 2, len(files[LOG]) // 2 + 1) | {LOST}
    assert LOST in image.waiting - result.got <= hit
    assert len(result.numbers) == len(set(result.numbers))
    assert result.journalled >= len(image.waiting - result.got)
    assert damage.NEWEST in result.checkpoints
    (aside,) = folder.glob("*.corrupt-*Z")
    assert aside.read_bytes() == files[DATABASE]
    assert aside.with_name(aside.name + "-wal").read_bytes() == files[LOG]
    assert not [*folder.glob("*.partial*"), *folder.glob("*.fresh*")]


def kill_often(folder, kills, seed):
    """Kill that often; each second time once more while the next start makes good for it."""
    dice, done = random.Random(seed), 0
    image = damage.made(folder)
    files = damaged(image)
    put(folder, files)
    _, calls = run_and_kill(folder / DATABASE, 0)
    while done < kills:
        put(folder, files)
        for _ in range(dice.choice([1, 2])):
            was_killed, _ = run_and_kill(folder / DATABASE, dice.randint(1, calls))
            done += was_killed
        check(folder, image, files)
    return done, calls


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        done, calls = kill_often(Path(folder), asked.kills, asked.seed)
    took = time.monotonic() - started
    print(f"{done} kills at {calls} moments, 0 lost, 0 doubled, in {took:.0f} s")
