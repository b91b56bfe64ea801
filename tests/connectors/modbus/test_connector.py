"""Against a real pymodbus server."""

import asyncio
import struct
import time

import numpy as np
import pytest
from pymodbus.constants import ExcCodes
from pymodbus.simulator import DataType, SimData, SimDevice
from servers import free_port

from gateway.api.contracts import SourceLost
from gateway.api.model import SECOND, Quality


def words(layout, *values):
    data = struct.pack(">" + layout, *values)
    return list(struct.unpack(f">{len(data) // 2}H", data))


def device(unit=1, holding=(0,) * 200, action=None):
    """Coils and discrete inputs alternate; input registers hold their address."""
    return SimDevice(
        id=unit,
        simdata=(
            [SimData(0, values=[True, False] * 40, datatype=DataType.BITS)],
            [SimData(0, values=[False, True] * 40, datatype=DataType.BITS)],
            [SimData(0, values=list(holding), datatype=DataType.REGISTERS)],
            [SimData(0, values=list(range(200)), datatype=DataType.REGISTERS)],
        ),
        action=action,
    )


async def read(connector, enough):
    """Values and qualities by tag name, from as many batches as `enough` tags take."""
    names = list(connector.options.tags)
    got = {}
    async with connector.open() as batches:
        async for batch in batches:
            for tag, value, quality in zip(batch.tag, batch.value, batch.quality, strict=True):
                got[names[tag]] = (float(value), Quality(quality))
            if len(got) >= enough:
                return got
    raise AssertionError(got)


async def test_values_of_every_table_and_type_arrive_in_units(serve, connector):
    registers = words("fhHiIqQd", 1480.5, -200, 1234, -70000, 70000, -5, 2**53, 0.1)
    registers += words("e", 0.5) + words("bB", -3, 250) + [0b1010]
    tags = {
        "speed": {"address": 0, "data_type": "float32"},
        "temperature": {"address": 2, "data_type": "int16", "scale": 0.1},
        "level": {"address": 3, "scale": 0.5, "offset": 100},
        "position": {"address": 4, "data_type": "int32"},
        "count": {"address": 6, "data_type": "uint32"},
        "drift": {"address": 8, "data_type": "int64"},
        "total": {"address": 12, "data_type": "uint64"},
        "fine": {"address": 16, "data_type": "float64"},
        "half": {"address": 20, "data_type": "float16"},
        "upper": {"address": 21, "data_type": "int8", "byte": "high"},
        "lower": {"address": 21, "data_type": "uint8"},
        "fault": {"address": 22, "bit": 1},
        "ready": {"address": 22, "bit": 2},
        "pump": {"address": 2, "table": "coil"},
        "valve": {"address": 3, "table": "coil"},
        "door": {"address": 3, "table": "discrete"},
        "raw": {"address": 77, "table": "input"},
    }
    async with serve(device(holding=registers)) as plc:
        got = await read(connector(plc.port, tags), len(tags))
    assert {name: value for name, (value, _) in got.items()} == {
        "speed": 1480.5, "temperature": -20.0, "level": 717.0, "position": -70000, "count": 70000,
        "drift": -5, "total": 2**53, "fine": 0.1, "half": 0.5, "upper": -3, "lower": 250,
        "fault": 1, "ready": 0, "pump": 1, "valve": 0, "door": 1, "raw": 77,
    }  # fmt: skip
    assert {quality for _, quality in got.values()} == {Quality.GOOD}


async def test_several_units_share_one_connection(serve, connector):
    tags = {
        "one": {"address": 0},
        "two": {"address": 0, "unit_id": 2},
        "three": {"address": 0, "unit_id": 3},
    }
    units = [device(unit, [100 * unit]) for unit in (1, 2, 3)]
    async with serve(*units) as plc:
        got = await read(connector(plc.port, tags), 3)
        assert {name: value for name, (value, _) in got.items()} == {
            "one": 100, "two": 200, "three": 300
        }  # fmt: skip
        assert plc.connections == 1


async def test_samples_carry_the_time_of_their_response_and_its_wire_bytes(serve, connector):
    async with serve(device()) as plc:
        reader = connector(plc.port, {"a": {"address": 0}, "b": {"address": 9}})
        before = time.time_ns()
        async with reader.open() as batches:
            batch = await anext(batches)
        assert before <= batch.at[0] == batch.at[1] <= time.time_ns()
        assert batch.at.dtype == np.int64
        assert batch.tag.dtype == np.int32
        assert batch.quality.dtype == np.uint8
        assert batch.wire_bytes == 7 + 2 + 2 * 10


async def test_each_tag_keeps_its_own_period_on_one_connection(serve, connector):
    tags = {"fast": {"address": 0, "period": "10ms"}, "slow": {"address": 1, "period": "50ms"}}
    async with serve(device()) as plc:
        stamps = {0: [], 1: []}
        async with connector(plc.port, tags).open() as batches:
            async for batch in batches:
                stamps[int(batch.tag[0])].append(int(batch.at[0]))
                if len(stamps[1]) == 5:
                    break
    # A busy machine may skip slots, but a slot is never early and the fast tag goes first.
    assert stamps[1][-1] - stamps[1][0] >= 3 * SECOND // 20
    assert len(stamps[0]) >= 5


