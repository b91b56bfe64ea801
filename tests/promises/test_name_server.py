"""Promise: a name server that does not answer delays no alert, and every source says the name."""

import asyncio
import contextlib
import json
import sys

import pytest
import yaml
from fake_influx import FakeInflux
from name_server import UNKNOWN, name_server
from patience import PATIENCE
from pymodbus.simulator import DataType, SimData, SimDevice

from gateway.control.client import request

HOSTS = 20
"""Sources of each protocol with a name: far more than a default executor has threads."""


@contextlib.asynccontextmanager
async def plc():
    """A device whose only register is over its limit."""
    from modbus_plc import serving

    registers = SimData(0, values=[99] * 10, datatype=DataType.REGISTERS)
    async with serving(SimDevice(1, simdata=[registers])) as server:
        yield server


def line(port, cloud, state):
    """One good source, and many whose names are not answered for."""
    sources = {
        "good": {"type": "modbus", "host": "127.0.0.1", "port": port, "tags": {"a": {"address": 3}}}
    }
    for n in range(HOSTS):
        tags = {f"m{n}": {"address": 0}}
        sources[f"modbus{n}"] = {"type": "modbus", "host": f"plc-{n}.example", "tags": tags}
        tags = {f"o{n}": {"node": "nsu=urn:x;s=a"}}
        url = f"opc.tcp://opc-{n}.example:4840"
        sources[f"opcua{n}"] = {"type": "opcua", "url": url, "insecure": True, "tags": tags}
        tags = {f"q{n}": {"topic": "a"}}
        sources[f"mqtt{n}"] = {"type": "mqtt", "host": f"broker-{n}.example", "tags": tags}
    return {
        "version": 1, "line": "names", "site": "plant", "state": str(state),
        "health": {"port": 0},
        "sources": sources,
        "detectors": {"guard": {"type": "limits", "period": "1s", "tags": {"a": {"high": 20}}}},
        "sinks": {"cloud": {"type": "influx", "url": cloud, "bucket": "b", "org": "o"}},
    }  # fmt: skip


@contextlib.asynccontextmanager
async def running(command, log):
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(*command, stderr=stderr)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_alerts_leave_while_no_name_is_answered_for(tmp_path):
    fake = FakeInflux()
    with name_server(cloud_example="127.0.0.1") as names:
        async with plc() as device, fake.serving() as cloud:
            # The sink's own name is answered for, but it is asked for among all the others.
            url = cloud.url.replace("127.0.0.1", "cloud.example")
            file = tmp_path / "line.yaml"
            file.write_text(yaml.safe_dump(line(device.port, url, tmp_path / "state")))
            andon = names.inside(tmp_path, sys.executable, "-m", "gateway", "run", str(file))
            async with running(andon, tmp_path / "log") as process, asyncio.timeout(PATIENCE):
                # A look-up ends after five minutes here: whatever comes does not wait for one.
                while not any(b"andon_alert" in point for point in fake.lines):
                    assert process.returncode is None, (tmp_path / "log").read_text()
                    await asyncio.sleep(0.05)
                errors = await reasons(tmp_path / "state" / "control.sock")
                process.terminate()
                await process.wait()
    assert len({name for name in names.asked if name != "cloud.example"}) == 3 * HOSTS
    for kind, host in (("modbus", "plc"), ("opcua", "opc"), ("mqtt", "broker")):
        for n in range(HOSTS):
            words = f"the name {host}-{n}.example cannot be resolved: no answer from a name server"
            assert errors[f"{kind}{n}"].endswith(words)


async def reasons(socket):
    """Why each source is away, once each has a reason."""
    while True:
        facts = await request(socket)
        errors = {s["name"]: s["error"] for s in facts["sources"] if not s["up"]}
        if len(errors) == 3 * HOSTS and all(errors.values()):
            return errors
        await asyncio.sleep(0.1)


SINKS = {
    "influx": {"type": "influx", "url": "http://no.example:8086", "bucket": "b", "org": "o"},
    "proxy": {
        "type": "influx", "url": "http://192.0.2.1", "bucket": "b", "org": "o",
        "proxy": "http://no.example:3128",
    },
    "mqtt": {"type": "mqtt", "host": "no.example"},
}  # fmt: skip
SOURCES = {
    "modbus": {"type": "modbus", "host": "no.example", "tags": {"a": {"address": 3}}},
    "hasty": {
        "type": "modbus", "host": "no.example", "timeout": "100ms",
        "tags": {"b": {"address": 3}},
    },
    "opcua": {
        "type": "opcua", "url": "opc.tcp://no.example:4840", "insecure": True,
        "tags": {"c": {"node": "nsu=urn:x;s=a"}},
    },
    "mqtt": {"type": "mqtt", "host": "no.example", "tags": {"d": {"topic": "a"}}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(None, "no answer from a name server"), (UNKNOWN, "no name server knows it")],
)
async def test_check_names_the_name_for_every_source_and_sink(tmp_path, answer, reason):
    answers = {"no_example": answer} if answer else {}
    file = tmp_path / "line.yaml"
    head = {"version": 1, "line": "names", "site": "plant", "state": str(tmp_path / "state")}
    file.write_text(yaml.safe_dump({**head, "sources": SOURCES, "sinks": SINKS}))
    with name_server(**answers) as names:
        words = ("check", "--connect", "--timeout", "15", "--json", str(file))
        command = names.inside(tmp_path, sys.executable, "-m", "gateway", *words)
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
    parts = {part["part"]: part["message"] for part in json.loads(output)["files"][0]["parts"]}
    assert set(parts) == {f"source {n}" for n in SOURCES} | {f"sink {n}" for n in SINKS}
    for part, message in parts.items():
        assert message.endswith(f"the name no.example cannot be resolved: {reason}"), part
