"""The running skid: a plant in real time, and the servers that show it.

Promises
- The plant keeps to the wall clock: after a stall it catches up step by step, showing only what
  is recent, so nothing is slowed down and no old value is passed off as new.
- Each server can be stopped and started while the plant runs on.
- Whatever happens to the plant is told as one event, a flat mapping with the key `event`.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from connectors.simulator.faults import FAULTS, PLC_GONE
from connectors.simulator.instruments import Readings
from connectors.simulator.pump import STEP, Plant
from gateway.api.model import SECOND

Event = Mapping[str, Any]
RECENT = 1 * SECOND
HELP = """fault NAME    let a fault begin: {faults}
clear         take every fault away
stop SERVER   stop modbus, opcua or mqtt
start SERVER  start it again
stop pump     stop the pump; another one feeds the consumers
start pump    start it again
help          this"""


class Server(Protocol):
    """What shows the plant to the world."""

    @property
    def is_running(self) -> bool: ...
    @property
    def address(self) -> int | str | None: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def publish(self, at: int, readings: Readings) -> None: ...


def plant_now(seed: int) -> Plant:
    """A plant whose time is the wall clock's, on the grid of its steps."""
    return Plant(seed, start=time.time_ns() // STEP * STEP)


class Skid:
    """A plant with its servers by name; `tell` is called with each event."""

    def __init__(
        self, plant: Plant, servers: Mapping[str, Server], tell: Callable[[Event], None]
    ) -> None:
        self.plant, self.servers, self._tell = plant, servers, tell
        self._due: list[tuple[int, str]] = []

    async def start(self) -> None:
        """Start every server, showing the plant as it is."""
        await self._publish()
        for server in self.servers.values():
            await server.start()

    async def stop(self) -> None:
        """Stop every server."""
        for server in self.servers.values():
            await server.stop()

    def inject_later(self, fault: str, after: int) -> None:
        """Let a fault begin `after` ns from now, in plant time."""
        self._due.append((self.plant.at + after, fault))

    async def run(self) -> None:
        """Keep the plant at the wall clock, for ever."""
        while True:
            now = time.time_ns()
            while self.plant.at + STEP <= now:
                self.plant.step()
                if now - self.plant.at < RECENT:
                    await self._publish()
                await self._inject_due()
            await asyncio.sleep(min(max(self.plant.at + STEP - time.time_ns(), 0) / SECOND, 1.0))

    async def inject(self, fault: str) -> None:
        """Let a fault begin now."""
        self.plant.inject(fault)
        if fault == PLC_GONE and "modbus" in self.servers:
            await self.servers["modbus"].stop()
        self._tell({"event": "fault", "name": fault, "at": self.plant.at})

    async def clear(self) -> None:
        """Take every fault away."""
        gone = self.plant.clear()
        if PLC_GONE in gone and "modbus" in self.servers:
            await self.servers["modbus"].start()
        self._tell({"event": "cleared", "names": list(gone), "at": self.plant.at})

    async def obey(self, line: str) -> None:
        """Do what an operator typed; what makes no sense is answered with an `error` event."""
        match line.split():
            case []:
                pass
            case ["fault", name] if name in FAULTS:
                await self.inject(name)
            case ["clear"]:
                await self.clear()
            case [("start" | "stop") as verb, name] if name in self.servers:
                await (self.servers[name].start() if verb == "start" else self.servers[name].stop())
                done = "started" if verb == "start" else "stopped"
                self._tell({"event": done, "server": name, "at": self.plant.at})
            case [("start" | "stop") as verb, "pump"]:
                self.plant.is_running = verb == "start"
                done = "started" if verb == "start" else "stopped"
                self._tell({"event": done, "server": "pump", "at": self.plant.at})
            case ["help"]:
                self._tell({"event": "help", "message": help_text()})
            case _:
                self._tell({"event": "error", "message": f"{line!r} is not known; try: help"})

    async def _publish(self) -> None:
        readings = self.plant.readings()
        for server in self.servers.values():
            await server.publish(self.plant.at, readings)

    async def _inject_due(self) -> None:
        for due in [due for due in self._due if due[0] <= self.plant.at]:
            self._due.remove(due)
            await self.inject(due[1])


def help_text() -> str:
    """What can be typed."""
    return HELP.format(faults=", ".join(FAULTS))
