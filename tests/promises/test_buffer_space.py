"""Promise: summaries are merged before any is dropped; a full disk still takes alerts."""

import math
import shutil
import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api import line_protocol
from gateway.api.alarms import AlarmState, Alert, Severity, Transition
from gateway.api.model import SECOND, Envelope, Kind, Summary
from gateway.buffer.rows import cost
from gateway.buffer.store import Store
from gateway.core import points
from gateway.core.alarms.words import Words
from gateway.core.stored_points import StoredPoints
from gateway.core.summary_merge import merged

SINKS = {"cloud": frozenset(Kind)}
POINTS = StoredPoints("plant", "line")
MINUTE = 60 * SECOND
values = st.lists(st.floats(-1e6, 1e6), max_size=20)


def summary(samples, minute, tag="flow"):
    end = minute * MINUTE
    if not samples:
        return points.summary_envelope(Summary(tag, end - MINUTE, end, 0, 1, 0.0), "plant", "line")
    numbers = (np.mean(samples), np.std(samples), min(samples), max(samples), samples[-1])
    made = Summary(tag, end - MINUTE, end, len(samples), 0, 1.0, *map(float, numbers))
    return points.summary_envelope(made, "plant", "line")


def alert(name, at, state):
    made = Alert(
        name,
        "pump",
        "score",
        state,
        Severity.HIGH,
        1,
        at,
        1.0,
        0.5,
        1.0,
        transition=Transition.RAISED,
        is_active=state in (AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED),
    )
    return points.alert_envelope(made, "plant", "line", 0, Words())


@given(st.lists(values, min_size=1, max_size=15), st.sampled_from([0.0, 1e6]))
def test_a_merged_summary_equals_the_summary_of_all_samples(minutes, level):
    minutes = [[level + v / 1e3 for v in samples] for samples in minutes]
    points = [
        line_protocol.decode(summary(samples, n).body) for n, samples in enumerate(minutes, 1)
    ]
    whole, samples = merged(points), [v for minute in minutes for v in minute]
    assert whole.at == len(minutes) * MINUTE
    assert whole.fields["count"] == len(samples)
    assert whole.fields["bad"] == sum(not minute for minute in minutes)
    if samples:
        assert whole.fields["min"] == min(samples)
        assert whole.fields["max"] == max(samples)
        assert whole.fields["last"] == samples[-1]
        assert math.isclose(whole.fields["mean"], np.mean(samples), rel_tol=1e-9, abs_tol=1e-9)
        assert math.isclose(whole.fields["std"], np.std(samples), rel_tol=1e-6, abs_tol=1e-6)


def test_summaries_are_merged_before_any_is_dropped(tmp_path):
    batch = [summary([n, n + 2.0], n) for n in range(1, 46)]
    limit = sum(cost(e.body) for e in batch) // 2
    with closing(Store(tmp_path / "b.db", limit, SINKS, lambda: 0, handling=POINTS)) as store:
        store.append(batch, {})
        assert not store.dropped
        kept = [line_protocol.decode(e.body) for e in store.lease("cloud", 1000, 10**9)]
        assert sum(point.fields["count"] for point in kept) == 90
        assert len(kept) < 45


def test_clips_are_evicted_before_a_summary_is_merged(tmp_path):
    batch = [summary([1.0], n) for n in range(1, 31)]
    limit = int(1.1 * sum(cost(e.body) for e in batch))
    with closing(Store(tmp_path / "b.db", limit, SINKS, lambda: 0, handling=POINTS)) as store:
        store.append([Envelope(Kind.CLIP, n, b"c" * 60) for n in range(10)], {})
        store.append(batch, {})
        store.append([alert("standing", 1, AlarmState.UNACKNOWLEDGED)], {})
        stats = store.stats()
        assert (stats["summaries"], stats["merged"]) == (30, 0)
        assert stats["dropped_by"] == {"clip.evicted": 10 - stats["clips"]}
        assert stats["clips"] < 10


def test_points_that_a_sink_may_have_are_never_merged(tmp_path):
    batch = [summary([1.0], n) for n in range(1, 31)]
    limit = sum(cost(e.body) for e in batch)
    path = tmp_path / "b.db"
    with closing(Store(path, limit, SINKS, lambda: 0, handling=POINTS)) as store:
        store.append(batch, {})
        leased = store.lease("cloud", 10, 10**9)
    with closing(Store(path, limit, SINKS, lambda: 0, handling=POINTS)) as store:
        store.maintain()
        assert store.stats()["merged"] > 0
        assert store.lease("cloud", 10, 10**9) == leased


