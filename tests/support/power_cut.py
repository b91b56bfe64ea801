"""Power cuts of the buffer, simulated from what it really asked of the disk.

`python tests/support/power_cut.py --images 600` prints the figures; the tests run a shorter one.
A writer is recorded under strace, its disk is cut at random calls, and each image is opened by
the real store. The next writer goes on with one of these images, so that recovery is cut too.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

import structlog
from disk_image import Disk, put, record

from gateway.api.model import SECOND, Envelope, Kind, Summary
from gateway.buffer import ballast
from gateway.buffer.journal_query import JournalQuery
from gateway.buffer.store import Store
from gateway.core import points
from gateway.core.alarms.journal import note
from gateway.core.stored_points import StoredPoints

SINKS = {"cloud": frozenset(Kind)}
BIG = 10**9
TIGHT = 25_000
"""A limit that makes every second writer merge and evict summaries."""
APPENDS = 120
IMAGES_EACH = 60
ballast.SIZE = 4096  # no part in this, and 8 MiB would be written for each image


def opened(folder: Path, max_bytes: int) -> Store:
    return Store(
        folder / "buffer.db", max_bytes, SINKS, lambda: 0, handling=StoredPoints("site", "line")
    )


def write(folder: Path, first: int, max_bytes: int, synchronous: str) -> None:
    """One alert with its entry, two summaries and a checkpoint with each append.

    Says each when it is durable.
    """
    with closing(opened(folder, max_bytes)) as store:
        store._contents.db.execute(f"PRAGMA synchronous = {synchronous}")
        for serial in range(first, first + APPENDS):
            states, entries = {"machine": b"%d" % serial}, [note(serial, f"{serial}")]
            store.append(some_points(serial), states, entries)
            say("stored", [serial])
            if serial % 10 == 0:
                acknowledge(store, everything=serial % 40 == 0)
            if serial % 7 == 0:
                store._checkpointed_at = float("-inf")
                store.maintain()


def some_points(serial: int) -> list[Envelope]:
    end = serial * SECOND
    summaries = [Summary(tag, end - SECOND, end, 1, 0, 1.0, 0, 0, 0, 0, 0) for tag in "ab"]
    alert = Envelope(Kind.ALERT, end, b"%d" % serial)
    return [alert, *(points.summary_envelope(summary, "site", "line") for summary in summaries)]


def acknowledge(store: Store, *, everything: bool) -> None:
    while leased := store.lease("cloud", 7, BIG):
        say(f"acking.{leased[0].kind.name}", [e.at // SECOND for e in leased])
        store.ack("cloud", leased)
        if not everything:
            break


def say(word: str, serials: list[int]) -> None:
    os.write(1, f"{word} {' '.join(map(str, serials))}\n".encode())


@dataclass
class Reported:
    """The serials of appends that returned, and of points that a sink may have taken since."""

    stored: set[int] = field(default_factory=set)
    acked: dict[Kind, set[int]] = field(default_factory=lambda: {kind: set() for kind in Kind})

    def note(self, line: bytes) -> None:
        word, *serials = line.decode().split()
        heard = self.stored if word == "stored" else self.acked[Kind[word.removeprefix("acking.")]]
        heard |= set(map(int, serials))

    def continue_from(self, recovered: "Recovered") -> None:
        """What is in an image was on a disk, and no more is asked of the next writer's images."""
        self.stored |= {recovered.newest} - {0}
        for kind, held in recovered.held.items():
            # Of a summary's two tags one may have been evicted.
            self.acked[kind] = {n for n in self.stored if held[n] < 1 + (kind is Kind.SUMMARY)}

    def owed(self, kind: Kind) -> set[int]:
        return self.stored - self.acked[kind]


@dataclass
class Recovered:
    """What the store made of one image."""

    newest: int
    held: dict[Kind, Counter[int]]
    damaged: bool
    """Set aside by the store, or half of an append is there."""
    claims_losses: bool
    """Of its own accord, by its marks."""


