"""`andon run`, `andon status` and `andon once` as processes, against a real plant."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys

import pytest
from patience import PATIENCE
from rig import rig

ANDON = [sys.executable, "-m", "gateway"]
LIMITS_ONLY = """
version: 1
line: lonely
site: here
state: state
health: {port: 0}
sources:
  plc:
    type: modbus
    host: 127.0.0.1
    port: 1
    tags: {flow: {address: 0}}
detectors:
  guard: {type: limits, tags: {flow: {high: 5}}}
"""


def run(*words, **options):
    command = [*ANDON, *map(str, words)]
    return subprocess.run(command, check=False, capture_output=True, text=True, **options)


@pytest.fixture
def lonely(tmp_path):
    """A line without a plant."""
    file = tmp_path / "lonely.yaml"
    file.write_text(LIMITS_ONLY)
    return file


def test_a_wrong_file_ends_the_daemon_with_78_and_names_the_line(lonely):
    lonely.write_text(LIMITS_ONLY.replace("port: 1\n", "prot: 1\n"))
    ended = run("run", lonely)
    assert ended.returncode == 78
    assert "lonely.yaml:11:5: sources.plc.prot: unknown key" in ended.stderr
    assert 'did you mean "port"?' in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_broken_model_ends_the_daemon_with_78(lonely, tmp_path):
    bundle = tmp_path / "models" / "pump"
    bundle.mkdir(parents=True)
    (bundle / "manifest.json").write_text("{}")
    lonely.write_text(LIMITS_ONLY + "  pump: {type: onnx, bundle: models/pump}\n")
    ended = run("run", lonely)
    assert ended.returncode == 78
    assert "manifest.json" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_missing_file_is_wrong_usage(tmp_path):
    assert run("run", tmp_path / "nothing.yaml").returncode == 2


def test_status_without_a_daemon_names_the_command_to_start_it(lonely):
    ended = run("status", lonely)
    assert ended.returncode == 1
    assert "andon run" in ended.stderr


async def started(file, **environment):
    return await asyncio.create_subprocess_exec(
        *ANDON, "run", str(file), env={**os.environ, **environment},
        stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip


async def notified(manager, words, within=PATIENCE):
    """The first datagram to the service manager that contains `words`."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(within):
        while words not in (datagram := (await loop.sock_recv(manager, 4096)).decode()):
            pass
    return datagram


async def logged(daemon, event):
    """The events in the daemon's log up to this one."""
    events = []
    async with asyncio.timeout(PATIENCE):
        while event not in events:
            events.append(json.loads(await daemon.stderr.readline())["event"])
    return events


async def test_systemd_is_notified_of_ready_status_watchdog_and_stopping(lonely, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        daemon = await started(
            lonely, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="3000000"
        )
        assert "STATUS=lonely" in await notified(manager, "READY=1")
        await notified(manager, "WATCHDOG=1")
        events = await logged(daemon, "source.lost")
        daemon.send_signal(signal.SIGTERM)
        await notified(manager, "STOPPING=1")
        events += await logged(daemon, "line.stopped")
        async with asyncio.timeout(PATIENCE):
            assert await daemon.wait() == 0
    assert "line.started" in events
    assert events.count("source.lost") == 1, "a dead PLC is logged once"


async def test_a_line_runs_only_once(lonely, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        first = await started(lonely, NOTIFY_SOCKET=str(tmp_path / "notify"))
        await notified(manager, "READY=1")
        second = await started(lonely)
        errors = (await second.stderr.read()).decode()
        # The first may be about to end: systemd is to try again.
        assert await second.wait() == 74
        assert "already runs this line" in errors
        first.terminate()
        await first.communicate()


async def test_status_and_once_show_a_technician_the_line(tmp_path, bundle):
    async with rig(tmp_path, bundle) as plant:
        once = await asyncio.to_thread(run, "once", plant.file, "--json", "--timeout", "60")
        facts = json.loads(once.stdout)
        assert once.returncode == 0
        assert {tag["quality"] for tag in facts["tags"]} == {"good"}
        assert [each["name"] for each in facts["detectors"]] == ["pump", "guard"]
        assert not (tmp_path / "state").exists(), "once leaves no trace"
        async with plant.daemon():
            await plant.until(lambda f: f["health"] == "ok")
            shown = await asyncio.to_thread(run, "status", plant.file)
            assert shown.returncode == 0
            assert "bearing_temperature_de" in shown.stdout
            assert "no active alarm" in shown.stdout
            await plant.command("stop modbus")
            # Bad at once, since the source is lost, and stale when that has lasted.
            await plant.until(lambda f: f["health"] == "blind" and f["tag_states"]["stale"])
            shown = await asyncio.to_thread(run, "status", plant.file)
            assert shown.returncode == 1
            assert "stale" in shown.stdout
            assert "blind" in shown.stdout
        once = await asyncio.to_thread(run, "once", plant.file, "--timeout", "2")
        assert once.returncode == 1
        assert "plc:" in once.stdout


async def test_a_demo_that_is_killed_leaves_no_plant_behind():
    demo = await asyncio.create_subprocess_exec(*ANDON, "demo", stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(PATIENCE):
        first = (await demo.stdout.readline()).decode()
        port = int(re.search(r"Modbus on port (\d+)", first)[1])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        demo.kill()
        await demo.wait()
        with contextlib.suppress(ConnectionRefusedError):
            while True:
                writer.close()
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                await asyncio.sleep(0.1)


async def test_the_demo_raises_an_alert_for_its_fault_and_none_before():
    ended = await asyncio.to_thread(run, "demo", "--for", "30s", "--fault", "cavitation", "--json")
    assert ended.returncode == 0, ended.stderr
    facts = json.loads(ended.stdout.splitlines()[-1])
    assert facts["alerts_before_fault"] == 0
    assert facts["alerts_after_fault"] >= 1
    assert {"suction_pressure", "vibration_de", "vibration_nde"} & set(facts["top_tags"])
    assert facts["summaries_forwarded"] > 0
    assert 0 < facts["forwarded_bytes"] < facts["raw_bytes"]
