"""Against modbus-serial, a server of other authors in Node.js: read, refusals, faults, restart."""

import asyncio
import signal

import pytest
from foreign import node_server
from patience import PATIENCE

from gateway.api.contracts import SourceLost
from gateway.api.model import Quality

TYPED = {
    "voltage": ({"address": 1000, "data_type": "float32"}, 230.5),
    "position": ({"address": 1002, "data_type": "int32"}, -70000),
    "fine": ({"address": 1004, "data_type": "float64"}, 0.1),
    "drift": ({"address": 1008, "data_type": "int64"}, -5),
    "code": ({"address": 1012, "data_type": "bcd16"}, 1234),
    "energy": ({"address": 1013, "data_type": "mod10_32"}, 10002),
    "mode": (
        {"address": 1015, "data_type": "string", "length": 2, "enumeration": {"AUTO": 1}},
        1,
    ),
    "bit": ({"address": 1012, "bit": 2}, 1),
    "raw": ({"address": 7, "table": "input"}, 1107),
    "coil": ({"address": 7, "table": "coil"}, 1),
    "discrete": ({"address": 9, "table": "discrete"}, 1),
    "of_unit_3": ({"address": 7, "unit_id": 3}, 307),
}


async def collect(batches, count):
    """The newest value by tag, or why there is none, once there are so many."""
    got = {}
    async with asyncio.timeout(PATIENCE):
        while len(got) < count:
            batch = await anext(batches)
            for tag, value, quality in zip(batch.tag, batch.value, batch.quality, strict=True):
                is_good = quality == Quality.GOOD
                got[int(tag)] = float(value) if is_good else batch.reasons[int(tag)]
    return got


async def test_every_table_type_and_unit_is_read(tmp_path, connector):
    with node_server(tmp_path, "modbus_server.js") as server:
        reader = connector(server.port, {name: tag for name, (tag, _) in TYPED.items()})
        async with reader.open() as batches:
            got = await collect(batches, len(TYPED))
        assert reader.diagnostics == []
    assert got == dict(enumerate(right for _, right in TYPED.values()))


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 10, 11])
async def test_a_refused_register_has_its_reason_and_its_neighbours_their_values(
    tmp_path, connector, code
):
    tags = {"a": {"address": 1998}, "b": {"address": 2000 + code}}
    with node_server(tmp_path, "modbus_server.js") as server:
        reader = connector(server.port, tags, max_gap=12)
        async with reader.open() as batches:
            for _ in range(6):
                got = await collect(batches, 2)
    assert got[1].startswith(f"exception {code}, ")
    assert got[0] == 2098


async def test_a_server_that_freezes_dies_and_restarts_is_read_again(tmp_path, connector):
    tags = {"a": {"address": 7}}
    with node_server(tmp_path, "modbus_server.js") as server:
        reader = connector(server.port, tags, timeout="400ms")
        async with reader.open() as batches:
            assert await collect(batches, 1) == {0: 107}
            server.signal(signal.SIGSTOP)
            with pytest.raises(SourceLost, match="no response from unit 1 within 400ms"):
                await until_lost(batches)
        server.signal(signal.SIGCONT)
        async with reader.open() as batches:
            assert await collect(batches, 1) == {0: 107}
            server.signal(signal.SIGKILL)
            with pytest.raises(SourceLost, match="connection closed by the peer"):
                await until_lost(batches)
        server.process.wait()
        with pytest.raises(SourceLost, match="connection refused"):
            async with reader.open():
                pass
        server.start()
        async with reader.open() as batches:
            assert await collect(batches, 1) == {0: 107}


async def until_lost(batches):
    async with asyncio.timeout(PATIENCE):
        async for _ in batches:
            pass


async def test_a_slow_register_delays_but_does_not_shift_the_others(tmp_path, connector):
    tags = {"a": {"address": 7}, "slow": {"address": 3000}, "b": {"address": 500}}
    with node_server(tmp_path, "modbus_server.js", "150") as server:
        async with connector(server.port, tags).open() as batches:
            for _ in range(3):
                assert await collect(batches, 3) == {0: 107, 1: 3100, 2: 600}
