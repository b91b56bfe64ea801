"""The servers, read by real clients: they serve the plant, and stop and start independently."""

import asyncio
import json
import socket
import struct
from contextlib import asynccontextmanager, suppress
from itertools import pairwise

import pytest
import servers
from patience import PATIENCE

from connectors.simulator.modbus_server import ModbusServer, encode
from connectors.simulator.mqtt_publisher import MqttPublisher
from connectors.simulator.opcua_server import OpcUaServer
from connectors.simulator.pump import Plant
from connectors.simulator.signals import MODBUS, MQTT, NAMESPACE, OPCUA, TAGS
from gateway.api.contracts import ConfigError
from gateway.api.model import SECOND

HOST = "127.0.0.1"


@asynccontextmanager
async def running(server):
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest.fixture
async def modbus():
    async with running(ModbusServer(HOST, 0)) as server:
        yield server


@pytest.fixture
async def opcua():
    async with running(OpcUaServer(HOST, 0)) as server:
        yield server


@pytest.fixture
def plant():
    plant = Plant(5)
    plant.step()
    return plant


@asynccontextmanager
async def modbus_client(port):
    from pymodbus.client import AsyncModbusTcpClient

    client = AsyncModbusTcpClient(HOST, port=port, retries=0, timeout=PATIENCE, reconnect_delay=0)
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()


async def read_all(client):
    """Every Modbus signal as a client decodes it."""
    responses = {
        "holding": await client.read_holding_registers(0, count=16, device_id=1),
        "input": await client.read_input_registers(0, count=16, device_id=1),
    }
    return {
        signal.name: decode(responses[signal.address.table], signal.address) for signal in MODBUS
    }


def decode(response, register):
    assert not response.isError()
    words = response.registers[register.address :]
    if register.data_type == "float32":
        return struct.unpack(">f", struct.pack(">HH", *words[:2]))[0]
    kind = ">h" if register.data_type == "int16" else ">H"
    return struct.unpack(kind, struct.pack(">H", words[0]))[0] * register.scale


def shown(plant, signals):
    readings = dict(zip(TAGS, plant.readings(), strict=True))
    return {signal.name: readings[signal.name] for signal in signals}


@asynccontextmanager
async def opcua_client(url):
    from asyncua import Client

    async with Client(url) as client:
        yield client, await client.get_namespace_index(NAMESPACE)


async def test_a_modbus_client_reads_digit_for_digit_what_the_plant_shows(modbus, plant):
    await modbus.publish(plant.at, plant.readings())
    async with modbus_client(modbus.port) as client:
        assert await read_all(client) == shown(plant, MODBUS)


async def test_the_registers_follow_the_plant(modbus, plant):
    async with modbus_client(modbus.port) as client:
        for _ in range(3):
            plant.step()
            await modbus.publish(plant.at, plant.readings())
            assert await read_all(client) == shown(plant, MODBUS)


async def test_the_registers_refuse_to_be_written(modbus, plant):
    await modbus.publish(plant.at, plant.readings())
    async with modbus_client(modbus.port) as client:
        assert (await client.write_register(2, 0, device_id=1)).isError()
        assert await read_all(client) == shown(plant, MODBUS)


async def test_coils_are_not_the_registers(modbus, plant):
    await modbus.publish(plant.at, plant.readings())
    async with modbus_client(modbus.port) as client:
        assert not any((await client.read_coils(0, count=8, device_id=1)).bits)


async def test_a_negative_pressure_survives_its_register(plant):
    readings = plant.readings()
    readings[TAGS.index("suction_pressure")] = -0.25
    assert encode(readings)["input"][4] == 0x10000 - 250


async def test_a_stopped_plc_closes_its_connections_and_refuses_new_ones(modbus, plant):
    reader, writer = await asyncio.open_connection(HOST, modbus.port)
    await modbus.stop()
    assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(HOST, modbus.port)


@pytest.mark.parametrize("turns", range(8))
async def test_a_connection_being_accepted_is_closed_too(modbus, turns):
    await closes_a_connection_being_accepted(modbus, turns)


@pytest.mark.parametrize("turns", [2, 3])
async def test_a_session_being_accepted_is_closed_too(opcua, turns):
    await closes_a_connection_being_accepted(opcua, turns)


async def closes_a_connection_being_accepted(server, turns):
    """Accepting takes some iterations of the loop; the server stops after `turns` of them."""
    with socket.create_connection((HOST, server.port)) as client:
        for _ in range(turns):
            await asyncio.sleep(0)
        await server.stop()
        client.setblocking(False)
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionResetError):
                assert await asyncio.get_running_loop().sock_recv(client, 1) == b""


async def test_a_plc_comes_back_on_its_port_with_current_values(modbus, plant):
    port = modbus.port
    await modbus.stop()
    plant.step()
    await modbus.publish(plant.at, plant.readings())
    await modbus.start()
    assert modbus.port == port
    async with modbus_client(port) as client:
        assert await read_all(client) == shown(plant, MODBUS)


