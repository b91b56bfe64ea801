"""A daemon that is killed over and over while its disk fills and empties, and what came of it.

`python tests/support/kill_storm.py FOLDER BUNDLE --kills 500`, FOLDER/state being a small disk.
The line has a model, limits that alarm all the time, history, a lying InfluxDB and an MQTT sink.
Prints the figures as JSON; a file FOLDER/enough ends it earlier. A shorter one is run by
tests/promises/test_kill_storm.py.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import sys
import time
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import aiomqtt
import servers
from fake_influx import LyingInflux
from full_disk import fill
from rig import detector, rig

from gateway.api.line_protocol import decode
from gateway.buffer.journal_file import read_file
from gateway.buffer.journal_query import JournalQuery
from gateway.control.client import request
from gateway.history import table
from gateway.history.names import files_in

# Limits at the means of a plant that runs well, as in full_disk.py: alarms come and go. The plant's
# own model and limits stay; it is given a fault now and then.
MORE = """
  restless:
    type: limits
    period: 500ms
    on_delay: 0s
    off_delay: 0s
    tags:
      flow: {{high: 62.9}}
      discharge_pressure: {{high: 6.2}}
      current: {{high: 22.2}}
      speed: {{high: 3030}}
      suction_pressure: {{high: 1}}
summaries: {{every: 1s}}
history: {{flush: 500ms}}
sinks:
  cloud: {{type: influx, url: "{url}", org: o, bucket: b, token: "${{env:ANDON_TEST_TOKEN}}"}}
  panel: {{type: mqtt, host: 127.0.0.1, port: {port}}}
