"""The whole line measured against the bare protocol libraries, in one run on one machine.

`make bench` prints the table; `make bench JSON=FILE` also writes it. CPU seconds are whole-process
figures of the operating system. Absolute times depend on the machine: the ratios are what counts.
"""

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from plant import NODES, REGISTERS, URI
from prometheus_client.parser import text_string_to_metric_families
from table import row, show, write

from gateway.control.client import request

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "support"))

import rig  # noqa: E402 - from the path above

BARE_S = 20.0
LINE_S = 65.0
"""Longer than a minute, so that each line forwards its summaries once at least."""
WARM_UP_S = 8.0
MODEL_TAGS = 20


def main():
    os.environ["BENCH_TOKEN"] = "none is needed"
    with tempfile.TemporaryDirectory(prefix="andon-bench-") as folder:
        rows = asyncio.run(measure(Path(folder)))
    show(rows)
    write(rows)


async def measure(folder):
    modbus_port, opcua_port, cloud_port = free_port(), free_port(), free_port()
    learn(folder)
    with child("plant.py", modbus_port, opcua_port, cloud_port) as plant:
        plant.stdout.readline()
        figures = {}
        for protocol, port in (("modbus", modbus_port), ("opcua", opcua_port)):
            say(f"{protocol}: the bare library, {BARE_S:g} s")
            with child("bare.py", protocol, port, BARE_S) as bare:
                alone = json.loads(bare.communicate()[0])
            say(f"{protocol}: the whole line, {LINE_S:g} s")
            file = folder / f"{protocol}.yaml"
            file.write_text(line_file(protocol, port, folder / protocol, cloud_port))
            figures[protocol] = alone, await whole_line(file, folder / protocol)
    say("a plant whose servers go away and come back")
    return table(figures) + await recovery(folder / "recovery")


def table(figures):
    rows = []
    for protocol, (alone, line) in figures.items():
        bare, whole = (1e6 * x["cpu_s"] / x["values"] for x in (alone, line))
        rows += [
            row(f"{protocol}_bare_cpu_s_per_million_values", bare, "s"),
            row(f"{protocol}_line_cpu_s_per_million_values", whole, "s"),
            row(
                f"{protocol}_line_over_bare", whole / bare, "ratio", "<= 1.25", whole <= 1.25 * bare
            ),
            row(f"{protocol}_values_per_s", line["values"] / line["seconds"], "1/s"),
            row(f"{protocol}_rss", line["rss"] / 1e6, "MB", "< 300", line["rss"] < 300e6),
            share(f"{protocol}_forwarded_over_read", line["forwarded"], line["read"]),
            share(f"{protocol}_forwarded_over_raw_lines", line["forwarded"], line["raw"]),
        ]
    latency = figures["modbus"][1]["latency"]
    rows += [
        row("window_close_to_durable_alert_mean", 1e3 * latency[0], "ms"),
        row("window_close_to_durable_alert_p95", 1e3 * latency[1], "ms", "< 1000", latency[1] < 1),
        row("alerts_measured", latency[2], "1", "> 0", latency[2] > 0),
    ]
    return rows


def share(name, forwarded, whole):
    return row(name, forwarded / whole, "ratio", "<= 0.01", forwarded <= 0.01 * whole)


async def whole_line(file, state):
    """The daemon's CPU time, values and bytes between two looks at it, and its alert latency."""
    command = [sys.executable, "-m", "gateway", "run", str(file)]
    with (file.parent / "andon.log").open("w") as log:
        daemon = subprocess.Popen(command, stderr=log)
    try:
        process = psutil.Process(daemon.pid)
        await asyncio.sleep(WARM_UP_S)
        before, cpu, start = await request(state / "control.sock"), spent(process), time.monotonic()
        await asyncio.sleep(LINE_S)
        after, cpu = await request(state / "control.sock"), spent(process) - cpu
        return {
            "values": after["counters"]["values_read"] - before["counters"]["values_read"],
            "cpu_s": cpu,
            "seconds": time.monotonic() - start,
            "rss": process.memory_info().rss,
            "read": after["bytes"]["read"],
            "raw": after["bytes"]["raw"],
            "forwarded": after["bytes"]["forwarded"],
            "latency": await latency(after["http_port"]),
        }
    finally:
        daemon.terminate()
        daemon.wait(20)


