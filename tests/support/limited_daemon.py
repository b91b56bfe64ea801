"""A real daemon with little memory, and what it is held to while a peer means harm.

Members of tests/hostile ask three things of it at the end: `rss` (the most memory that it ever
held), `late_ticks` (those that began more than a second late, more than a bystander was kept
waiting by the machine itself) and `events` (what it said).
"""

import asyncio
import contextlib
import json
import re
import resource
import subprocess
import sys
import time
import urllib.request
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import dataclass
from pathlib import Path

from patience import PATIENCE

from gateway.control.client import request
from gateway.demo.processes import ANDON

ADDRESS_SPACE = 2**30
"""Bytes, as RLIMIT_AS: a daemon that asks for more gets a MemoryError."""
MOST_RSS = 300_000_000
"""Bytes that a daemon may hold at most."""
LATE = 1.0
"""Seconds by which a tick may begin late; a bucket of the metric."""

# Sleeps as the line does, and says how late it woke up at worst: the machine's own share.
_BYSTANDER = """
import time
worst = 0.0
while True:
    due = time.monotonic() + 0.05
    time.sleep(0.05)
    late = time.monotonic() - due
    if late > worst:
        worst = late
        print(worst, flush=True)
"""


@dataclass
class LimitedDaemon:
    """A daemon that runs, with its line file and log."""

    process: Process
    file: Path
    log_file: Path
    socket: Path
    bystander: Process

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @property
    def events(self) -> list[dict]:
        """The log's entries; a line that is none of ours fails here."""
        return [json.loads(line) for line in self.log.splitlines()]

    def said(self, event: str, **facts) -> list[dict]:
        """The entries of that event with these facts."""
        wanted = {"event": event, **facts}.items()
        return [e for e in self.events if wanted <= {k: e.get(k) for k in e}.items()]

    @property
    def rss(self) -> int:
        """Bytes that the daemon held at most since its start (VmHWM)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        (kilobytes,) = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        return int(kilobytes) * 1024

    async def status(self):
        """The daemon's status; None if it does not answer."""
        return await request(self.socket) if self.socket.exists() else None

    async def until(self, fits, within: float = PATIENCE):
        """The daemon's status, once it fits."""
        facts = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while True:
                    assert self.process.returncode is None, f"it ended\n{self.log[-3000:]}"
                    facts = await self.status()
                    if facts is not None and fits(facts):
                        return facts
                    await asyncio.sleep(0.05)
        raise AssertionError(f"it never came; last status: {facts}\n{self.log[-3000:]}")

    async def until_log(self, text: str, within: float = PATIENCE) -> None:
        """Waits until the log has this text."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while text not in self.log:
                    assert self.process.returncode is None, f"it ended\n{self.log[-3000:]}"
                    await asyncio.sleep(0.05)
                return
        raise AssertionError(f"{text!r} never came\n{self.log[-3000:]}")

    async def late_ticks(self) -> int:
        """Ticks that began more than LATE after they were due, unless the machine was as late."""
        port = (await self.until(bool))["http_port"]
        text = await asyncio.to_thread(_fetched, f"http://127.0.0.1:{port}/metrics")
        buckets = dict(
            re.findall(
                r'^andon_tick_lateness_seconds_bucket\{le="([^"]+)".*\} (\S+)$', text, re.MULTILINE
            )
        )
        late = float(buckets["+Inf"]) - float(buckets[str(LATE)])
        return 0 if late and await self._machines_share() > LATE / 2 else int(late)

    async def _machines_share(self) -> float:
        assert self.bystander.stdout is not None
        worst = 0.0
        with contextlib.suppress(TimeoutError):
            while line := await asyncio.wait_for(self.bystander.stdout.readline(), 0.5):
                worst = float(line)
                if worst > LATE / 2:
                    break
        return worst

    async def stop(self, within: float = 2.0) -> int:
        """SIGTERM, and the exit status that follows within that many seconds.

        On a machine that keeps a bystander waiting as well, it may take longer.
        """
        began = time.monotonic()
        self.process.terminate()
        status = await asyncio.wait_for(self.process.wait(), PATIENCE)
        took = time.monotonic() - began
        assert took <= within or await self._machines_share() > LATE / 4, f"{took:.1f} s"
        return status


def _fetched(url: str) -> str:
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        return answer.read().decode()


def _limited(**limits):
    def limit():
        for name, value in limits.items():
            resource.setrlimit(getattr(resource, name), (value, value))

    return limit


@contextlib.asynccontextmanager
async def limited_daemon(file: Path, *, state: Path | None = None, env=None, **limits):
    """`andon run` of a line file with `state: state`, under RLIMIT_AS and other limits by name.

    `limited_daemon(file, RLIMIT_NOFILE=64)` adds one; `state` says where the state folder is.
    """
    log = file.with_suffix(".log")
    limits = {"RLIMIT_AS": ADDRESS_SPACE} | limits
    with log.open("ab") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(*ANDON, "run", str(file), "--log-format", "json"),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=stderr,
            preexec_fn=_limited(**limits),
            env=env,
        )
    bystander = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _BYSTANDER), stdout=PIPE, stderr=subprocess.DEVNULL
    )
    socket = (state or file.parent / "state") / "control.sock"
    try:
        yield LimitedDaemon(process, file, log, socket, bystander)
    finally:
        for each in (process, bystander):
            if each.returncode is None:
                each.kill()
            await each.wait()
