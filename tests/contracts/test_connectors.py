"""What every registered connector must keep to, whoever wrote it.

Each is read from a real server that shows the simulated plant; a connector without a harness here
fails.
"""

import asyncio
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, get_args, get_origin

import numpy as np
import pytest
import servers
import yaml
from pydantic import BaseModel, ValidationError

from connectors.simulator.configuration import line_file
from connectors.simulator.modbus_server import ModbusServer
from connectors.simulator.mqtt_publisher import MqttPublisher
from connectors.simulator.opcua_server import OpcUaServer
from connectors.simulator.pump import Plant
from gateway.api.contracts import Places, SourceLost
from gateway.api.model import Probe, Quality, Tag
from gateway.config import plugins

HOST = "127.0.0.1"
NAMES = sorted(plugins.installed(plugins.CONNECTORS))


@dataclass
class SimulatorHarness:
    """A server of the simulator that is the source itself."""

    server: object

    @property
    def port(self):
        return self.server.port

    async def start(self):
        await self.server.start()

    async def stop(self):
        await self.server.stop()

    async def publish(self, at, readings):
        await self.server.publish(at, readings)


@dataclass
class BrokerHarness:
    """A broker, which is the source, and the simulator's publisher to it."""

    broker: servers.Server
    publisher: MqttPublisher = field(init=False)

    def __post_init__(self):
        self.publisher = MqttPublisher(HOST, self.broker.port)

    @property
    def port(self):
        return self.broker.port

    async def start(self):
        self.broker.start()
        await self.publisher.start()

    async def stop(self):
        await self.publisher.stop()
        self.broker.stop()

    async def publish(self, at, readings):
        await self.publisher.publish(at, readings)


# By name: what serves it, and the source of the simulator's line file that reads it.
HARNESSES = {
    "modbus": (lambda _: SimulatorHarness(ModbusServer(HOST, 0)), "plc"),
    "opcua": (lambda _: SimulatorHarness(OpcUaServer(HOST, 0)), "monitor"),
    "mqtt": (lambda folder: BrokerHarness(servers.mosquitto(folder)), "broker"),
}


@dataclass
class Bench:
    """A connector's class, its valid options for a port, and its server."""

    connector_class: type
    source: str
    places: Places
    harness: object

    def given(self, port):
        text = line_file(port, port, (HOST, port))
        return yaml.safe_load(text)["sources"][self.source]

    def options(self, port=None):
        return self.connector_class.Options.model_validate(self.given(port or self.harness.port))

    def connector(self, port=None):
        options = self.options(port)
        tags = self.connector_class.declared_tags("mine", options)
        return self.connector_class("mine", options, tags, self.places)

    @asynccontextmanager
    async def serving(self):
        """The server with the plant in motion on it; it may be stopped and started inside."""
        await self.harness.start()
        moving = asyncio.create_task(self._move())
        try:
            yield self.harness
        finally:
            moving.cancel()
            await asyncio.wait([moving])
            await self.harness.stop()
            assert moving.cancelled(), moving.exception()

    async def _move(self):
        plant = Plant(3)
        while True:
            plant.step()
            await self.harness.publish(time.time_ns(), plant.readings())
            await asyncio.sleep(0.1)


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture
def bench(name, tmp_path):
    assert name in HARNESSES, f"the connector {name!r} needs a harness in this file"
    why = plugins.why_broken(plugins.CONNECTORS, name)
    assert not why, why
    make, source = HARNESSES[name]
    for folder in ("config", "state"):
        (tmp_path / folder).mkdir()
    places = Places(tmp_path / "config", tmp_path / "state")
    return Bench(plugins.load(plugins.CONNECTORS, name), source, places, make(tmp_path))


async def read_until_all_seen(batches, count):
    """Batches until every tag has had a sample."""
    taken, seen = [], set()
    async with asyncio.timeout(20):
        while len(seen) < count:
            taken.append(await anext(batches))
            seen.update(taken[-1].tag.tolist())
    return taken


async def read_until_lost(batches):
    async with asyncio.timeout(30):
        async for _ in batches:
            pass


def test_the_built_in_connectors_are_registered_like_a_strangers():
    assert {"modbus", "mqtt", "opcua"} <= set(NAMES)


def test_its_options_name_its_type_and_refuse_an_unknown_key(bench, name):
    options = bench.connector_class.Options
    assert issubclass(options, BaseModel)
    annotation = options.model_fields["type"].annotation
    assert get_origin(annotation) is Literal
    assert get_args(annotation) == (name,)
    with pytest.raises(ValidationError, match="no_such_key"):
        options.model_validate(bench.given(1) | {"no_such_key": 1})