async def test_an_address_that_does_not_exist_makes_only_its_own_tag_bad(serve, connector):
    tags = {f"t{at}": {"address": at, "table": "input"} for at in range(195, 205)}
    async with serve(device()) as plc:
        reader = connector(plc.port, tags, max_gap=0)
        got = await read(reader, 10)
        assert [got[f"t{at}"] for at in range(195, 200)] == [
            (at, Quality.GOOD) for at in range(195, 200)
        ]
        assert all(got[f"t{at}"][1] is Quality.BAD for at in range(200, 205))
        # The split is kept: a second session requests no range that was refused before.
        plc.asked.clear()
        again = await read(reader, 10)
        assert len(plc.asked) == len(reader.requests)
    assert again.keys() == got.keys()


async def test_a_hole_between_two_tags_loses_neither_of_them(serve, connector):
    holes = SimDevice(
        id=1,
        simdata=[
            SimData(0, values=[7, 8], datatype=DataType.REGISTERS),
            SimData(5, values=[9], datatype=DataType.REGISTERS),
        ],
    )
    async with serve(holes) as plc:
        reader = connector(plc.port, {"a": {"address": 1}, "b": {"address": 5}})
        assert len(reader.requests) == 1
        got = await read(reader, 2)
        assert got == {"a": (8, Quality.GOOD), "b": (9, Quality.GOOD)}
        assert len(reader.requests) == 2


async def test_a_device_exception_makes_its_request_bad_and_the_next_poll_good_again(
    serve, connector
):
    busy = [True]

    async def action(*_):
        return ExcCodes.DEVICE_BUSY if busy and busy.pop() else None

    async with serve(device(action=action)) as plc:
        tags = {"a": {"address": 0}, "b": {"address": 1}}
        async with connector(plc.port, tags).open() as batches:
            first, second = await anext(batches), await anext(batches)
    assert list(first.quality) == [Quality.BAD] * 2
    assert np.isnan(first.value).all()
    assert first.wire_bytes == 9
    assert list(second.quality) == [Quality.GOOD] * 2


async def test_a_device_that_refuses_everything_is_split_ever_more_rarely(serve, connector):
    requests = []

    async def action(_function, _start, address, count, *_):
        requests.append((address, count))
        return ExcCodes.ILLEGAL_ADDRESS

    async with serve(device(action=action)) as plc:
        reader = connector(plc.port, {f"t{at}": {"address": at} for at in range(4)}, period="5ms")
        async with reader.open() as batches:
            for _ in range(16):
                assert (await anext(batches)).quality.tolist() == [Quality.BAD] * 4
        assert len(reader.requests) == 1
    split = [(0, 2), (0, 1), (1, 1), (2, 2), (2, 1), (3, 1)]
    assert requests[:7] == [(0, 4), *split]
    assert requests.count((0, 4)) == 16
    # At the 1st, 2nd, 4th, 8th and 16th refusal.
    assert len(requests) == 16 + 5 * len(split)


async def test_only_the_four_reads_go_over_the_wire(serve, connector):
    tags = {
        table: {"address": 0, "table": table} for table in ("holding", "input", "coil", "discrete")
    }
    async with serve(device()) as plc:
        reader = connector(plc.port, tags)
        await read(reader, 4)
        assert (await reader.probe()).ok
        assert {function for function, _, _ in plc.asked} == {1, 2, 3, 4}


async def test_a_refused_connection_is_a_lost_source_with_its_reason(connector):
    reader = connector(free_port(), {"a": {"address": 0}})
    with pytest.raises(SourceLost, match=r"127\.0\.0\.1:\d+: connection refused"):
        async with reader.open():
            pass


async def test_a_server_that_goes_away_ends_the_session_and_may_be_opened_again(serve, connector):
    async with serve(device()) as plc:
        reader = connector(plc.port, {"a": {"address": 0}})
        session = reader.open()
        batches = await session.__aenter__()
        await anext(batches)
    with pytest.raises(SourceLost, match="connection closed by the peer"):
        async for _ in batches:
            pass
    await session.__aexit__(None, None, None)
    async with serve(device(holding=[5]), port=plc.port):
        assert await read(reader, 1) == {"a": (5, Quality.GOOD)}


async def test_leaving_the_context_closes_the_connection_also_when_cancelled(serve, connector):
    async with serve(device()) as plc:
        reader = connector(plc.port, {"a": {"address": 0}})
        reading = asyncio.Event()

        async def poll():
            async with reader.open() as batches:
                async for _ in batches:
                    reading.set()

        running = asyncio.create_task(poll())
        await reading.wait()
        assert not plc.gone.is_set()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await plc.gone.wait()


async def test_a_probe_reports_its_outcome_in_one_text(serve, connector):
    async with serve(device()) as plc:
        good = await connector(plc.port, {"a": {"address": 0}, "b": {"address": 1}}).probe()
        refused = await connector(plc.port, {"a": {"address": 300}}).probe()
    gone = await connector(plc.port, {"a": {"address": 0}}).probe()
    assert good.ok
    assert good.message.startswith("connected in ")
    assert good.message.endswith(" ms, 2 tags in 1 request")
    assert (refused.ok, refused.message) == (
        False, "connected, but unit 1 holding 300..300: exception 2, illegal data address"
    )  # fmt: skip
    assert (gone.ok, gone.message) == (False, f"127.0.0.1:{plc.port}: connection refused")


def test_declared_tags_take_the_period_of_their_source(connector):
    tags = {"a": {"address": 0, "unit": "bar", "high": 9}, "b": {"address": 1, "period": "5s"}}
    reader = connector(1, tags)
    first, second = reader.declared_tags("plc", reader.options)
    assert (first.name, first.source, first.unit, first.high) == ("a", "plc", "bar", 9)
    assert (first.period, second.period) == (SECOND // 50, 5 * SECOND)