def test_requeued_points_that_another_sink_has_are_not_merged(tmp_path):
    batch = [summary([1.0], n) for n in range(1, 11)]
    limit = int(1.2 * sum(cost(e.body) for e in batch))
    sinks = {"cloud": frozenset(Kind), "file": frozenset(Kind)}
    with closing(Store(tmp_path / "b.db", limit, sinks, lambda: 0, handling=POINTS)) as store:
        store.append(batch, {})
        store.ack("file", store.lease("file", 100, 10**9))
        store.reject("cloud", store.lease("cloud", 100, 10**9), "no")
        assert store.requeue(None) == 10
        store.maintain()
        waiting = store.lease("cloud", 100, 10**9)
        summaries = [e.body for e in waiting if e.kind is Kind.SUMMARY]
        assert summaries == [e.body for e in batch]


def test_the_alert_of_an_active_alarm_is_never_evicted(tmp_path):
    raised = alert("standing", 1, AlarmState.UNACKNOWLEDGED)
    size = cost(raised.body)
    with closing(Store(tmp_path / "b.db", 4 * size, SINKS, lambda: 0, handling=POINTS)) as store:
        store.append([raised], {})
        for n in range(10, 30):
            store.append([summary([1.0], n), alert(f"gone-{n}", n, AlarmState.UNACKNOWLEDGED)], {})
            store.append([alert(f"gone-{n}", n, AlarmState.NORMAL)], {})
        kept = [e.body for e in store.lease("cloud", 100, 10**9)]
        assert kept[0] == raised.body
        assert store.stats()["summaries"] == 0


# A disk of its own, filled to the last byte, then alerts and summaries in turn.
CHILD = """
import sys, time
from pathlib import Path
from gateway.buffer import BufferFull
from gateway.buffer.database import is_full
from gateway.buffer.store import Store
from gateway.api.model import Envelope, Kind
import sqlite3
folder = Path(sys.argv[1])
schedstat = Path("/proc/self/schedstat")
def now():
    # Without the time in which this process could run and other ones had the cores.
    waited = int(schedstat.read_text().split()[1]) if schedstat.exists() else 0
    return time.monotonic_ns() - waited
store = Store(folder / "b.db", 10**9, {"cloud": frozenset(Kind)}, lambda: 0)
assert store.stats()["ballast_held"]
store.append([Envelope(Kind.SUMMARY, 1, b"s" * 1000)], {})
with open(folder / "filler", "wb", buffering=0) as filler:
    try:
        while filler.write(b"x" * 4096):
            pass
    except OSError:
        pass
slowest, refused = 0.0, 0
for n in range(200):
    started = now()
    store.append([Envelope(Kind.ALERT, n, b"a%d" % n + b"x" * 500)], {"pump": b"%d" % n})
    slowest = max(slowest, (now() - started) / 1e9)
    try:
        store.append([Envelope(Kind.SUMMARY, n, b"s" * 1000)], {})
    except (BufferFull, sqlite3.Error) as error:
        assert isinstance(error, BufferFull) or is_full(error)
        refused += 1
(folder / "filler").unlink()
store.append([Envelope(Kind.SUMMARY, 1, b"s")], {})
store.close()
store = Store(folder / "b.db", 10**9, {"cloud": frozenset(Kind)}, lambda: 0)
stats = store.stats()
assert stats["ballast_held"] and not stats["set_aside"], stats
print("result", stats["alerts"], refused, slowest)
"""


@pytest.mark.skipif(not shutil.which("unshare"), reason="unshare is not there")
def test_a_full_disk_takes_alerts_within_a_second_and_summaries_when_there_is_room(tmp_path):
    mount = f"mount -t tmpfs -o size=24m tmpfs {tmp_path}"
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], check=False).returncode:
        pytest.skip("this machine does not allow mounting a private disk")
    command = f'{mount} && exec "$0" -c "$1" {tmp_path}'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", command, sys.executable, CHILD],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    alerts, refused, slowest = done.stdout.splitlines()[-1].split()[1:]
    assert int(alerts) == 200
    assert int(refused) >= 199
    assert float(slowest) < 1