@pytest.mark.parametrize("kind", [ModbusServer, OpcUaServer])
async def test_a_taken_port_is_named(kind, modbus):
    with pytest.raises(ConfigError, match=str(modbus.port)):
        await kind(HOST, modbus.port).start()


async def test_an_opcua_client_reads_exactly_the_plants_readings(opcua, plant):
    await opcua.publish(plant.at, plant.readings())
    expected = shown(plant, OPCUA)
    async with opcua_client(opcua.url) as (client, space):
        for signal in OPCUA:
            node = client.get_node(f"ns={space};s={signal.address.identifier}")
            assert await node.read_value() == expected[signal.name]


async def test_opcua_source_timestamps_are_the_plants_time(opcua, plant):
    await opcua.publish(plant.at, plant.readings())
    async with opcua_client(opcua.url) as (client, space):
        value = await client.get_node(f"ns={space};s=Pump.VibrationDE").read_data_value()
    assert value.SourceTimestamp.timestamp() == pytest.approx(plant.at / SECOND, abs=1e-5)
    assert value.StatusCode.is_good()


async def test_a_subscriber_gets_every_change_in_order(opcua, plant):
    got = asyncio.Queue()

    class Handler:
        def datachange_notification(self, _node, value, _data):
            got.put_nowait(value)

    await opcua.publish(plant.at, plant.readings())
    values = [plant.readings()[TAGS.index("vibration_de")]]
    async with opcua_client(opcua.url) as (client, space):
        subscription = await client.create_subscription(50, Handler())
        node = client.get_node(f"ns={space};s=Pump.VibrationDE")
        await subscription.subscribe_data_change(node, queuesize=50)
        assert await asyncio.wait_for(got.get(), PATIENCE) == values[0]
        for _ in range(20):
            plant.step()
            values.append(plant.readings()[TAGS.index("vibration_de")])
            await opcua.publish(plant.at, plant.readings())
        changes = [new for old, new in pairwise(values) if new != old]
        assert len(changes) > 10
        assert [await asyncio.wait_for(got.get(), PATIENCE) for _ in changes] == changes


async def test_a_stopped_monitor_forgets_its_clients_and_comes_back(opcua, plant):
    """A disconnected client leaves a session and a subscription; they must not keep running."""
    from asyncua import Client

    before = asyncio.all_tasks()
    client = Client(opcua.url)
    await client.connect()
    space = await client.get_namespace_index(NAMESPACE)
    subscription = await client.create_subscription(50, object())
    await subscription.subscribe_data_change(client.get_node(f"ns={space};s=Pump.VibrationDE"))
    await opcua.publish(plant.at, plant.readings())
    await opcua.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(HOST, opcua.port)
    await client.disconnect()
    left = [task.get_coro().__qualname__ for task in asyncio.all_tasks() - before]
    assert [name for name in left if name.startswith("Internal")] == []
    await opcua.start()
    async with opcua_client(opcua.url) as (again, space):
        value = await again.get_node(f"ns={space};s=Pump.VibrationDE").read_value()
    assert value == shown(plant, OPCUA)["vibration_de"]


@pytest.mark.server("mosquitto")
async def test_the_wireless_sensors_publish_json_with_the_plants_time(plant, tmp_path):
    import aiomqtt

    with servers.mosquitto(tmp_path) as broker:
        async with aiomqtt.Client(HOST, broker.port) as client:
            await client.subscribe("plant/pump/#")
            publisher = MqttPublisher(HOST, broker.port)
            async with running(publisher):
                await publisher.publish(plant.at, plant.readings())
                got = {}
                async with asyncio.timeout(PATIENCE):
                    async for message in client.messages:
                        got[message.topic.value] = json.loads(message.payload)
                        if len(got) == len(MQTT):
                            break
    assert {s.name: got[s.address.name]["value"] for s in MQTT} == shown(plant, MQTT)
    assert {value["at"] for value in got.values()} == {"2026-01-01T00:00:00.100Z"}


@pytest.mark.server("mosquitto")
async def test_a_broker_that_starts_later_is_used(plant, tmp_path):
    import aiomqtt

    broker = servers.mosquitto(tmp_path)
    publisher = MqttPublisher(HOST, broker.port)
    async with running(publisher):
        await publisher.publish(plant.at, plant.readings())
        with broker:
            async with aiomqtt.Client(HOST, broker.port) as client, asyncio.timeout(PATIENCE):
                await client.subscribe("plant/pump/power")
                while True:
                    plant.step()
                    await publisher.publish(plant.at, plant.readings())
                    try:
                        message = await asyncio.wait_for(anext(client.messages), 0.1)
                    except TimeoutError:
                        continue
                    break
    assert json.loads(message.payload)["value"] > 0