"""


class Witness(LyingInflux):
    """A lying server that also counts the points that came with another content than before."""

    changed = 0

    def store(self, body, share=1.0):
        before = dict(self.stored)
        super().store(body, share)
        self.changed += sum(self.stored[key] != line for key, line in before.items())


class Disk:
    """The small disk, and the file that fills it."""

    def __init__(self, folder, draw):
        self._folder, self._draw, self._number = folder, draw, 0
        self.fills = 0

    def change(self):
        """Empty, full to the last byte, or nearly full."""
        for filler in self._folder.glob("filler*"):
            filler.unlink()
        kind = self._draw.choice(("empty", "full", "nearly full"))
        if kind != "empty":
            self.fills += 1
            self._number += 1
            filler = fill(self._folder, f"filler{self._number}")
            if kind == "nearly full":
                os.truncate(filler, max(filler.stat().st_size - self._draw.randrange(500_000), 0))

    def empty(self):
        for filler in self._folder.glob("filler*"):
            filler.unlink()


async def subscribed(port, received):
    """Keeps what the broker delivers, as a panel with a session of its own does."""
    async with aiomqtt.Client("127.0.0.1", port, identifier="panel", clean_session=False) as client:
        await client.subscribe("andon/+/+/alarms/events", qos=1)
        received.append(None)
        async for message in client.messages:
            received.append(json.loads(message.payload))


async def one_life(line, disk, draw):
    """One run of the daemon, ended by a kill; its exit status if it ended by itself."""
    async with line.daemon() as process:
        if draw.random() < 0.8:
            while process.returncode is None and await _status(line) is None:
                await asyncio.sleep(0.05)
        for _ in range(draw.randrange(1, 4)):
            await asyncio.sleep(draw.uniform(0, 1.2))
            disk.change()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        return await process.wait()


async def _status(line):
    return await request(line.socket) if line.socket.exists() else None


def is_drained(facts):
    model = detector(facts, "pump")
    buffer = facts["buffer"]
    waiting = buffer.get("alerts", 1) + buffer.get("summaries", 1) + buffer.get("gateway", 0)
    return not waiting and model["state"] in ("ok", "idle") and model["scored"] > 0


async def storm(folder, bundle, kills, seed):
    """The figures of one storm."""
    draw = random.Random(seed)
    disk, cloud, received, ends = Disk(folder / "state", draw), Witness(seed), [], Counter()
    with servers.mosquitto(folder, "user root\nmax_queued_messages 0") as broker:
        async with cloud.serving(), rig(folder, bundle, seed=seed) as line:
            panel = asyncio.create_task(subscribed(broker.port, received))
            while not received:
                await asyncio.sleep(0.05)
            # After the last of the detectors; rig() appends at the end of the file.
            more = MORE.format(url=cloud.url, port=broker.port)
            text = line.file.read_text()
            line.file.write_text(text.replace("\nstate: state", f"{more}\nstate: state"))
            logs = []
            for number in range(kills):
                if (folder / "enough").exists():
                    break
                if number % 5 == 0:
                    await line.command(draw.choice(("fault cavitation", "clear")))
                ends[await one_life(line, disk, draw)] += 1
                logs.append(line.log)
                print(f"\r{number + 1} of {kills} kills", end="", file=sys.stderr, flush=True)
            disk.empty()
            cloud.share = 0
            async with line.daemon() as process:
                end = await line.until(is_drained)
                process.terminate()
                ends[await process.wait()] += 1
            logs.append(line.log)
            panel.cancel()
    return judged("".join(logs), end, cloud, received[1:], folder / "state") | {
        "ends": dict(ends),
        "fills": disk.fills,
        "faults_of_the_server": sum(cloud.faults.values()),
    }


def judged(log, end, cloud, received, state):
    announced = set()
    for event in map(_entry, log.splitlines()):
        if event.get("event", "").startswith("alert.") and "id" in event:
            announced.add((event["id"], event["event"].removeprefix("alert.")))
    points = [decode(line) for line in cloud.lines]
    alerts = sorted((p for p in points if p.measurement == "andon_alert"), key=lambda p: p.at)
    at_server = Counter((p.fields["id"], p.fields["transition"]) for p in alerts)
    at_panel = Counter((m["id"], m["transition"]) for m in received)
    contents = {json.dumps(m, sort_keys=True) for m in received}
    turns = defaultdict(list)
    for point in alerts:
        if point.fields["transition"] != "updated":
            turns[point.tags["detector"], point.fields["alarm"]].append(point.fields["active"])
    return {
        "announced": len(announced),
        "alerts": len(alerts),
        "summaries": sum(p.measurement == "andon_summary" for p in points),
        "announced_and_not_at_the_server": len(announced - set(at_server)),
        "announced_and_not_at_the_panel": len(announced - set(at_panel)),
        "at_one_and_not_the_other": len(set(at_server) ^ set(at_panel)),
        "doubled_at_the_server": sum(n - 1 for k, n in at_server.items() if k[1] != "updated"),
        "doubled_with_other_words": len(contents) - len({(m["id"], m["time"]) for m in received}),
        "delivered_again": len(received) - len(contents),
        "changed_at_the_server": cloud.changed,
        "out_of_turn": sum(a == b for each in turns.values() for a, b in pairwise(each)),
        "by_detector": dict(Counter(p.tags["detector"] for p in alerts)),
        "dropped": end["buffer"]["dropped"],
        "gaps": sum("gap_count" in p.fields for p in points),
        "tracebacks": log.count("Traceback"),
        **_history(state / "history"),
        **_journal(state / "buffer.db", at_server),
    }


def _journal(path, at_server):
    """What of the journal and the server's alerts is in one and not in the other."""
    entries = read_file(path, JournalQuery(10**6)).entries()
    alarms = Counter((e.id, e.transition) for e in entries if e.kind == "alarm")
    notes = Counter(e.transition or e.facts["why"] for e in entries if e.kind == "note")
    numbers = [entry.seq for entry in entries]
    return {
        "entries": alarms.total(),
        "alerts_without_an_entry": (at_server - alarms).total(),
        "entries_without_an_alert": (alarms - at_server).total(),
        "numbers_left_out": numbers[0] - numbers[-1] + 1 - len(numbers),
        "first_number": numbers[-1],
        "notes": notes,
    }


def _entry(line):
    # The last line of a killed daemon may be cut off.
    try:
        return json.loads(line)
    except ValueError:
        return {}


def _history(folder):
    samples = []
    for path in files_in(folder):
        rows = table.read(path)
        times = rows["time"].cast("int64").to_pylist()
        samples += [
            (at, tag) for at, tag in zip(times, rows["tag"].to_pylist(), strict=True) if tag
        ]
    return {"history_samples": len(samples), "history_doubled": len(samples) - len(set(samples))}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=7)
    words = parser.parse_args()
    os.environ["ANDON_TEST_TOKEN"] = "not-a-real-token"
    started = time.monotonic()
    result = asyncio.run(storm(words.folder, words.bundle, words.kills, words.seed))
    print(json.dumps(result | {"seconds": round(time.monotonic() - started)}))


if __name__ == "__main__":
    main()