async def recovery(folder):
    """Seconds from a server's return until all of its tags are fresh again."""
    folder.mkdir()
    rows = []
    async with rig.rig(folder, rig.learn(folder)) as plant, plant.daemon():
        await plant.until(lambda f: f["health"] == "ok")
        for server, name in (("modbus", "plc"), ("opcua", "monitor")):
            await plant.command(f"stop {server}")
            await plant.until(lambda f, n=name: rig.states(f, n) == {"stale"})
            await plant.command(f"start {server}")
            await plant.plant.event("started")
            start = time.monotonic()
            await plant.until(lambda f, n=name: rig.states(f, n) == {"fresh"})
            took = time.monotonic() - start
            rows.append(row(f"{server}_back_after_return", took, "s", "< 5", took < 5))
    return rows


def spent(process):
    times = process.cpu_times()
    return times.user + times.system


async def latency(port):
    """Mean and 95th percentile (the bucket's upper bound) in seconds, and the count."""
    import aiohttp

    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        text = await answer.text()
    samples = [s for f in text_string_to_metric_families(text) for s in f.samples]
    mine = {s.name.removeprefix("andon_alert_latency_seconds"): s.value for s in samples}
    buckets = [
        (float(s.labels["le"]), s.value)
        for s in samples
        if s.name == "andon_alert_latency_seconds_bucket"
    ]
    count = mine["_count"]
    p95 = next((bound for bound, n in buckets if n >= 0.95 * count), float("inf"))
    return mine["_sum"] / max(count, 1), p95, count


def learn(folder):
    """A model of the first tags from a random walk, so that the line has one to run."""
    draw = random.Random(1)
    names = [f"t{k}" for k in range(MODEL_TAGS)]
    with (folder / "normal.csv").open("w") as out:
        out.write("timestamp," + ",".join(names) + "\n")
        for second in range(3000):
            values = ",".join(f"{100 + 5 * draw.gauss(0, 1):.3f}" for _ in names)
            out.write(f"{1_700_000_000 + second},{values}\n")
    command = [sys.executable, "-m", "gateway", "train", "--data", str(folder / "normal.csv")]
    subprocess.run([*command, "--out", str(folder / "model")], check=True, capture_output=True)


def line_file(protocol, port, state, cloud_port):
    if protocol == "modbus":
        source = f"type: modbus\n    host: 127.0.0.1\n    port: {port}\n    period: 100ms"
        address = [f"{{address: {k}, table: holding}}" for k in range(REGISTERS)]
    else:
        source = f"type: opcua\n    url: opc.tcp://127.0.0.1:{port}\n    insecure: true\n"
        source += "    publishing_interval: 200ms"
        node = '{node: "nsu=%s;s=n%d", period: 100ms, sampling_interval: 50ms}'
        address = [node % (URI, k) for k in range(NODES)]
    tags = "\n".join(f"      t{k}: {place}" for k, place in enumerate(address))
    return f"""version: 1
line: bench
site: bench
state: {state}
health: {{port: 0}}
sinks:
  cloud:
    type: influx
    url: http://127.0.0.1:{cloud_port}
    org: bench
    bucket: bench
    token: ${{env:BENCH_TOKEN}}
sources:
  plant:
    {source}
    tags:
{tags}
detectors:
  model: {{type: onnx, bundle: {state.parent}/model, threshold: 1.0e12}}
  guard:
    type: limits
    period: 1s
    tags:
      t0: {{high: 500}}
"""


def child(script, *words):
    command = [sys.executable, str(HERE / script), *map(str, words)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    return _Ended(process)


class _Ended:
    """A child process that is gone when its block is left."""

    def __init__(self, process):
        self.process = process

    def __enter__(self):
        return self.process

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def say(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
