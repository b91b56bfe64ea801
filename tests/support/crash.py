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
from gateway.buffer.journal_query import JournalQuery
from gateway.buffer.store import Store
from gateway.core.alarms.journal import note

SINKS = {"cloud": frozenset(Kind)}
BIG = 10**9


def opened(path):
    return Store(path, BIG, SINKS, lambda: 0)


def write(path, first, pipe):
    """One alert, its entry in the journal, two summaries and a checkpoint with each append.

    Says each number when it is durable.
    """
    store = opened(path)
    for serial in range(first, first + 10**6):
        body = b"%d" % serial
        kinds = (Kind.ALERT, Kind.SUMMARY, Kind.SUMMARY)
        points = [Envelope(kind, serial, body) for kind in kinds]
        store.append(points, {"machine": body}, [note(serial, body.decode())])
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
        # The journal keeps every entry, though the sink has had the alert.
        page = store.journal(JournalQuery(10**6))
        entries = [(e.seq, e.at, int(e.message)) for e in reversed(page.entries())]
        assert entries == [(n, n, n) for n in range(1, newest + 1)]
        assert not page.damaged
        assert not store.stats()["journal"]["missing_by"]
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
