"""Alarms over MQTT survive kill -9 and a broker that forgets: none lost, states right, deaths sent.

A process with buffer, forwarders and both forms of the sink is killed while it delivers, and so is
a whole daemon; a listener at a real broker notes everything.
"""

import asyncio
import json
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import alarm_sender
import pytest
import servers
import sparkplug
from patience import PATIENCE

from gateway.control.client import request
from gateway.demo.processes import daemon

SENDER = Path(alarm_sender.__file__)
ROOT, NODE = "andon/demo/skid", "spBv1.0/demo"
BURST, KILLS = 20, 2


class Sender:
    """The process, and the number of its next transition."""

    def __init__(self, folder, port):
        self._command = [sys.executable, SENDER, folder, str(port)]
        self.next = 0
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def store(self, count):
        """Returns when so many more transitions are on disk; their delivery goes on."""
        numbers = range(self.next, self.next + count)
        self.next += count
        self.process.stdin.write("".join(f"{n}\n" for n in numbers))
        self.process.stdin.flush()
        for n in numbers:
            assert self.process.stdout.readline() == f"{n}\n"

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)
        self.process.stdin.close()
        self.process.stdout.close()

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0
        self.process.stdout.close()


class Listener:
    """Everything that comes at the broker, in its order."""

    def __init__(self):
        self.events, self.status, self.node = [], [], []
        self._came = asyncio.Event()

    async def listen(self, client):
        async for message in client.messages:
            topic, payload = message.topic.value, message.payload
            if topic == f"{ROOT}/alarms/events":
                self.events.append(json.loads(payload)["key"])
            elif topic == f"{ROOT}/status":
                self.status.append(payload.decode())
            elif topic.startswith(NODE):
                self.node.append((topic.split("/")[2], sparkplug.decoded(payload)))
            self._came.set()

    async def until(self, condition):
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._came.clear()
                await self._came.wait()

    def data(self):
        """The key of each transition that was data of the device."""
        return [
            metric["properties"]["key"]
            for kind, payload in self.node
            if kind == "DDATA"
            for name, metric in payload["metrics"].items()
            if name.endswith("/state")
        ]


def first_of_each(keys):
    return list(dict.fromkeys(keys))


def bd_seqs(node, kind):
    return [payload["metrics"]["bdSeq"]["value"] for k, payload in node if k == kind]


def assert_numbers_are_unbroken(node):
    seq = None
    for kind, payload in node:
        if kind == "NDEATH":
            continue
        seq = 0 if kind == "NBIRTH" else (seq + 1) % 256
        assert payload["seq"] == seq, kind


@pytest.fixture
def broker(tmp_path):
    (tmp_path / "broker").mkdir()
    with servers.mosquitto(tmp_path / "broker") as server:
        yield server


@pytest.fixture
def sender(broker, tmp_path):
    made = Sender(tmp_path, broker.port)
    yield made
    made.kill()


async def kept(broker):
    async with aiomqtt.Client("127.0.0.1", broker.port) as client, asyncio.timeout(PATIENCE):
        await client.subscribe("#", qos=1)
        await client.publish("mark", b"1", qos=1)
        found = {}
        messages = aiter(client.messages)
        while (message := await anext(messages)).topic.value != "mark":
            found[message.topic.value] = message.payload
    return found


def kept_states(found):
    return {topic: json.loads(p)["key"] for topic, p in found.items() if "/state/" in topic}


