"""`andon alarms` as a process, against a running line."""

import asyncio
import json
import sys

import pytest
from click.testing import CliRunner
from fakes import LastValue, MemoryStore, batch

from gateway.api.model import SECOND
from gateway.cli import main
from gateway.config.load import load
from gateway.control import alarm_routes
from gateway.control.server import SOCKET, serve
from gateway.line.line import Line

T0 = 1_700_000_040 * SECOND
LINE = """
version: 1
line: press
site: here
state: state
sources:
  plc: {type: modbus, host: 127.0.0.1, port: 1, tags: {flow: {address: 0}}}
"""


async def alarms(file, *words):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "alarms", str(file), *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    return process.returncode, out.decode(), errors.decode()


@pytest.fixture
async def file(tmp_path):
    """The line file of a running line with one active alarm."""
    path = tmp_path / "press.yaml"
    path.write_text(LINE)
    config = load(path)
    config.places.state.mkdir()
    pump = {"pump": LastValue("flow")}
    line = Line(config, pump, MemoryStore(), T0, clock=lambda: T0 + 2 * SECOND)
    line.inbox.put(batch(T0 + SECOND // 2, 20.0), 0)
    await line.tick(T0 + 2 * SECOND)
    routes = alarm_routes.routes(line.health, line.act, lambda: T0)
    where = {"host": "127.0.0.1", "port": 0, "socket": config.places.state / SOCKET}
    async with serve(line.health, lambda: b"", lambda: T0, routes=routes, **where):
        running = asyncio.create_task(line.run())
        yield path
        running.cancel()


async def test_an_alarm_is_listed_and_acknowledged_by_its_id(file):
    code, out, _ = await alarms(file, "list", "--json")
    alarm = json.loads(out)
    assert (code, alarm["state"]) == (0, "unacknowledged")
    code, out, _ = await alarms(file, "ack", alarm["id"], "--by", "anna")
    assert (code, out) == (0, "Press unlike its normal running: acknowledged by anna\n")
    _, out, _ = await alarms(file, "list")
    assert alarm["id"] in out
    assert "  active, acknowledged  by anna  " in out


async def test_what_the_daemon_refuses_is_a_sentence_and_exit_code_1(file):
    code, out, errors = await alarms(file, "ack", "pump.anomaly-1", "--by", "anna")
    assert (code, out) == (1, "")
    assert errors.startswith("Error: no alarm has the id pump.anomaly-1; did you mean ")
    assert "pump.anomaly-18bcfe60828" in errors


async def test_without_a_daemon_it_says_so(tmp_path):
    path = tmp_path / "press.yaml"
    path.write_text(LINE)
    code, _, errors = await alarms(path, "list")
    assert (code, "no daemon answers" in errors) == (1, True)


async def test_an_alarm_is_acknowledged_with_a_verdict_by_the_beginning_of_its_name(file):
    words = ("--verdict", "real", "--comment", "worn seal", "--by", "anna")
    code, out, _ = await alarms(file, "ack", "pump", *words)
    assert (code, out.splitlines()) == (
        0,
        [
            "Press unlike its normal running: a real fault, says anna: worn seal",
            "Press unlike its normal running: acknowledged by anna",
        ],
    )
    _, out, _ = await alarms(file, "list", "--json")
    assert json.loads(out)["verdict"] == "real"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("shelve", "pump"), "give --for, as in --for 2h, or --once"),
        (("shelve", "pump", "--for", "2h", "--once"), "give --for"),
        (("comment", "pump"), "give --verdict, --comment, or both"),
        (("ack",), "Missing argument 'ALARM...'"),
        (("out-of-service", "pump"), "Missing option '--why'"),
        (("ack", "pump", "--verdict", "maybe"), "'real', 'false', 'unclear'"),
    ],
)
def test_what_is_missing_is_said_before_the_daemon_is_asked(tmp_path, words, said):
    path = tmp_path / "press.yaml"
    path.write_text(LINE)
    done = CliRunner().invoke(main, ["alarms", str(path), *words])
    assert (done.exit_code, said in done.output) == (2, True), done.output
