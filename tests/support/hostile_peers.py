"""Many peers that mean harm, all against one real daemon with little memory.

Each is a server on a port of its own. When it is told to, it becomes good: it passes every
connection on to a real server.
"""

import asyncio
import contextlib
import json
import os
import re
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from limited_daemon import MOST_RSS, LimitedDaemon, limited_daemon
from odd_modbus import odd_device
from patience import PATIENCE

LONG = os.environ.get("ANDON_HOSTILE") == "long"
AT_ONCE = 6
MOST_WORDS = 12
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_TRACE = re.compile(r"Traceback|0x[0-9a-f]{8}|\[Errno|Error\(|Exception\(|<class")


def reset(writer: asyncio.StreamWriter) -> None:
    """Ends a connection with a RST."""
    end = writer.get_extra_info("socket")
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()


@dataclass
class Peer:
    """A server: `talk` says what it does with a connection, until `server` names a good one."""

    talk: Talk
    port: int = 0
    server: int | None = None
    connections: int = 0
    finished: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        self._open.add(writer)
        self.connections += 1
        try:
            if self.server is None:
                with contextlib.suppress(OSError, EOFError, asyncio.LimitOverrunError):
                    await self.talk(reader, writer)
                self.finished += self.server is None
            else:
                with contextlib.suppress(OSError):
                    await _spliced(reader, writer, self.server)
        finally:
            self._open.discard(writer)
            self.tasks.discard(task)
            writer.transport.abort()

    def become_good(self, server: int) -> None:
        self.server = server
        for writer in self._open:
            writer.transport.abort()
        for task in self.tasks:
            task.cancel()


async def _spliced(reader, writer, port: int) -> None:
    there, back = await asyncio.open_connection("127.0.0.1", port)

    async def pour(source, target):
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()

    ways = [asyncio.ensure_future(pour(reader, back)), asyncio.ensure_future(pour(there, writer))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        back.transport.abort()


@contextlib.asynccontextmanager
async def hostile(members: Mapping[str, Talk]):
    """The peers by the name of their member."""
    peers = {name: Peer(talk) for name, talk in members.items()}
    async with contextlib.AsyncExitStack() as stack:
        for peer in peers.values():
            server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
            stack.callback(server.close)
            peer.port = server.sockets[0].getsockname()[1]
        try:
            yield peers
        finally:
            tasks = [task for peer in peers.values() for task in peer.tasks]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


LINE = """\
version: 1
site: hall
line: besieged
state: state
health: {{port: 0}}
sources:
  plc:
    type: modbus
    host: 127.0.0.1
    port: {plc}
    timeout: 20s
    tags:
      pressure: {{address: 5, period: 500ms}}
{sources}
detectors:
  guard: {{type: limits, tags: {{pressure: {{high: 1}}}}, period: 500ms}}
sinks:
{sinks}
"""
FILE_SINK = "  file: {type: file, path: points.jsonl}\n"


def _swinging(asked):
    """51 and 0 in turn, so that one alarm comes and goes."""
    register = 51 if time.monotonic() % 4 < 2 else 0
    return [asked.tcp(struct.pack(">BBH", 3, 2, register))]


@contextlib.asynccontextmanager
async def besieged(folder: Path, *, sources: str = "", sinks: str = FILE_SINK, **limits):
    """A daemon that reads a good device beside `sources`, both as YAML."""
    async with odd_device(_swinging) as plc:
        file = folder / "line.yaml"
        file.write_text(LINE.format(plc=plc.port, sources=sources, sinks=sinks))
        # Each of the many threads that connect at once would reserve 64 MB of the address space.
        env = {**os.environ, "MALLOC_ARENA_MAX": "2"}
        async with limited_daemon(file, env=env, **limits) as daemon:
            yield daemon


async def until_each(peers: Mapping[str, Peer], fits, daemon: LimitedDaemon) -> None:
    """Waits until each peer fits; names those that never do."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while not all(map(fits, peers.values())):
                assert daemon.process.returncode is None, f"it ended\n{daemon.log[-3000:]}"
                await asyncio.sleep(0.05)
    left = [name for name, peer in peers.items() if not fits(peer)]
    assert left == [], f"{left}\n{daemon.log[-3000:]}"


async def judge(
    daemon: LimitedDaemon, names: Mapping[str, str], late_before: int = 0
) -> dict[str, list[str]]:
    """What the daemon said of each part, by member; `names` are the members' by part.

    `late_before` are the ticks that were late before the attack, while libraries were loaded. On a
    machine that has more than two processes to run for each core, ticks are not judged.
    """
    said: dict[str, list[str]] = {member: [] for member in names.values()}
    wrong = []
    for event in daemon.events:
        part = event.get("source") or event.get("sink")
        words = str(event.get("why", ""))
        if "exception" in event or event["event"] == "task.failed":
            wrong.append(event)
        if part not in names:
            continue
        if words:
            said[names[part]].append(words)
        if "\n" in words or len(words) > 400 or _TRACE.search(words):
            wrong.append(event)
    assert wrong == [], json.dumps(wrong)[:3000]
    assert daemon.rss <= MOST_RSS, daemon.rss
    late = await daemon.late_ticks()
    assert late <= late_before or _share() > 2, late
    return said


async def quiet(peers: Mapping[str, Peer], daemon: LimitedDaemon) -> None:
    """A while under attack; ends early when each peer has said all that it has to say, twice."""
    for _ in range(60 if LONG else 30):
        if all(peer.finished >= 2 for peer in peers.values()):
            return
        assert daemon.process.returncode is None, daemon.log[-3000:]
        await asyncio.sleep(0.1)


async def ended(daemon: LimitedDaemon) -> int:
    """Its exit status after SIGTERM, within 2 s for each process that each core runs now."""
    return await daemon.stop(2.0 * max(1.0, _share()))


def _share() -> float:
    """How many processes each core has to run now, on average."""
    return os.getloadavg()[0] / (os.cpu_count() or 1)


def few(said: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Where more was said than one sentence for each thing that happened."""
    return {name: words for name, words in said.items() if len(words) > MOST_WORDS}


def groups(members: Mapping[str, Talk], once_bad: Sequence[str]) -> list[list[str]]:
    """In CI those that gave way once and some others, in the long run all, some at a time."""
    names = list(members)
    if LONG:
        return [names[at : at + AT_ONCE] for at in range(0, len(names), AT_ONCE)]
    # Where a person must put something right, the daemon tries again after a minute only.
    quick = [name for name in names if "return code" not in name and "reason code" not in name]
    return [sorted({*set(once_bad) & set(names), *quick[:: max(1, len(quick) // 3)]})]
