"""The skid's wireless sensors: they publish JSON to a broker, {"value": 21.4, "at": "2026-...Z"}.

Promises
- A broker that is away is tried again every second; meanwhile only the newest value of each topic
  is kept, as in a sensor without memory.
- `at` is the time of the measurement, ISO 8601 in UTC.
"""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

from connectors.simulator.instruments import Readings
from connectors.simulator.signals import MQTT, SIGNALS, Topic
from gateway.api.model import SECOND

_ADDRESSES = tuple(
    (index, signal.address)
    for index, signal in enumerate(SIGNALS)
    if signal in MQTT and isinstance(signal.address, Topic)
)
_PAUSE = 1.0


def iso(at: int) -> str:
    """Nanoseconds since 1970 as 2026-01-01T00:00:00.100Z."""
    moment = datetime.fromtimestamp(at // SECOND, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at % SECOND // 1_000_000:03d}Z"


class MqttPublisher:
    """Publishes to the broker at `host`:`port` between `start` and `stop`."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self._task: asyncio.Task[None] | None = None
        self._due: dict[str, int] = {}
        self._newest: dict[str, str] = {}
        self._has_values = asyncio.Event()

    @property
    def address(self) -> str:
        """The broker's host and port."""
        return f"{self.host}:{self.port}"

    @property
    def is_running(self) -> bool:
        """True while it publishes, or tries to."""
        return self._task is not None

    async def start(self) -> None:
        """Connects now, or as soon as the broker is available."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="mqtt publisher")

    async def stop(self) -> None:
        """Disconnects."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def publish(self, at: int, readings: Readings) -> None:
        """Publishes the due readings among these, which were taken at `at` ns."""
        for index, topic in _ADDRESSES:
            if at < self._due.get(topic.name, 0):
                continue
            self._due[topic.name] = at + round(topic.every * SECOND)
            self._newest[topic.name] = json.dumps({"value": readings[index], "at": iso(at)})
            self._has_values.set()

    async def _run(self) -> None:
        import aiomqtt

        while True:
            try:
                async with aiomqtt.Client(self.host, self.port) as client:
                    await self._pump(client)
            except aiomqtt.MqttError:
                await asyncio.sleep(_PAUSE)

    async def _pump(self, client: Any) -> None:
        while True:
            await self._has_values.wait()
            self._has_values.clear()
            for topic in tuple(self._newest):
                await client.publish(topic, self._newest[topic])
                self._newest.pop(topic)
