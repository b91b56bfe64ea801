"""The whole of andon for a test: a plant and a daemon in processes of their own."""

import asyncio
import contextlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from patience import PATIENCE

from connectors.simulator.configuration import line_file
from gateway.control.client import request
from gateway.demo.processes import PlantProcess, daemon

TRAINING_SEED = 1001
BUNDLE = "models/pump"


def learn(folder: Path, *wishes: str) -> Path:
    """A model of the plant's normal running, `wishes` for `andon train`; the bundle's path."""
    recording, bundle = folder / "normal.parquet", folder / BUNDLE
    file = folder / "train.yaml"
    command = [sys.executable, "-m", "gateway"]
    record = ["simulate", "--record", str(recording), "--for", "2h", "--seed", str(TRAINING_SEED)]
    subprocess.run([*command, *record], check=True, capture_output=True)
    file.write_text(line_file())
    train = ["train", str(file), "--data", str(recording), "--out", str(bundle), *wishes]
    subprocess.run([*command, *train], check=True, capture_output=True)
    return bundle


@dataclass
class Rig:
    """A running plant, and the line file of a daemon that reads it."""

    plant: PlantProcess
    file: Path
    folder: Path

    @property
    def socket(self) -> Path:
        return self.folder / "state" / "control.sock"

    @property
    def log(self) -> str:
        return (self.folder / "andon.log").read_text()

    def daemon(self):
        return daemon(self.file, self.folder / "andon.log")

    async def until(self, fits, within: float = PATIENCE):
        """The daemon's status, once it fits."""
        facts = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while True:
                    facts = await request(self.socket) if self.socket.exists() else None
                    if facts is not None and fits(facts):
                        return facts
                    await asyncio.sleep(0.1)
        raise AssertionError(f"it never came; last status: {facts}\n{self.log[-3000:]}")

    async def command(self, words: str) -> None:
        await self.plant.command(words)


@contextlib.asynccontextmanager
async def rig(folder: Path, bundle: Path, more: str = "", seed: int = 7):
    """A plant that runs, and a line file for it with `more` YAML at its end."""
    async with PlantProcess.started(seed) as plant:
        ready = await plant.event("ready")
        ports = ready["modbus"], urlsplit(ready["opcua"]).port
        config = line_file(*ports, bundle=str(bundle))
        # A plant on a loaded machine answers late, and is not lost for that.
        for kind in ("modbus", "opcua"):
            config = config.replace(f"type: {kind}\n", f"type: {kind}\n    timeout: {PATIENCE}s\n")
        file = folder / "pump-skid.yaml"
        file.write_text(f"{config}\nstate: state\nhealth: {{port: 0}}\n{more}")
        yield Rig(plant, file, folder)


def source(facts, name):
    return next(each for each in facts["sources"] if each["name"] == name)


def detector(facts, name):
    return next(each for each in facts["detectors"] if each["name"] == name)


def states(facts, *sources):
    """The data states of the tags of these sources."""
    return {tag["state"] for tag in facts["tags"] if tag["source"] in sources}
