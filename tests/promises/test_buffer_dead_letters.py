"""Promise: rejected points can be listed, exported and sent again, by asking the daemon."""

import asyncio
import json
import sys
from types import SimpleNamespace

import pytest
from fakes import tag

from gateway.api.model import Envelope, Kind
from gateway.buffer import open_buffer
from gateway.control.buffer_routes import routes
from gateway.control.server import SOCKET, serve
from gateway.core.freshness import FreshnessWatch
from gateway.telemetry.health import Health

OPTIONS = SimpleNamespace(max_bytes=10**9, max_age=2**62)
LINE = """
version: 1
line: press-3
site: plant
sources:
  plc: {type: modbus, host: 127.0.0.1, tags: {flow: {address: 0, data_type: uint16}}}
state: state
"""


@pytest.fixture
async def daemon(tmp_path):
    """A buffer with one rejected point behind the control socket; the buffer and the line file."""
    (tmp_path / "line.yaml").write_text(LINE)
    state = tmp_path / "state"
    tags = [tag("flow")]
    health = Health("press-3", "plant", tags, FreshnessWatch(tags, 5.0, 3.0))
    async with open_buffer(state / "buffer.db", OPTIONS, {"cloud": frozenset(Kind)}) as buffer:
        await buffer.append([Envelope(Kind.ALERT, n, b"m f=%d %d" % (n, n)) for n in (1, 2)])
        leased = await buffer.lease("cloud", 10, 10**6)
        await buffer.ack("cloud", leased[:1])
        await buffer.reject("cloud", leased[1:], "field type conflict")
        socket = serve(
            health,
            lambda: b"",
            lambda: 0,
            host="127.0.0.1",
            port=0,
            socket=state / SOCKET,
            routes=routes(buffer),
        )
        async with socket:
            yield buffer, tmp_path / "line.yaml"


async def ask(file, *words):
    command = (sys.executable, "-m", "gateway", "buffer", str(file), *words)
    done = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await done.communicate()
    return done.returncode, output.decode() + errors.decode()


async def test_a_rejected_point_is_listed_exported_and_sent_again(daemon):
    buffer, file = daemon
    code, output = await ask(file, "stat", "--json")
    assert (code, json.loads(output)["dead_letters"]) == (0, 1)
    _, output = await ask(file, "list", "--json")
    letter = json.loads(output)
    assert (letter["sink"], letter["why"], letter["line"]) == (
        "cloud",
        "field type conflict",
        "m f=2 2",
    )
    _, output = await ask(file, "export")
    assert output == "# cloud: field type conflict\nm f=2 2\n"
    assert await ask(file, "requeue", str(letter["id"])) == (0, "1 requeued\n")
    assert [e.body for e in await buffer.lease("cloud", 10, 10**6)] == [b"m f=2 2"]
    assert (await buffer.stats())["dead_letters"] == 0
    _, output = await ask(file, "stat")
    # What is sent again is no loss.
    assert "rejected" not in output


async def test_a_rejected_alert_is_a_fault_until_it_is_discarded(daemon):
    _, file = daemon
    _, output = await ask(file, "stat")
    assert "sink cloud: 1 alert refused since" in output
    assert "(field type conflict): andon buffer LINE.yaml list" in output
    assert (await ask(file, "discard"))[0] == 2
    assert await ask(file, "discard", "77") == (1, "0 discarded, 0 losses noted\n")
    assert await ask(file, "discard", "--all") == (0, "1 discarded, 1 losses noted\n")
    _, output = await ask(file, "stat")
    assert "refused" not in output
    assert (await ask(file, "list"))[1] == ""


async def test_without_a_daemon_the_command_reports_that(tmp_path):
    (tmp_path / "line.yaml").write_text(LINE)
    code, output = await ask(tmp_path / "line.yaml", "stat")
    assert code == 1
    assert "no daemon answers" in output