def test_its_tags_have_unique_names_in_a_fixed_order_and_belong_to_the_source(bench):
    options = bench.options(1)
    tags = bench.connector_class.declared_tags("mine", options)
    assert tuple(tags) == tuple(bench.connector_class.declared_tags("mine", bench.options(1)))
    assert all(isinstance(tag, Tag) for tag in tags)
    assert [tag.name for tag in tags] == list(bench.given(1)["tags"])
    assert {tag.source for tag in tags} == {"mine"}
    assert all(tag.period > 0 for tag in tags)
    for tag in tags:
        said = bench.given(1)["tags"][tag.name]
        assert (tag.unit, tag.low, tag.high) == (said["unit"], said["low"], said["high"])


def test_building_it_touches_nothing(bench):
    bench.connector(1)
    assert list(bench.places.state.iterdir()) == list(bench.places.config.iterdir()) == []


def test_importing_it_loads_no_protocol_library(name):
    module = plugins.installed(plugins.CONNECTORS)[name].value.split(":")[0]
    heavy = {"pymodbus", "asyncua", "aiomqtt", "paho"}
    code = f"import sys, {module}; print(*({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []


async def test_batches_are_columns_of_equal_length_whose_bad_values_are_nan(bench):
    connector = bench.connector
    async with bench.serving():
        count = len(bench.options().tags)
        async with connector().open() as batches:
            taken = await read_until_all_seen(batches, count)
    for batch in taken:
        columns = (batch.tag, batch.at, batch.value, batch.quality)
        assert [column.dtype for column in columns] == [np.int32, np.int64, np.float64, np.uint8]
        assert {column.shape for column in columns} == {(len(batch),)}
        assert ((batch.tag >= 0) & (batch.tag < count)).all()
        assert np.isin(batch.quality, list(Quality)).all()
        assert np.array_equal(np.isnan(batch.value), batch.quality == Quality.BAD)
        assert batch.wire_bytes >= 0
        assert batch.lost >= 0
    good = np.concatenate([batch.quality == Quality.GOOD for batch in taken])
    recent = np.abs(np.concatenate([batch.at for batch in taken])[good] - time.time_ns())
    assert good.any()
    assert (recent < 60e9).all()


async def test_nobody_there_is_a_lost_source_on_entry_and_a_probe_that_says_so(bench):
    connector = bench.connector(servers.free_port())
    with pytest.raises(SourceLost, match=r"\w"):
        async with asyncio.timeout(10), connector.open():
            pytest.fail("it opened a session with nobody")
    async with asyncio.timeout(10):
        probe = await connector.probe()
    assert isinstance(probe, Probe)
    assert not probe.ok
    assert probe.said


async def test_a_probe_of_a_server_that_works_is_good_and_leaves_no_trace(bench):
    async with bench.serving(), asyncio.timeout(20):
        probe = await bench.connector().probe()
    assert isinstance(probe, Probe)
    assert probe.ok, probe.said
    assert probe.said
    assert list(bench.places.state.iterdir()) == []


async def test_a_session_is_left_promptly_and_another_may_be_opened(bench):
    async with bench.serving():
        connector = bench.connector()
        for _ in range(2):
            async with connector.open() as batches:
                await asyncio.wait_for(anext(batches), 20)
                left = time.monotonic()
            assert time.monotonic() - left < 5


async def test_a_reader_that_is_cancelled_leaves_promptly_too(bench):
    async with bench.serving():
        connector, reading = bench.connector(), asyncio.Event()

        async def read():
            async with connector.open() as batches:
                async for _ in batches:
                    reading.set()

        task = asyncio.create_task(read())
        await asyncio.wait_for(reading.wait(), 20)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=5)
        assert done == {task}
        assert task.cancelled()


async def test_a_server_that_stops_is_a_lost_source_and_is_read_again_when_it_is_back(bench):
    async with bench.serving() as server:
        connector = bench.connector()
        async with connector.open() as batches:
            await asyncio.wait_for(anext(batches), 20)
            await server.stop()
            with pytest.raises(SourceLost, match=r"\w"):
                await read_until_lost(batches)
        await server.start()
        async with connector.open() as batches:
            assert len(await asyncio.wait_for(anext(batches), 20)) > 0
