"""`andon simulate` as a process: it reports when it is ready, executes commands, and stops."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest
import yaml
from click.testing import CliRunner
from patience import PATIENCE

from connectors.modbus import ModbusOptions
from connectors.simulator.command import simulate
from connectors.simulator.configuration import line_file
from connectors.simulator.signals import MODBUS, MQTT, OPCUA, TAGS
from connectors.simulator.skid import Skid
from detectors.runtime.limits import LimitsOptions
from gateway.api.model import SECOND


class Process:
    """A running `andon simulate --json`."""

    def __init__(self, *arguments):
        command = [sys.executable, "-m", "gateway", "simulate", "--json"]
        command += ["--modbus", "0", "--opcua", "0", *arguments]
        self.popen = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def type(self, line):
        self.popen.stdin.write(line + "\n")
        self.popen.stdin.flush()

    def event(self):
        return json.loads(self.popen.stdout.readline())

    def end(self, number=signal.SIGTERM):
        self.popen.send_signal(number)
        return self.popen.wait(PATIENCE)


@contextmanager
def simulating(*arguments):
    process = Process(*arguments)
    try:
        yield process
    finally:
        process.popen.kill()
        process.popen.wait()
        process.popen.stdin.close()
        process.popen.stdout.close()


def connects(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_it_serves_executes_commands_and_ends_with_clients_connected():
    with simulating() as plant:
        ready = plant.event()
        assert ready["event"] == "ready"
        assert ready["mqtt"] is None
        assert ready["opcua"].endswith("/andon/plant")
        opcua_port = int(ready["opcua"].split(":")[2].split("/")[0])
        with (
            socket.create_connection(("127.0.0.1", ready["modbus"])) as client,
            socket.create_connection(("127.0.0.1", opcua_port)),
        ):
            client.settimeout(PATIENCE)
            plant.type("fault plc_gone")
            event = plant.event()
            assert (event["event"], event["name"]) == ("fault", "plc_gone")
            assert client.recv(1) == b""
            assert not connects(ready["modbus"])
            plant.type("clear")
            assert plant.event()["names"] == ["plc_gone"]
            assert connects(ready["modbus"])
            plant.type("stop opcua")
            assert plant.event() | {"at": 0} == {"event": "stopped", "server": "opcua", "at": 0}
            assert not connects(opcua_port)
            plant.type("start opcua")
            assert plant.event()["event"] == "started"
            plant.type("fault rust")
            assert plant.event()["event"] == "error"
            with socket.create_connection(("127.0.0.1", opcua_port)):
                assert plant.end() == 0


def test_a_fault_begins_by_itself_and_the_end_of_stdin_does_not_end_the_plant():
    with simulating("--fault", "cavitation", "--fault-after", "500ms") as plant:
        plant.popen.stdin.close()
        assert plant.event()["event"] == "ready"
        event = plant.event()
        assert (event["event"], event["name"]) == ("fault", "cavitation")
        assert plant.popen.poll() is None
        assert plant.end(signal.SIGINT) == 0


def test_a_taken_port_is_a_readable_error():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "gateway", "simulate", "--opcua", "0", "--modbus", port]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=PATIENCE
        )
    assert done.returncode == 1
    assert done.stderr == f"Error: Modbus cannot listen on 127.0.0.1:{port}\n"


def test_it_records(tmp_path):
    path = tmp_path / "a.csv"
    arguments = ["--record", str(path), "--for", "10s", "--start", "2026-05-01T12:00:00Z"]
    done = CliRunner().invoke(simulate, [*arguments, "--fault", "cavitation", "--fault-at", "5s"])
    assert done.exit_code == 0
    assert path.read_text().splitlines()[1].startswith("2026-05-01T12:00:00.500Z,")
    assert "cavitation begins at 2026-05-01T12:00:05" in done.stderr


@pytest.mark.parametrize(
    "wrong",
    [["--for", "2"], ["--start", "noon"], ["--mqtt", "localhost"], ["--fault", "rust"]],
)
def test_a_wrong_option_is_refused(wrong):
    done = CliRunner().invoke(simulate, ["--record", "a.csv", *wrong])
    assert done.exit_code == 2
    assert wrong[0] in done.stderr


def test_it_prints_the_line_file_of_its_ports():
    ports = ["--modbus", "1502", "--opcua", "14840", "--mqtt", "broker:1884"]
    done = CliRunner().invoke(simulate, ["--print-config", *ports])
    assert done.exit_code == 0
    assert done.stdout == line_file(1502, 14840, ("broker", 1884))
    parts = yaml.safe_load(done.stdout)
    assert parts["sources"]["plc"]["port"] == 1502
    assert parts["sources"]["monitor"]["url"] == "opc.tcp://127.0.0.1:14840/andon/plant"
    assert (parts["sources"]["broker"]["host"], parts["sources"]["broker"]["port"]) == (
        "broker",
        1884,
    )


def test_the_line_file_reads_every_tag_once():
    sources = yaml.safe_load(line_file(mqtt=("localhost", 1883)))["sources"]
    read = [tag for source in sources.values() for tag in source["tags"]]
    assert sorted(read) == sorted(TAGS)
    assert len(read) == len(MODBUS) + len(OPCUA) + len(MQTT)


def test_the_detectors_of_the_line_file_use_only_tags_that_it_reads():
    parts = yaml.safe_load(line_file())
    read = {tag for source in parts["sources"].values() for tag in source["tags"]}
    assert set(parts["detectors"]["guard"]["tags"]) <= read


def test_modbus_and_limits_accept_their_parts_of_the_line_file():
    parts = yaml.safe_load(line_file())
    plc = ModbusOptions.model_validate(parts["sources"]["plc"])
    guard = LimitsOptions.model_validate(parts["detectors"]["guard"])
    assert set(plc.tags) == {signal.name for signal in MODBUS}
    assert guard.tags["level"].low == 20


def test_the_line_file_may_have_no_model():
    assert list(yaml.safe_load(line_file(bundle=None))["detectors"]) == ["guard"]


class Published:
    """A server that only records the times of what it is given."""

    is_running, address = True, None

    def __init__(self):
        self.at = []

    async def start(self): ...
    async def stop(self): ...

    async def publish(self, at, _readings):
        self.at.append(at)


async def test_the_plant_keeps_up_with_the_clock_and_publishes_nothing_old():
    from connectors.simulator.skid import plant_now

    plant = plant_now(1)
    plant.at -= 10 * SECOND
    behind, published = plant.at, Published()
    skid = Skid(plant, {"only": published}, lambda _: None)
    running = asyncio.create_task(skid.run())
    async with asyncio.timeout(PATIENCE):
        while not published.at:
            await asyncio.sleep(0.01)
    running.cancel()
    assert published.at[0] >= behind + 9 * SECOND
    assert plant.elapsed > 9