def open_after(count):
    """The states that are kept after so many transitions."""
    newest = [n for n in range(count - 3, count) if n // 3 % 2 == 0]
    return {f"{ROOT}/alarms/state/guard/{'abc'[n % 3]}": alarm_sender.key(n) for n in newest}


async def test_no_transition_is_lost_by_kills_and_every_life_ends_with_a_death(broker, sender):
    ear = Listener()
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.subscribe([(f"{ROOT}/#", 1), ("spBv1.0/#", 1)])
        listening = asyncio.create_task(ear.listen(client))
        for life in range(KILLS):
            sender.start()
            # Both are connected, and the process has more to deliver when it is killed.
            await ear.until(
                lambda n=life + 1: (
                    ear.status.count("online") == len(bd_seqs(ear.node, "NBIRTH")) == n
                )
            )
            for _ in range(2):
                # When the second is here, the first is acknowledged and the bdSeq is on disk.
                await asyncio.to_thread(sender.store, 1)
                newest = alarm_sender.key(sender.next - 1)
                await ear.until(lambda key=newest: key in ear.data())
            await asyncio.to_thread(sender.store, BURST)
            sender.kill()
            await ear.until(
                lambda n=life + 1: (
                    ear.status.count("offline") == len(bd_seqs(ear.node, "NDEATH")) == n
                )
            )
        sender.start()
        await asyncio.to_thread(sender.store, 5)
        wanted = [alarm_sender.key(n) for n in range(sender.next)]
        await ear.until(lambda: {*wanted} <= {*ear.events} and {*wanted} <= {*ear.data()})
        # The state of an alarm follows its event.
        wanted_states = open_after(sender.next)
        async with asyncio.timeout(PATIENCE):
            while (states := kept_states(await kept(broker))) != wanted_states:
                await asyncio.sleep(0.05)
        await asyncio.to_thread(sender.stop)
        await ear.until(lambda: ear.status[-1] == "offline" and ear.node[-1][0] == "NDEATH")
        listening.cancel()

    # In order, each at least once: what came again has its old key.
    assert first_of_each(ear.events) == wanted
    assert first_of_each(ear.data()) == wanted
    assert ear.status == ["online", "offline"] * (KILLS + 1)
    assert len(states) == 1  # which of the three is open follows from the numbers
    assert bd_seqs(ear.node, "NBIRTH") == bd_seqs(ear.node, "NDEATH")
    assert bd_seqs(ear.node, "NBIRTH") == list(range(KILLS + 1))
    assert_numbers_are_unbroken(ear.node)


LINE_FILE = """version: 1
line: skid
site: demo
state: state
health: {{port: 0}}
timing: {{lateness: 1s}}
sources:
  broker:
    type: mqtt
    host: 127.0.0.1
    port: {port}
    tags: {{flow: {{topic: plant/flow, path: "", unit: m3/h, period: 1s}}}}
detectors:
  guard: {{type: limits, tags: {{flow: {{high: 5, low: 0.5}}}}}}
sinks:
  panel: {{type: mqtt, host: 127.0.0.1, port: {port}}}
  scada: {{type: mqtt, host: 127.0.0.1, port: {port}, payload: sparkplug}}
"""
FLOW = f"{ROOT}/alarms/state/guard/flow.high"


@asynccontextmanager
async def measuring(broker, value):
    """A sensor that publishes the first number of a list, twice a second."""

    async def publish():
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            while True:
                await client.publish("plant/flow", str(value[0]))
                await asyncio.sleep(0.5)

    task = asyncio.create_task(publish())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def state_of_flow(broker, wanted):
    """What is kept of the alarm, once its state is the wanted one; None: nothing is kept."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = await kept(broker)
            shown = json.loads(found.get(FLOW, b"{}"))
            if shown.get("state") == wanted and found.get(f"{ROOT}/status") == b"online":
                return shown
            await asyncio.sleep(0.1)


async def _have_sent(socket):
    """Whether both sinks have sent the transition, and noted that on disk."""
    return all(sink["sent"]["alert"] == 1 for sink in (await request(socket))["sinks"])


@pytest.mark.timeout(300)
async def test_a_daemon_that_was_killed_tells_a_broker_that_forgot(broker, tmp_path):
    file = tmp_path / "line.yaml"
    file.write_text(LINE_FILE.format(port=broker.port))
    value, log = [9.0], tmp_path / "andon.log"
    async with daemon(file, log) as process, measuring(broker, value):
        raised = await state_of_flow(broker, "unacknowledged")
        assert raised["causes"][0]["unit"] == "m3/h"
        assert (raised["value"], raised["threshold"], raised["version"]) == (9.0, 5.0, 1)
        async with asyncio.timeout(PATIENCE):
            while not await _have_sent(tmp_path / "state" / "control.sock"):
                await asyncio.sleep(0.1)
        process.kill()
        await process.wait()
    await asyncio.to_thread(broker.stop)
    await asyncio.to_thread(broker.start)  # without persistence: it keeps nothing
    ear = Listener()
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.subscribe([(f"{ROOT}/#", 1), ("spBv1.0/#", 1)])
        listening = asyncio.create_task(ear.listen(client))
        async with daemon(file, log), measuring(broker, value):
            assert await state_of_flow(broker, "unacknowledged") == raised
            body = {"id": raised["id"], "act": "acknowledge", "by": "anna", "why": "on my way"}
            await request(tmp_path / "state" / "control.sock", "/alarms/act", body)
            shown = await state_of_flow(broker, "acknowledged")
            assert (shown["by"], shown["reason"], shown["id"]) == (
                "anna",
                "on my way",
                raised["id"],
            )
            value[0] = 1.0
            await state_of_flow(broker, None)
            await ear.until(lambda: len(ear.data()) == 2)
        await ear.until(lambda: ear.status[-1] == "offline" and ear.node[-1][0] == "NDEATH")
        listening.cancel()
    births = [payload["metrics"] for kind, payload in ear.node if kind == "DBIRTH"]
    states = {name: metric["value"] for name, metric in births[0].items() if "/state" in name}
    assert states["alarms/guard/flow.high/state"] == "unacknowledged"
    assert states["alarms/guard/flow.low/state"] == "normal"
    assert [key.split("/")[1] for key in ear.data()] == ["acknowledged", "returned"]
    assert bd_seqs(ear.node, "NBIRTH") == [1]
