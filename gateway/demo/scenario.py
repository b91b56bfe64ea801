"""The steps of the demo, and its figures at the end.

Promises
- Every figure comes from the daemon's own status; nothing is counted again here.
- Forwarded bytes are those that the sink took. It is a file, so they are never called sent.
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
from gateway.control.client import request
from gateway.control.server import SOCKET
from gateway.demo.processes import PlantProcess, andon, daemon

Facts = Mapping[str, Any]
Report = Callable[[str], None]

BUNDLE = "models/pump"
LEARN = "2h"
FAULT_AFTER = 0.4
"""The share of the running time after which the fault begins."""
POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class Scenario:
    """The demo's settings: which fault, for how long (s), with which seed, in which folder."""

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


async def prepare(scenario: Scenario, ready: Facts, report: Report) -> Path:
    """Writes the line file of the plant that is `ready` and trains its model; the file's path."""
    file, recording = scenario.folder / "pump-skid.yaml", scenario.folder / "normal.parquet"
    config = await andon(
        "simulate", "--print-config", "--modbus", str(ready["modbus"]),
        "--opcua", str(urlsplit(ready["opcua"]).port), "--bundle", BUNDLE,
    )  # fmt: skip
    file.write_text(config + _DEMO_OPTIONS)
    report(f"recording {LEARN} of normal running, accelerated")
    seed = str(scenario.seed + 1000)
    await andon("simulate", "--record", str(recording), "--for", LEARN, "--seed", seed)
    report("learning a model from it")
    bundle = str(scenario.folder / BUNDLE)
    # One method is enough for a demo; trying all takes twice as long.
    quick = ("--candidates", "pca", "--no-report")
    options = ("--data", str(recording), "--out", bundle, "--force", *quick)
    output = await andon("train", str(file), *options)
    for text in output.strip().splitlines():
        report("  " + text)
    await andon("check", str(file), "--connect")
    report(f"{file.name} is checked: every source, model and sink was tried")
    return file


@contextlib.asynccontextmanager
async def running(scenario: Scenario, report: Report) -> AsyncIterator[tuple[PlantProcess, Path]]:
    """The plant and the daemon that reads it; yields the plant and the daemon's socket."""
    async with PlantProcess.started(scenario.seed) as plant:
        ready = await plant.event("ready")
        report(f"the plant speaks Modbus on port {ready['modbus']} and OPC UA at {ready['opcua']}")
        file = await prepare(scenario, ready, report)
        log = scenario.folder / "andon.log"
        async with daemon(file, log) as process:
            socket = scenario.folder / "state" / SOCKET
            if await _first_status(socket, process) is None:
                raise AndonError("andon run did not start:\n" + log.read_text())
            report("andon runs the line")
            yield plant, socket


_DEMO_OPTIONS = """
# Everything stays in the folder of the demo.
state: state
health: {port: 0}
summaries: {every: 20s}
"""


async def _first_status(socket: Path, process: asyncio.subprocess.Process) -> Facts | None:
    for _ in range(200):
        facts: Facts | None = await request(socket) if socket.exists() else None
        if facts is not None or process.returncode is not None:
            return facts
        await asyncio.sleep(0.1)
    return None


async def run(scenario: Scenario, report: Report, show: Callable[[Facts, int], None]) -> Result:
    """Runs for `scenario.seconds` and injects the fault; `show` gets each status and the onset."""
    async with running(scenario, report) as (plant, socket):
        onset = 0
        loop = asyncio.get_running_loop()
        start = loop.time()
        facts: Facts | None = None
        while (elapsed := loop.time() - start) < scenario.seconds:
            if not onset and elapsed >= scenario.seconds * FAULT_AFTER:
                onset = await plant.inject(scenario.fault)
                report(f"{scenario.fault} begins")
            facts = await request(socket)
            if facts is None:
                raise AndonError("andon run ended:\n" + (scenario.folder / "andon.log").read_text())
            show(facts, onset)
            await asyncio.sleep(POLL_S)
    if facts is None:
        raise AndonError("too short to see anything: give --for at least 10s")
    return _result(scenario.fault, facts, onset)


def _result(fault: str, facts: Facts, onset: int) -> Result:
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
        forwarded_bytes=forwarded_bytes(facts),
    )


def forwarded_bytes(facts: Facts) -> int:
    """The bytes that all sinks took, local files included: the demo has no other sink."""
    return sum(sink["sent_bytes"] for sink in facts["sinks"])
