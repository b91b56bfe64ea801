"""Requests to the control socket of a daemon with a real buffer; a 500 is a fault."""

import asyncio
import json
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from fakes import tag

from fuzzing.targets import check_sentence
from gateway.api.alarms import Alert
from gateway.api.contracts import CommandRefused
from gateway.api.model import SECOND, Envelope, Kind
from gateway.buffer import open_buffer
from gateway.config.schema import BufferSection
from gateway.control import (
    alarm_routes,
    buffer_routes,
    journal_routes,
    maintenance_routes,
    tap_routes,
    trend_routes,
)
from gateway.control.server import SOCKET, serve
from gateway.core.alarms.acts import Act
from gateway.core.alarms.journal import note
from gateway.core.freshness import FreshnessWatch
from gateway.history.recent import Recent
from gateway.telemetry.health import Health
from gateway.telemetry.tap import Tap

_NOW = 1_700_000_000 * SECOND
_REQUESTS = (
    b"GET /status", b"GET /alarms", b"POST /alarms/act", b"GET /buffer",
    b"GET /buffer/letters?limit=", b"POST /buffer/requeue", b"POST /buffer/discard",
    b"GET /tap/samples?glob=", b"GET /tap/", b"GET /", b"POST /status", b"PUT /alarms",
    b"GET /journal?", b"GET /journal?since=", b"GET /journal?limit=", b"GET /alarms/show?id=",
    b"GET /maintenance", b"POST /maintenance",
    b"GET /trend?tag=flow&", b"GET /trend?",
)  # fmt: skip
_PLAIN = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%/?&=*[]"


async def _unknown(alarm_id: str, _act: Act, by: str, _why: str) -> Alert:
    raise CommandRefused(f"no alarm {alarm_id[:100]!r}, {by!r}")


async def _refused(**_asked: object) -> None:
    raise CommandRefused("maintenance is not on")


@cache
def _daemon() -> tuple[asyncio.Runner, Path]:
    """The loop and the socket of a daemon that runs as long as this process does."""
    folder, runner = Path(mkdtemp(prefix="andon-fuzz-")), asyncio.Runner()
    runner.run(_start(folder))
    return runner, folder / SOCKET


async def _start(folder: Path) -> None:
    started = asyncio.Event()
    runner = asyncio.create_task(_run(folder, started))
    await started.wait()
    _daemon.task = runner


async def _run(folder: Path, started: asyncio.Event) -> None:
    tags = [tag("flow")]
    health = Health("l", "s", tags, FreshnessWatch(tags, 5.0, 3.0))
    async with open_buffer(folder / "b.db", BufferSection(), {"c": frozenset(Kind)}) as buffer:
        await buffer.append([Envelope(Kind.ALERT, _NOW, b"m f=2 2")], {}, [note(_NOW, "a note")])
        routes = [
            *buffer_routes.routes(buffer),
            *alarm_routes.routes(health, _unknown, lambda: _NOW),
            *journal_routes.routes(buffer, health),
            *maintenance_routes.routes(health, _refused, lambda: _NOW),
            *tap_routes.routes(Tap(), tags, {"pump": ["anomaly"]}),
            *trend_routes.routes(Recent(len(tags), _NOW), tags, lambda: _NOW),
        ]
        where = {"host": "127.0.0.1", "port": 0, "socket": folder / SOCKET}
        async with serve(health, lambda: b"", lambda: _NOW, routes=routes, **where):
            started.set()
            await asyncio.Event().wait()


def requests(data: bytes) -> None:
    """A byte for the route; of a GET the rest is its query, of any other one its body."""
    if data:
        runner, socket = _daemon()
        runner.run(_ask(socket, _REQUESTS[data[0] % len(_REQUESTS)], data[1:]))


async def _ask(socket: Path, line: bytes, rest: bytes) -> None:
    body = b"" if line.startswith(b"GET") else rest
    query = b"" if body else bytes(each if each in _PLAIN else _PLAIN[each % 64] for each in rest)
    reader, writer = await asyncio.open_unix_connection(str(socket))
    head = b"%s%s HTTP/1.1\r\nHost: andon\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    try:
        writer.write(head % (line, query, len(body)) + body)
        async with asyncio.timeout(5):
            status = int((await reader.readline()).split()[1])
            headers = await reader.readuntil(b"\r\n\r\n")
            # A tap goes on until its client leaves.
            answer = b"" if b"chunked" in headers else await reader.read()
    finally:
        writer.close()
    assert status < 500, (status, answer)
    if status >= 400 and b"json" in headers:
        check_sentence(json.loads(answer)["error"])
