"""Sixteen units of a real pymodbus RTU server on one serial bus, made of two pseudo-terminals."""

import asyncio
import contextlib
import os
import tty
from collections import Counter
from contextlib import asynccontextmanager

import numpy as np
import pytest
from modbus_plc import serial_line
from patience import PATIENCE

from connectors.modbus.plan import RequestLimits, make_plan, polled_tags
from connectors.modbus.registers import Encoding
from gateway.api.contracts import ConfigError, SourceLost
from gateway.api.model import Quality

DEAD = 7
UNITS = range(1, 17)


@asynccontextmanager
async def bus(silent, units=UNITS):
    """A pymodbus RTU server; every register of a unit holds its id. Units in `silent` are dead."""
    from pymodbus.server import ModbusSerialServer
    from pymodbus.simulator import DataType, SimData, SimDevice

    def cut(is_sent, packet):
        return b"" if is_sent and packet[0] in silent else packet

    async with serial_line() as (ours, theirs):
        values = {"count": 1, "datatype": DataType.REGISTERS}
        devices = [
            SimDevice(unit, simdata=[SimData(0, values=[unit] * 20, **values)]) for unit in units
        ]
        server = ModbusSerialServer(devices, port=theirs, trace_packet=cut)
        await server.serve_forever(background=True)
        await asyncio.sleep(0)
        try:
            yield ours
        finally:
            await server.shutdown()
            await asyncio.sleep(0)


def on_the_bus(connector, device, units=UNITS, **options):
    tags = {f"unit_{unit}": {"address": 0, "unit_id": unit} for unit in units}
    serial = {"transport": "rtu", "baudrate": 115200, "parity": "none"}
    given = {"timeout": "60ms", "park_for": "1h"}
    return connector(device, tags, **(given | serial | options))


async def test_one_dead_unit_of_sixteen_leaves_the_others_95_percent_of_their_schedule(
    connector, events
):
    """Counted in slots of an absolute schedule: a missed one is a gap in the times."""
    period, cycles = 1.0, 8
    good, bad = Counter(), Counter()
    times = {unit: [] for unit in UNITS}
    async with bus({DEAD}) as device:
        reader = on_the_bus(connector, device, period="1s", timeout="400ms")
        async with reader.open() as batches, asyncio.timeout(PATIENCE):
            while good[16] < cycles:
                batch = await anext(batches)
                for tag, value, quality, at in zip(
                    batch.tag, batch.value, batch.quality, batch.at, strict=True
                ):
                    unit = int(tag) + 1
                    if quality == Quality.GOOD:
                        assert value == unit
                        good[unit] += 1
                        times[unit].append(at / 1e9)
                    else:
                        assert np.isnan(value)
                        bad[unit] += 1
    assert good[DEAD] == 0
    assert 1 <= bad[DEAD] <= 3  # the third failure parks it: silent from then on
    assert sum(bad.values()) == bad[DEAD]
    parked = [event for event in events if event["event"] == "modbus.unit_parked"]
    assert [(event["unit"], event["retry_every"]) for event in parked] == [(7, "1h")]
    for unit in set(UNITS) - {DEAD}:
        slots = round((times[16][-1] - times[16][0]) / period) + 1
        assert good[unit] >= 0.95 * slots, (unit, good[unit], slots)


async def test_sixteen_sources_on_one_port_take_turns_and_a_dead_one_starves_no_other(connector):
    """As from one template for sixteen meters; each is reopened after a loss, as by the gateway."""
    period, cycles = 1.0, 8
    times, enough = {unit: [] for unit in UNITS}, asyncio.Event()

    async def follow(unit, reader):
        while not enough.is_set():
            try:
                async with reader.open() as batches:
                    async for batch in batches:
                        assert batch.value[0] == unit
                        times[unit].append(int(batch.at[0]) / 1e9)
                        if unit == 16 and len(times[unit]) == cycles:
                            enough.set()
            except SourceLost as lost:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(enough.wait(), max(lost.wait, 0.25))

    async with bus({DEAD}) as device:
        readers = {
            unit: on_the_bus(
                connector, device, units=(unit,), name=f"meter-{unit}", period="1s",
                timeout="400ms", park_after=2,
            )
            for unit in UNITS
        }  # fmt: skip
        tasks = [asyncio.create_task(follow(*each)) for each in readers.items()]
        async with asyncio.timeout(PATIENCE):
            await enough.wait()
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [error for error in ended if isinstance(error, AssertionError)] == []
    assert times[DEAD] == []
    assert "shared by 16 sources" in readers[1].plan()[1]
    for unit in set(UNITS) - {DEAD}:
        slots = round((times[unit][-1] - times[unit][0]) / period) + 1
        assert len(times[unit]) >= 0.95 * slots, (unit, len(times[unit]), slots)


