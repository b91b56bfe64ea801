"""Measures a hall of devices made from one template: `python tests/benchmarks/devices.py`.

300 Modbus TCP devices (one port each, one server process) with 25 tags each at 1 Hz. Prints one
JSON object: seconds of `andon check`; of `andon run` the share of one core, the resident memory,
the values read against those due, the tags that are fresh, and the seconds of `andon status`.
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


def line_file(folder, first):
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
    )
    return path


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


def measure(path):
    check_s, said = andon("check", path)
    with (path.parent / "run.log").open("w") as log:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "gateway", "run", str(path)], stdout=log, stderr=log
        )
    try:
        time.sleep(WARM_UP_S)
        process = psutil.Process(daemon.pid)
        before, cpu = status(path), spent(process)
        time.sleep(MEASURED_S)
        after, used = status(path), spent(process) - cpu
        memory = process.memory_info().rss
        status_s, page = andon("status", path)
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
        "missed_slots_warned": log.count("cannot be read as often"),
        "late": after["counters"]["samples_late"],
        "tag_states": after["tag_states"],
        "sources_up": sum(source["up"] for source in after["sources"]),
        "status_s": round(status_s, 2),
        "status_lines": len(page.splitlines()),
    }


def main():
    first = 21000
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve", str(first)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout.readline().strip() == "ready"
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(line_file(Path(folder), first)), indent=2))
    finally:
        server.terminate()
        server.wait(20)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        asyncio.run(serve(int(sys.argv[2])))
    else:
        main()