def recover(folder: Path, reported: Reported, max_bytes: int) -> Recovered:
    """Open the image as the daemon does, and store one more point."""
    with closing(opened(folder, max_bytes)) as store:
        newest = int(store.load_checkpoint("machine") or 0)
        held = in_it(store)
        is_whole = newest <= max(reported.stored, default=0) + 1 and all(
            max(held[kind], default=0) <= newest
            and (newest in held[kind] or newest in reported.acked[kind] or not newest)
            for kind in (Kind.ALERT, Kind.SUMMARY)
        )
        page = store.journal(JournalQuery(BIG))
        entries = sorted(int(entry.message) for entry in page.entries())
        is_whole &= entries == list(range(1, newest + 1))
        damaged = bool(store.set_aside or page.damaged) or not is_whole
        missing = store.stats()["journal"]["missing_by"]
        claims_losses = store.dropped.total() > 0 or bool(missing)
        store.append(some_points(newest + 1), {})
        assert in_it(store)[Kind.ALERT] == held[Kind.ALERT] + Counter([newest + 1])
    return Recovered(newest, held, damaged, claims_losses)


def in_it(store: Store) -> dict[Kind, Counter[int]]:
    return {
        kind: Counter(e.at // SECOND for e in store._contents.rows[kind].between(0, BIG).sound)
        for kind in Kind
    }


@dataclass
class Tally:
    """How many images there were, and in how many of them something was wrong."""

    images: int = 0
    lost_alerts: int = 0
    lost_summaries: int = 0
    damaged: int = 0
    false_losses: int = 0

    def add(self, recovered: Recovered, reported: Reported, *, is_tight: bool) -> None:
        self.images += 1
        self.damaged += recovered.damaged
        self.lost_alerts += bool(reported.owed(Kind.ALERT) - set(recovered.held[Kind.ALERT]))
        if not is_tight:
            there = recovered.held[Kind.SUMMARY]
            self.lost_summaries += any(there[serial] < 2 for serial in reported.owed(Kind.SUMMARY))
        self.false_losses += recovered.claims_losses


def cut_often(folder: Path, images: int, seed: int, synchronous: str = "FULL") -> Tally:
    """Cut that often. Every second writer has so little room that it merges and evicts."""
    dice, tally, files, reported = Random(seed), Tally(), {}, Reported()
    for turn in range(-(-images // IMAGES_EACH)):
        is_tight, run = turn % 2 == 1, folder / f"run-{turn}"
        max_bytes = TIGHT if is_tight else BIG
        put(run, files)
        words = ["write", run, 1 + max(reported.stored, default=0), max_bytes, synchronous]
        command = [sys.executable, __file__, *map(str, words)]
        ops = record(command, run, folder / "trace")
        cuts = set(dice.sample(range(len(ops)), min(IMAGES_EACH, images - tally.images)))
        disk = Disk(files)
        for number, op in enumerate(ops):
            disk.do(op)
            if op.what == "say":
                reported.note(op.data)
            if number in cuts:
                image = disk.after_a_cut(dice)
                put(folder / "image", image)
                recovered = recover(folder / "image", reported, max_bytes)
                tally.add(recovered, reported, is_tight=is_tight)
                kept = image, recovered, deepcopy(reported)
        files, recovered, reported = kept
        reported.continue_from(recovered)
    return tally


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if sys.argv[1:2] == ["write"]:
        folder, first, max_bytes, synchronous = sys.argv[2:]
        write(Path(folder), int(first), int(max_bytes), synchronous)
        os._exit(0)
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--synchronous", choices=["OFF", "NORMAL", "FULL"], default="FULL")
    asked = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        tally = cut_often(Path(folder), asked.images, asked.seed, asked.synchronous)
    seconds = round(time.monotonic() - started)
    print(json.dumps(asdict(tally) | {"seconds": seconds}))
