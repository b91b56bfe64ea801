"""A daemon whose disk is filled to the last byte while it runs, and emptied again.

`python tests/support/full_disk.py FOLDER`, FOLDER on a small disk of its own; prints what came of
it as JSON. tests/promises/test_full_disk.py gives it such a disk.
"""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections import defaultdict
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from rig import Rig

from gateway.api import line_protocol
from gateway.api.model import SECOND, Kind
from gateway.buffer.store import Store
from gateway.demo.processes import PlantProcess

# Limits at the means of a plant that runs well: alarms come and go all the time.
LINE = """
version: 1
line: cramped
site: here
state: state
health: {{port: 0}}
summaries: {{every: 1s}}
sources:
  plc:
    type: modbus
    host: 127.0.0.1
    port: {port}
    period: 500ms
    tags:
      flow: {{address: 0, table: input, data_type: float32}}
      pressure: {{address: 2, table: input, data_type: float32}}
      current: {{address: 11, table: input, data_type: uint16, scale: 0.01}}
      speed: {{address: 0, table: holding, data_type: float32}}
      suction: {{address: 4, table: input, data_type: int16, scale: 0.001}}
detectors:
  restless:
    type: limits
    period: 500ms
    on_delay: 0s
    off_delay: 0s
    tags:
      flow: {{high: 62.9}}
      pressure: {{high: 6.2}}
      current: {{high: 22.2}}
      speed: {{high: 3030}}
      suction: {{high: 1}}
sinks:
  away:
    type: influx
    url: http://127.0.0.1:9
    org: plant
    bucket: lines
    token: ${{env:ANDON_TEST_TOKEN}}
"""


def raised(facts):
    return facts["counters"]["alerts_raised"]


def scored(facts):
    return facts["counters"]["windows_scored"]


def fill(folder, name):
    """Take every byte that is left; the file that has them."""
    filler = folder / name
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size):
                    pass
    return filler


async def live_on_a_full_disk(folder):
    """The figures of one run: three phases, and what is in the buffer at its end."""
    async with PlantProcess.started(7) as plant:
        ready = await plant.event("ready")
        file = folder / "line.yaml"
        file.write_text(LINE.format(port=ready["modbus"]))
        rig = Rig(plant, file, folder)
        async with rig.daemon() as daemon:
            before = await rig.until(lambda f: f["buffer"].get("alerts", 0) >= 2)
            fillers = [fill(folder, "filler")]
            full = await rig.until(lambda f: not f["buffer"]["ballast_held"])
            alerted = await rig.until(lambda f: raised(f) >= raised(full) + 3)
            # The ballast's room too: now not even an alert can be stored.
            fillers.append(fill(folder, "second"))
            refusing = await rig.until(lambda f: f["counters"]["append_failures"])
            judging = await rig.until(lambda f: scored(f) >= scored(refusing) + 10)
            for filler in fillers:
                filler.unlink()
            roomy = await rig.until(lambda f: f["buffer"]["ballast_held"])
            end = await rig.until(lambda f: raised(f) >= raised(judging) + 3)
            daemon.kill()
            await daemon.wait()
        return {
            "refused_with_ballast": alerted["counters"]["append_failures"],
            "alerts_with_ballast": raised(alerted) - raised(full),
            "alerts_without_room": raised(judging) - raised(refusing),
            "windows_missed": missed(before, end),
            "restarts": end["counters"]["task_restarts"],
            "dropped": end["buffer"]["dropped"],
            "recovered_after_s": (roomy["now"] - judging["now"]) / SECOND,
            **stored(folder / "state" / "buffer.db", end),
        }


def missed(start, end):
    """Windows of 500 ms that no detector saw, but for those at the two ends."""
    due = (end["now"] - start["now"]) // (SECOND // 2)
    return max(due - (seen(end) - seen(start)) - 4, 0)


def seen(facts):
    return sum(each["scored"] + each["refused"] for each in facts["detectors"])


def stored(path, facts):
    """What a killed daemon left behind: is it whole, and all that it had shown?"""
    with closing(Store(path, 10**9, {"away": frozenset(Kind)}, time.time_ns)) as store:
        assert not store.set_aside
        rows = {kind: store._contents.rows[kind].between(0, 10**9).sound for kind in Kind}
        lost = store.dropped.total()
    alerts = [line_protocol.decode(row.body).fields for row in rows[Kind.ALERT]]
    states, ends = defaultdict(list), defaultdict(list)
    for alert in alerts:
        states[alert["alarm"]].append(alert["active"])
    for row in rows[Kind.SUMMARY]:
        point = line_protocol.decode(row.body)
        ends[point.tags["tag"]].append(point.at)
    return {
        "lost": lost,
        "shown_and_not_stored": len({a["id"] for a in facts["alerts"]} - {a["id"] for a in alerts}),
        "out_of_turn": sum(a == b for each in states.values() for a, b in pairwise(each)),
        "summary_gaps": sum(b - a != SECOND for each in ends.values() for a, b in pairwise(each)),
        "alerts": len(alerts),
        "summaries": len(rows[Kind.SUMMARY]),
    }


if __name__ == "__main__":
    os.environ["ANDON_TEST_TOKEN"] = "not-a-real-token"
    print(json.dumps(asyncio.run(live_on_a_full_disk(Path(sys.argv[1])))))
