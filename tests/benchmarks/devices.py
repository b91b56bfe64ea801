"""Measures a hall of devices made from one template: `python tests/benchmarks/devices.py`.

300 Modbus TCP devices (one port each, one server process) with 25 tags each at 1 Hz. Prints one
JSON object: seconds of `andon check`; of `andon run` the share of one core, the resident memory,
the values read against those due, the tags that are fresh, and the seconds of `andon status`.

With `--detector` a limit is watched for every tag. With `--away` no device is there: what waiting
for them costs, and the seconds from their coming until every tag is fresh.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

DEVICES, TAGS = 300, 25
WARM_UP_S, MEASURED_S = 20, 60


async def serve(first):
    from pymodbus.server import ModbusTcpServer
    from pymodbus.simulator import DataType, SimData, SimDevice

    for number in range(DEVICES):
        registers = SimData(0, values=list(range(TAGS)), datatype=DataType.REGISTERS)
        device = SimDevice(1, simdata=[registers])
        server = ModbusTcpServer(device, address=("127.0.0.1", first + number))
        await server.serve_forever(background=True)
    print("ready", flush=True)
    await asyncio.Event().wait()


def line_file(folder, first, *, with_detector):
    tags = "\n".join(f"      t{n}: {{address: {n}, unit: bar}}" for n in range(TAGS))
    path = folder / "hall.yaml"
    path.write_text(
        f"""version: 1
line: hall
site: bench
state: {folder}/state
health: {{port: 0}}
templates:
  press:
    type: modbus
    host: 127.0.0.1
    port: "{{n}}"
    tags:
{tags}
sources:
  press: {{template: press, devices: {first}-{first + DEVICES - 1}}}
sinks: {{archive: {{type: file}}}}
"""
        + (detector(first) if with_detector else "")
    )
    return path


def detector(first):
    devices = range(first, first + DEVICES)
    limits = "".join(
        f"      press-{port}.t{n}: {{high: 1000}}\n" for port in devices for n in range(TAGS)
    )
    return f"detectors:\n  guard:\n    type: limits\n    tags:\n{limits}"


def andon(*words):
    """Runs it to its end: seconds and standard output."""
    started = time.monotonic()
    command = [sys.executable, "-m", "gateway", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return time.monotonic() - started, done.stdout + done.stderr


def status(path):
    return json.loads(andon("status", path, "--json")[1])


def spent(process):
    times = process.cpu_times()
    return times.user + times.system


def start_servers(first):
    command = [sys.executable, __file__, "--serve", str(first)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline().strip() == "ready"
    return server


def measure(path, first, servers):
    """`servers` is a list; the servers started here, where none are there, are added to it."""
    check_s, said = andon("check", path)
    with (path.parent / "run.log").open("w") as log:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "gateway", "run", str(path)], stdout=log, stderr=log
        )
    try:
        time.sleep(WARM_UP_S)
        if servers:
            until_fresh(path)
        process = psutil.Process(daemon.pid)
        before, cpu = status(path), spent(process)
        time.sleep(MEASURED_S)
        after, used = status(path), spent(process) - cpu
        memory = process.memory_info().rss
        status_s, page = andon("status", path)
        back = {} if servers else {"back_s": return_of(path, first, servers)}
    finally:
        daemon.terminate()
        daemon.wait(30)
    seconds = (after["now"] - before["now"]) / 1e9
    read = after["counters"]["values_read"] - before["counters"]["values_read"]
    log = (path.parent / "run.log").read_text()
    return {
        "check_s": round(check_s, 2),
        "check": said.splitlines()[-1].partition(": ")[2],
        "cpu_cores": round(used / seconds, 3),
        "rss_mb": round(memory / 1e6, 1),
        "values_of_due": round(read / (seconds * DEVICES * TAGS), 4),
        "missed_slots_warned": log.count("modbus.slots_missed"),
        "late": after["counters"]["samples_late"],
        "tag_states": after["tag_states"],
        "sources_up": sum(source["up"] for source in after["sources"]),
        "status_s": round(status_s, 2),
        "status_lines": len(page.splitlines()),
        **back,
    }


def return_of(path, first, servers):
    """Seconds from the devices' coming until every tag is fresh."""
    servers.append(start_servers(first))
    started = time.monotonic()
    until_fresh(path)
    return round(time.monotonic() - started, 1)


def until_fresh(path):
    """The daemon has started, whatever else the machine does, and reads every tag."""
    deadline = time.monotonic() + 120
    while status(path)["tag_states"]["fresh"] < DEVICES * TAGS:
        assert time.monotonic() < deadline


def main(words):
    first = 21000
    servers = [] if "--away" in words else [start_servers(first)]
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = line_file(Path(folder), first, with_detector="--detector" in words)
            print(json.dumps(measure(path, first, servers), indent=2))
    finally:
        for server in servers:
            server.terminate()
            server.wait(20)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        asyncio.run(serve(int(sys.argv[2])))
    else:
        main(sys.argv[1:])
