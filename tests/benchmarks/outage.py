"""An outage of days, simulated: does the disk keep its cap, how fast does the backlog drain?

The buffer, the forwarder and the InfluxDB sink of the daemon, and a time-series server of the
distribution. Hours pass as fast as they can be written; then the link comes back in real time.
`make bench-outage` prints the table, `JSON=FILE` also writes it; `--hours`, `--tags` and `--cap`
for other outages.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path
from types import SimpleNamespace

from table import row, show, write

from gateway.api.alarms import AlarmState, Alert, Severity, Transition
from gateway.api.contracts import Places
from gateway.api.model import SECOND, Kind, Summary
from gateway.api.options import parse_size
from gateway.buffer import open_buffer
from gateway.core import points
from gateway.core.alarms.words import Words
from gateway.core.stored_points import StoredPoints
from gateway.delivery.forwarder import Forwarder
from gateway.sinks.influx import InfluxOptions, InfluxSink

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import servers

MINUTE = 60 * SECOND
SINK = "cloud"
QUIET_S = 6.0
"""The forwarder finds the server away for so long before it comes back."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=int, default=72)
    parser.add_argument("--tags", type=int, default=1000)
    parser.add_argument("--cap", type=parse_size, default=parse_size("512MiB"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="andon-bench-") as folder:
        rows = asyncio.run(measure(Path(folder), asked))
    show(rows)
    write(rows)


async def measure(folder, asked):
    start = (time.time_ns() // MINUTE - asked.hours * 60) * MINUTE
    outage = Outage(start, asked.hours * 60, asked.tags)
    options = SimpleNamespace(max_bytes=asked.cap, max_age=90 * 86400 * SECOND)
    place = folder / "state"
    server = servers.victoria_metrics(folder)
    opened = open_buffer(
        place / "buffer.db",
        options,
        {SINK: frozenset(Kind)},
        clock=lambda: outage.now,
        handling=StoredPoints("site", "line"),
    )
    async with opened as buffer:
        filled = await fill(buffer, outage, place)
        before = await buffer.stats()
        try:
            drained = await drain(buffer, server)
            stored = await asyncio.to_thread(count, server, start)
        finally:
            server.stop()
        lost = (await buffer.stats())["dropped"]
    points = before["summaries"]
    rate = points / drained["seconds"]
    return [
        row("points_of_the_outage", outage.minutes * outage.tags, "1"),
        row("points_merged", before["merged"], "1"),
        row("points_lost", lost, "1", "0", lost == 0),
        row(
            "disk_at_most",
            filled["disk"] / 1e6,
            "MB",
            f"< {asked.cap / 1e6:.0f}",
            filled["disk"] < asked.cap,
        ),
        row("points_filled_per_s", outage.minutes * outage.tags / filled["seconds"], "1/s"),
        row("first_alert_after_return", drained["alert"], "s", "< 5", drained["alert"] < 5),
        row("points_drained", points, "1"),
        row("points_drained_per_s", rate, "1/s", ">= 20000", rate >= 20_000),
        row("drain_cpu_s_per_million_points", 1e6 * drained["cpu"] / points, "s"),
        row("load_of_the_machine", os.getloadavg()[0], "1"),
        row("points_the_server_has", stored, "1", f"{points}", stored == points),
        row("bytes_sent_per_point", drained["bytes"] / points, "B"),
    ]


class Outage:
    """The plant's points while the link is down; `now` is the simulated time."""

    def __init__(self, start, minutes, tags):
        self.minutes, self.tags, self.now = minutes, tags, start

    def next_minute(self):
        """A minute's summaries, and an alert each hour."""
        self.now += MINUTE
        minute = self.now // MINUTE
        points = [
            points.summary_envelope(self._summary(n), "bench", "bench") for n in range(self.tags)
        ]
        return points + ([self._alert()] if minute % 60 == 0 else [])

    def _summary(self, number):
        mean = 20.0 + (number * 7919 + self.now // MINUTE * 31) % 10_000 / 997
        return Summary(
            f"tag_{number:04}", self.now - MINUTE, self.now, 600, 0, 1.0,
            mean, mean / 83, mean * 0.97, mean * 1.03, mean * 1.01,
        )  # fmt: skip

    def _alert(self):
        return points.alert_envelope(
            Alert(f"a{self.now}", "guard", "high", AlarmState.UNACKNOWLEDGED, Severity.HIGH,
                  self.now, self.now, 2.0, 1.0, 2.0, message="too high",
                  transition=Transition.RAISED, is_active=True),
            "bench", "bench", 0, Words(),
        )  # fmt: skip


async def fill(buffer, outage, place):
    """Write the whole outage; the most that the folder held."""
    most, began = 0, time.monotonic()
    for minute in range(outage.minutes):
        await buffer.append(outage.next_minute())
        await buffer.maintain()
        most = max(most, sum(file.stat().st_size for file in place.iterdir()))
        if minute % 60 == 59:
            say(
                f"\rhour {minute // 60 + 1} of {outage.minutes // 60}, {most / 1e6:.0f} MB on disk "
            )
    say("\n")
    return {"disk": most, "seconds": time.monotonic() - began}


async def drain(buffer, server):
    """Let the link come back; seconds to the first alert, and to the last point from the first."""
    options = InfluxOptions(url=server.url, bucket="bench")
    sink = InfluxSink(SINK, options, Places(Path(), Path()))
    forwarder = Forwarder(SINK, sink, buffer)
    async with sink.open():
        task = asyncio.create_task(forwarder.run())
        await asyncio.sleep(QUIET_S)
        await asyncio.to_thread(server.start)
        back = time.monotonic()
        await until(lambda: forwarder.tally.sent[Kind.ALERT], task)
        alert = time.monotonic() - back
        await until(lambda: forwarder.tally.sent[Kind.SUMMARY], task)
        began, last, cpu = time.monotonic(), 0.0, time.process_time()
        while waiting := (await buffer.stats())["summaries"]:
            if time.monotonic() - last > 5:
                last = time.monotonic()
                say(f"\r{waiting:,} points wait ")
            await asyncio.sleep(0.2)
        seconds, cpu = time.monotonic() - began, time.process_time() - cpu
        say("\n")
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    return {"alert": alert, "seconds": seconds, "cpu": cpu, "bytes": forwarder.sent_bytes}


async def until(condition, task):
    async with asyncio.timeout(60):
        while not condition():
            if task.done():
                task.result()
            await asyncio.sleep(0.01)


def count(server, start):
    """How many summaries the server has, by one of their fields."""
    urllib.request.urlopen(f"{server.url}/internal/force_flush", timeout=60).close()
    now = time.time()
    query = f"sum(count_over_time(andon_summary_count[{int(now - start / SECOND) + 3600}s]))"
    asked = urllib.parse.urlencode({"query": query, "time": now})
    with urllib.request.urlopen(f"{server.url}/api/v1/query?{asked}", timeout=120) as answer:
        (found,) = json.load(answer)["data"]["result"]
    return int(found["value"][1])


def say(text):
    sys.stderr.write(text)
    sys.stderr.flush()


if __name__ == "__main__":
    main()