async def test_a_silent_source_on_a_shared_port_is_parked_but_not_one_that_is_alone(connector):
    async with bus({1}) as device:
        alone = on_the_bus(connector, device, units=(1,), name="a", park_after=2, timeout="200ms")
        assert await waits(alone, 3) == [0, 0, 0]
        dead = on_the_bus(connector, device, units=(1,), name="a", park_after=2, timeout="200ms")
        live = on_the_bus(connector, device, units=(2,), name="b", park_after=2, timeout="200ms")
        async with live.open() as batches:
            assert await waits(dead, 3) == [0, 3600, 3600]
            assert (await anext(batches)).value[0] == 2


async def waits(reader, times):
    """The wait that it requests after each of so many silent sessions."""
    requested = []
    for _ in range(times):
        with pytest.raises(SourceLost) as lost:
            async with reader.open() as batches:
                await anext(batches)
        requested.append(lost.value.wait)
    return requested


async def test_a_parked_unit_that_responds_again_is_read_on_its_schedule(connector, events):
    silent = {2}
    async with bus(silent) as device:
        reader = on_the_bus(
            connector, device, units=(1, 2), period="50ms", timeout="300ms",
            park_after=1, park_for="200ms",
        )  # fmt: skip
        async with reader.open() as batches, asyncio.timeout(PATIENCE):
            while ("modbus.unit_parked", 2) not in units(events):
                await anext(batches)
            assert [int((await anext(batches)).tag[0]) for _ in range(8)] == [0] * 8
            silent.clear()
            while (await anext(batches)).value[0] != 2:
                pass
    assert ("modbus.unit_resumed", 2) in units(events)


def units(events):
    return [(event["event"], event.get("unit")) for event in events]


async def test_a_bus_on_which_no_unit_responds_is_lost(connector):
    async with bus({1, 2, 3}) as device:
        reader = on_the_bus(connector, device, units=(1, 2, 3), timeout="30ms")
        async with reader.open() as batches:
            with pytest.raises(SourceLost, match="no response from unit 3 within 30ms"):
                await anext(batches)


async def test_a_missing_port_is_a_lost_source(connector):
    reader = on_the_bus(connector, "/dev/no-such-port")
    with pytest.raises(SourceLost, match="/dev/no-such-port"):
        async with reader.open():
            pass
    assert not (await reader.probe()).ok


async def test_a_probe_of_a_bus_leaves_it_usable(connector):
    async with bus(()) as device:
        reader = on_the_bus(connector, device, units=(1,), period="20ms", timeout=f"{PATIENCE}s")
        assert (await reader.probe()).ok
        async with reader.open() as batches:
            assert (await anext(batches)).value[0] == 1


def test_the_plan_of_the_bus_is_one_request_a_unit(connector):
    reader = on_the_bus(connector, "/dev/ttyUSB0")
    plan = make_plan(polled_tags(reader.options), RequestLimits())
    assert len(plan) == 16
    assert plan[0].tags[0].encoding == Encoding()
    assert reader.plan()[1].startswith("serial bus ")


async def test_a_port_that_is_pulled_out_is_a_lost_source_at_once(connector):
    ours, end = os.openpty()
    tty.setraw(end)
    name = os.ttyname(end)
    os.close(end)
    reader = on_the_bus(connector, name, units=(1,), timeout="600s")
    async with asyncio.timeout(PATIENCE), reader.open() as batches:
        asyncio.get_running_loop().call_later(0.1, os.close, ours)
        with pytest.raises(SourceLost, match="connection closed by the peer"):
            await anext(batches)


async def test_settings_that_a_port_does_not_support_are_a_config_error(connector):
    """A pseudo-terminal has no parity."""
    async with bus(()) as device:
        with pytest.raises(ConfigError, match="does not support this baudrate, parity or stopbits"):
            async with on_the_bus(connector, device, units=(1,), parity="even").open():
                pass
