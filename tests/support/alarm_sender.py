"""Sends alarms to a broker as the daemon does, in a process that can be killed.

For each number on stdin it stores one transition in the buffer and answers with the number; the
forwarders of two sinks deliver them meanwhile. At the end of stdin it ends politely.
"""

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace

import structlog

from gateway.api.alarms import Alarm, Severity
from gateway.api.contracts import Places
from gateway.api.line_protocol import encode
from gateway.api.model import SECOND, Envelope, Kind, Point
from gateway.buffer import open_buffer
from gateway.core.stored_points import StoredPoints
from gateway.delivery.forwarder import Forwarder
from gateway.delivery.pace import Pace
from gateway.sinks.mqtt import MqttSink
from gateway.sinks.mqtt_options import MqttSinkOptions

START = 1_700_000_000 * SECOND
ALARMS = {"guard": [Alarm(name, 1.0, Severity.HIGH) for name in "abc"]}


def transition(n):
    """Three alarms in turn, each raised and over again."""
    alarm, is_raised = "abc"[n % 3], n // 3 % 2 == 0
    fields = {
        "id": f"guard.{alarm}-{n // 6}",
        "alarm": alarm,
        "state": "unacknowledged" if is_raised else "normal",
        "transition": "raised" if is_raised else "returned",
        "active": is_raised,
        "value": float(n),
        "message": f"number {n}",
    }
    tags = {"site": "demo", "line": "skid", "detector": "guard", "severity": "high"}
    return Point("andon_alert", tags, fields, START + n * SECOND)


def key(n):
    point = transition(n)
    return f"{point.fields['id']}/{point.fields['transition']}/{point.at}"


async def main(folder, port):
    places = Places(folder, folder, "demo", "skid")
    common = {"host": "127.0.0.1", "port": port, "timeout": "30s"}
    sinks = {
        kind: MqttSink(kind, MqttSinkOptions(payload=kind, **common), places)
        for kind in ("json", "sparkplug")
    }
    accepts = {name: sink.accepts for name, sink in sinks.items()}
    limits = SimpleNamespace(max_bytes=10**9, max_age=2**62)
    handling = StoredPoints("demo", "skid")
    async with (
        open_buffer(folder / "b.db", limits, accepts, handling=handling) as buffer,
        AsyncExitStack() as stack,
    ):
        forwarders = [
            Forwarder(name, sink, buffer, pace=Pace(draw=lambda: 0.05))
            for name, sink in sinks.items()
        ]
        for forwarder, sink in zip(forwarders, sinks.values(), strict=True):
            await forwarder.restore()
            sink.set_alarms(ALARMS)
            await stack.enter_async_context(sink.open())
        tasks = [asyncio.create_task(each.run()) for each in forwarders]
        while line := await asyncio.to_thread(sys.stdin.readline):
            point = transition(int(line))
            await buffer.append([Envelope(Kind.ALERT, point.at, encode(point))])
            print(int(line), flush=True)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
