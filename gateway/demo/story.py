"""What happens in the demo, and what is told of it at the end.

Promises
- Every figure comes from the daemon's own status; nothing is counted twice or made up here.
- What was forwarded is what the sink took: here a file, and no word says that it left the machine.
- It ends well only if the injected fault raised an alert and nothing was raised before it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway.api.contracts import AndonError
from gateway.control.client import ask
from gateway.control.server import SOCKET
from gateway.demo.stage import Plant, andon, daemon

Facts = Mapping[str, Any]
Tell = Callable[[str], None]

BUNDLE = "models/pump"
LEARN = "2h"
FAULT_AFTER = 0.4
"""The share of the running time after which the fault begins."""
LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Play:
    """What to play: which fault, for how long (s), with which seed, in which folder."""

    fault: str
    seconds: float
    seed: int
    folder: Path


@dataclass(frozen=True, slots=True)
class Result:
    """The figures of one demo."""

    fault: str
    values_read: int
    windows_scored: int
    alerts_before_fault: int
    alerts_after_fault: int
    first_alert_s_after_fault: float | None
    top_tags: list[str]
    summaries_forwarded: int
    bytes_read: int
    raw_bytes: int
    forwarded_bytes: int

    @property
    def ended_well(self) -> bool:
        return self.alerts_before_fault == 0 and self.alerts_after_fault > 0

    def facts(self) -> dict[str, Any]:
        """As JSON facts."""
        return asdict(self)


async def prepare(play: Play, ready: Facts, tell: Tell) -> Path:
    """Write the line file of the plant that is `ready`, and learn its model; the file's path."""
    file, recording = play.folder / "pump-skid.yaml", play.folder / "normal.parquet"
    config = await andon(
        "simulate", "--print-config", "--modbus", str(ready["modbus"]),
        "--opcua", str(urlsplit(ready["opcua"]).port), "--bundle", BUNDLE,
    )  # fmt: skip
    file.write_text(config + _OWN_PLACE)
    tell(f"recording {LEARN} of normal running, accelerated")
    seed = str(play.seed + 1000)
    await andon("simulate", "--record", str(recording), "--for", LEARN, "--seed", seed)
    tell("learning a model from it")
    bundle = str(play.folder / BUNDLE)
    # One method is enough to show it, and trying all takes twice as long.
    quickly = ("--candidates", "pca", "--no-report")
    wishes = ("--data", str(recording), "--out", bundle, "--force", *quickly)
    said = await andon("train", str(file), *wishes)
    for line in said.strip().splitlines():
        tell("  " + line)
    await andon("check", str(file), "--connect")
    tell(f"{file.name} is checked: every source, model and sink was tried")
    return file


@contextlib.asynccontextmanager
async def running(play: Play, tell: Tell) -> AsyncIterator[tuple[Plant, Path]]:
    """The plant and the daemon that reads it; yields the plant and the daemon's socket."""
    async with Plant.started(play.seed) as plant:
        ready = await plant.event("ready")
        tell(f"the plant speaks Modbus on port {ready['modbus']} and OPC UA at {ready['opcua']}")
        file = await prepare(play, ready, tell)
        log = play.folder / "andon.log"
        async with daemon(file, log) as process:
            socket = play.folder / "state" / SOCKET
            if await _first_answer(socket, process) is None:
                raise AndonError("andon run did not start:\n" + log.read_text())
            tell("andon runs the line")
            yield plant, socket


_OWN_PLACE = """
# Beside the demo: nothing of it is left elsewhere.
state: state
health: {port: 0}
summaries: {every: 20s}
"""


async def _first_answer(socket: Path, process: asyncio.subprocess.Process) -> Facts | None:
    for _ in range(200):
        facts: Facts | None = await ask(socket) if socket.exists() else None
        if facts is not None or process.returncode is not None:
            return facts
        await asyncio.sleep(0.1)
    return None


async def perform(play: Play, tell: Tell, look: Callable[[Facts, int], None]) -> Result:
    """Run for `play.seconds`, with the fault on its way; `look` sees each status and the onset."""
    async with running(play, tell) as (plant, socket):
        onset = 0
        loop = asyncio.get_running_loop()
        start = loop.time()
        facts: Facts | None = None
        while (elapsed := loop.time() - start) < play.seconds:
            if not onset and elapsed >= play.seconds * FAULT_AFTER:
                onset = await plant.inject(play.fault)
                tell(f"{play.fault} begins")
            facts = await ask(socket)
            if facts is None:
                raise AndonError("andon run ended:\n" + (play.folder / "andon.log").read_text())
            look(facts, onset)
            await asyncio.sleep(LOOK_S)
    if facts is None:
        raise AndonError("too short to see anything: give --for at least 10s")
    return told(play.fault, facts, onset)


def told(fault: str, facts: Facts, onset: int) -> Result:
    """The figures, from the daemon's last status and the time of the fault's onset."""
    raised = [alert for alert in facts["alerts"] if alert["active"]]
    after = [alert for alert in raised if alert["opened_at"] >= onset]
    first = after[0] if after else None
    return Result(
        fault=fault,
        values_read=facts["counters"]["values_read"],
        windows_scored=facts["counters"]["windows_scored"],
        alerts_before_fault=len(raised) - len(after),
        alerts_after_fault=len(after),
        first_alert_s_after_fault=round((first["opened_at"] - onset) / 1e9, 1) if first else None,
        top_tags=[top["tag"] for top in first["top_tags"]] if first else [],
        summaries_forwarded=sum(sink["sent"].get("summary", 0) for sink in facts["sinks"]),
        bytes_read=facts["bytes"]["read"],
        raw_bytes=facts["bytes"]["raw"],
        forwarded_bytes=handed_over(facts),
    )


def handed_over(facts: Facts) -> int:
    """Bytes that the sinks took, local files among them: the demo's line has no other sink."""
    return sum(sink["sent_bytes"] for sink in facts["sinks"])
