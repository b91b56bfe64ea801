"""Writes a batch again and again and prints what the sink makes of each answer: one JSON a line.

usage: influx_client.py PORT,CONTROL_PORT COUNT
"""

import asyncio
import json
import re
import sys
import time
from pathlib import Path
from urllib.request import Request, urlopen

from gateway.api.contracts import Places
from gateway.api.line_protocol import encode
from gateway.api.model import Envelope, Kind, Point
from gateway.sinks.influx import InfluxSink
from gateway.sinks.influx_options import InfluxOptions

BATCH = [
    Envelope(Kind.SUMMARY, n, encode(Point("m", {"n": str(n)}, {"x": 1.0}, n + 1)))
    for n in range(3)
]


def most_memory() -> int:
    """The most bytes that this program has had in memory; getrusage counts its parent's too."""
    status = Path("/proc/self/status").read_text()
    (kilobytes,) = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(kilobytes) * 1024


async def main(ports: str, count: int) -> None:
    port, control = ports.split(",")
    options = InfluxOptions(
        url=f"http://127.0.0.1:{port}", org="plant", bucket="lines", timeout="2s"
    )
    sink = InfluxSink("cloud", options, Places(None, None))
    async with sink.open():
        for _ in range(count):
            began = time.monotonic()
            family, words = "stored", ""
            try:
                await sink.write(BATCH)
            except Exception as error:  # noqa: BLE001 - which family it is, is the question
                family, words = type(error).__name__, str(error)
            facts = {
                "family": family,
                "words": words,
                "seconds": time.monotonic() - began,
                "rss": most_memory(),
            }
            print(json.dumps(facts), flush=True)
            await asyncio.to_thread(
                urlopen, Request(f"http://127.0.0.1:{control}", b""), timeout=60
            )


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
