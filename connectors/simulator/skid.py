"""The running skid: a plant in real time, and its servers.

Promises
- The plant keeps up with the wall clock: after a stall it catches up step by step and publishes
  only recent values, so no old value looks new.
- Each server can be stopped and started while the plant keeps running.
- Each change of the plant is reported as one event, a flat mapping with the key `event`.
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
HELP = """fault NAME    start a fault: {faults}
clear         remove every fault
stop SERVER   stop modbus, opcua or mqtt
start SERVER  start it again
stop pump     stop the pump; another one feeds the consumers
start pump    start it again
help          this"""


class Server(Protocol):
    """A server that publishes the plant's readings."""

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
    """A plant with its servers by name; `report` is called with each event."""

    def __init__(
        self, plant: Plant, servers: Mapping[str, Server], report: Callable[[Event], None]
    ) -> None:
        self.plant, self.servers, self._report = plant, servers, report
        self._due: list[tuple[int, str]] = []

    async def start(self) -> None:
        """Starts every server with the current readings."""
        await self._publish()
        for server in self.servers.values():
            await server.start()

    async def stop(self) -> None:
        """Stops every server."""
        for server in self.servers.values():
            await server.stop()

    def inject_later(self, fault: str, after: int) -> None:
        """Starts a fault `after` ns from now, in plant time."""
        self._due.append((self.plant.at + after, fault))

    async def run(self) -> None:
        """Keeps the plant at the wall clock, forever."""
        while True:
            now = time.time_ns()
            while self.plant.at + STEP <= now:
                self.plant.step()
                if now - self.plant.at < RECENT:
                    await self._publish()
                await self._inject_due()
            await asyncio.sleep(min(max(self.plant.at + STEP - time.time_ns(), 0) / SECOND, 1.0))

    async def inject(self, fault: str) -> None:
        """Starts a fault now."""
        self.plant.inject(fault)
        if fault == PLC_GONE and "modbus" in self.servers:
            await self.servers["modbus"].stop()
        self._report({"event": "fault", "name": fault, "at": self.plant.at})

    async def clear(self) -> None:
        """Removes every fault."""
        gone = self.plant.clear()
        if PLC_GONE in gone and "modbus" in self.servers:
            await self.servers["modbus"].start()
        self._report({"event": "cleared", "names": list(gone), "at": self.plant.at})

    async def execute(self, command: str) -> None:
        """Executes an operator's command; reports an `error` event if it is unknown."""
        match command.split():
            case []:
                pass
            case ["fault", name] if name in FAULTS:
                await self.inject(name)
            case ["clear"]:
                await self.clear()
            case [("start" | "stop") as verb, name] if name in self.servers:
                await (self.servers[name].start() if verb == "start" else self.servers[name].stop())
                done = "started" if verb == "start" else "stopped"
                self._report({"event": done, "server": name, "at": self.plant.at})
            case [("start" | "stop") as verb, "pump"]:
                self.plant.is_running = verb == "start"
                done = "started" if verb == "start" else "stopped"
                self._report({"event": done, "server": "pump", "at": self.plant.at})
            case ["help"]:
                self._report({"event": "help", "message": help_text()})
            case _:
                self._report(
                    {"event": "error", "message": f"unknown command {command!r}; try: help"}
                )

    async def _publish(self) -> None:
        readings = self.plant.readings()
        for server in self.servers.values():
            await server.publish(self.plant.at, readings)

    async def _inject_due(self) -> None:
        for due in [due for due in self._due if due[0] <= self.plant.at]:
            self._due.remove(due)
            await self.inject(due[1])


def help_text() -> str:
    """The commands."""
    return HELP.format(faults=", ".join(FAULTS))
