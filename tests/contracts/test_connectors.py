"""Every registered connector passes the suite that the wheel ships, against a real server.

Each reads the simulated plant; a connector without a harness here fails.
"""

import math
from datetime import UTC, datetime

import pytest
import servers
import yaml
from asyncua import ua
from patience import PATIENCE

from connectors.simulator.configuration import line_file
from connectors.simulator.modbus_server import ModbusServer
from connectors.simulator.mqtt_publisher import MqttPublisher
from connectors.simulator.opcua_server import OpcUaServer
from connectors.simulator.signals import MODBUS, SIGNALS, TAGS
from gateway.api.model import SECOND
from gateway.api.testing import ConnectorContract, ConnectorHarness
from gateway.config import plugins

HOST = "127.0.0.1"
NAMES = sorted(plugins.installed(plugins.CONNECTORS))


def options_of(source, port):
    """The options of a source of the simulator's own line file."""
    return yaml.safe_load(line_file(port, port, (HOST, port)))["sources"][source]


def in_order(readings):
    """One value for each of the simulator's signals; those of other servers are 0."""
    return [readings.get(name, 0.0) for name in TAGS]


class ModbusHarness(ConnectorHarness):
    """The simulator's PLC. A register of an integer type says by a pattern that it has no value."""

    has_time = False
    _PATTERNS = {"uint16": 0xFFFF, "int16": -0x8000}

    def __init__(self, _folder):
        self.server = ModbusServer(HOST, servers.free_port())
        self.options = options_of("plc", self.server.port) | {"period": "100ms"}
        self._absent = {}
        for signal in MODBUS:
            if pattern := self._PATTERNS.get(signal.address.data_type):
                self.options["tags"][signal.name]["no_value"] = pattern
                self._absent[signal.name] = pattern * signal.address.scale

    async def start(self):
        await self.server.start()

    async def stop(self):
        await self.server.stop()

    async def publish(self, at, readings):
        absent = {
            tag: self._absent.get(tag, math.nan)
            for tag, value in readings.items()
            if math.isnan(value)
        }
        await self.server.publish(at, in_order({**readings, **absent}))

    def expect(self, tag, value):
        scale = SIGNALS[TAGS.index(tag)].address.scale
        return value if scale == 1 else round(value / scale) * scale


class OpcUaHarness(ConnectorHarness):
    """The simulator's condition monitor. A bad sensor shows in the status of its variable."""

    def __init__(self, _folder):
        self.server = OpcUaServer(HOST, servers.free_port())
        self.options = options_of("monitor", self.server.port) | {"publishing_interval": "100ms"}

    async def start(self):
        await self.server.start()

    async def stop(self):
        await self.server.stop()

    async def publish(self, at, readings):
        values = in_order(readings)
        await self.server.publish(at, values)
        for index, node in self.server._nodes:
            if math.isnan(values[index]):
                await self.server._server.write_attribute_value(node, _failed(at))


def _failed(at):
    """What the variable of a broken sensor holds."""
    taken = datetime.fromtimestamp(at / SECOND, UTC)
    status = ua.StatusCode(ua.StatusCodes.BadSensorFailure)
    return ua.DataValue(ua.Variant(0.0, ua.VariantType.Double), status, taken, taken)


class MqttHarness(ConnectorHarness):
    """A broker, which is the source, and the simulator's sensors, which publish to it."""

    def __init__(self, folder):
        self.broker = servers.mosquitto(folder)
        self.publisher = MqttPublisher(HOST, self.broker.port)
        self.options = options_of("broker", self.broker.port)
        for tag in self.options["tags"].values():
            tag |= {"time_path": "at", "time_format": "iso"}

    async def start(self):
        self.broker.start()
        await self.publisher.start()

    async def stop(self):
        await self.publisher.stop()
        self.broker.stop()

    async def publish(self, at, readings):
        self.publisher._due.clear()  # every reading at once, not on each sensor's schedule
        values = [None if math.isnan(value) else value for value in in_order(readings)]
        await self.publisher.publish(at, values)


HARNESSES = {"modbus": ModbusHarness, "opcua": OpcUaHarness, "mqtt": MqttHarness}


class TestConnectors(ConnectorContract):
    within = PATIENCE

    @pytest.fixture(params=NAMES)
    def harness(self, request, tmp_path):
        assert request.param in HARNESSES, f"{request.param!r} needs a harness in this file"
        return HARNESSES[request.param](tmp_path)


def test_the_built_in_connectors_are_registered_like_any_other():
    assert {"modbus", "mqtt", "opcua"} <= set(NAMES)
