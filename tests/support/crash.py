"""A writer that is killed at random moments, and the count of what it lost.

`python tests/support/crash.py --kills 1000` prints the figures; the tests run a shorter one.
The writers are forked, not started: a kill every few milliseconds instead of every second.
"""

import argparse
import os
import random
import select
import signal
import tempfile
import time
from contextlib import closing
from pathlib import Path

from gateway.api.model import Envelope, Kind
from gateway.buffer.store import Store

SINKS = {"cloud": frozenset(Kind)}
BIG = 10**9


def opened(path):
    return Store(path, BIG, SINKS, lambda: 0)


def write(path, first, pipe):
    """One alert, two summaries and a checkpoint with each append; says each number when durable."""
    store = opened(path)
    for serial in range(first, first + 10**6):
        body = b"%d" % serial
        kinds = (Kind.ALERT, Kind.SUMMARY, Kind.SUMMARY)
        store.append([Envelope(kind, serial, body) for kind in kinds], {"machine": body})
        os.write(pipe, b"%d\n" % serial)
        if serial % 10 == 0:
            store.ack("cloud", store.lease("cloud", 5, BIG))
        if serial % 17 == 0:
            store.maintain()


def run_and_kill(path, first, delay):
    """Kills a writer `delay` seconds after its first append; the last number that it printed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        write(path, first, writing)
        os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as output:
        select.select([output], [], [], 30)
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        # A number that was cut off does not count.
        lines = output.read().split(b"\n")[:-1]
    return int(lines[-1])


def check(path, last):
    """Asserts that all printed numbers are stored and nothing was lost; the newest number."""
    with closing(opened(path)) as store:
        assert store.set_aside == []
        assert store.dropped.total() == 0, store.dropped
        alerts = [int(e.body) for e in store.lease("cloud", 10**6, BIG)]
        newest = alerts[-1]
        # One append may have been committed but not printed.
        assert last <= newest <= last + 1
        assert alerts == list(range(alerts[0], newest + 1))
        assert store.load_checkpoint("machine") == b"%d" % newest
        assert store.stats()["summaries"] == 2 * newest
        # What is missing at the front was acknowledged by the sink.
        assert alerts[0] - 1 <= (newest // 10) * 5
    return newest


def kill_often(path, kills, seed):
    """Kill that often; the number of appends that were checked."""
    dice, last = random.Random(seed), 0
    for _ in range(kills):
        last = check(path, run_and_kill(path, last + 1, dice.random() * 0.02))
    return last


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        appends = kill_often(Path(folder) / "buffer.db", asked.kills, asked.seed)
    took = time.monotonic() - started
    print(f"{asked.kills} kills, {appends} appends, 0 lost, in {took:.0f} s")
