"""`andon notify` as a process, against a real mail server."""

import asyncio
import os
import sys

import pytest
from click.testing import CliRunner
from mail_server import MailServer

from gateway.cli import main

LINE = """
version: 1
line: press
site: here
state: state
sources:
  plc: {type: modbus, host: 127.0.0.1, port: 1, tags: {flow: {address: 0}}}
sinks:
  people:
    type: notify
    targets:
      shift: {apprise: "${env:SHIFT}"}
      boss: {apprise: "${env:BOSS}"}
  disk: {type: file}
  mes: {type: webhook, url: "http://127.0.0.1:9/"}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "press.yaml"
    path.write_text(LINE)
    return path


@pytest.fixture
async def server():
    async with MailServer() as running:
        yield running


async def notify(file, server, *words):
    boss = "mailto://u:Qx7CANARYz9@127.0.0.1:9?from=a@plant.example&to=b@plant.example"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "notify", str(file), "test", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | {"SHIFT": server.url(), "BOSS": boss},
    )
    out, _ = await process.communicate()
    assert b"Qx7CANARYz9" not in out
    return process.returncode, out.decode()


async def test_a_test_message_is_sent_to_all_and_what_fails_is_said(file, server):
    code, out = await notify(file, server)
    assert code == 1
    rows = {row.split()[1]: row.split()[0] for row in out.splitlines()}
    assert rows == {"people.shift": "ok", "people.boss": "FAILED", "mes": "FAILED"}
    (mail,) = server.mails.messages
    assert "test message" in mail["Subject"]
    assert not (file.parent / "state").exists()


async def invoked(file, server, monkeypatch, *words):
    """The same within this process, which is faster."""
    monkeypatch.setenv("SHIFT", server.url())
    monkeypatch.setenv("BOSS", server.url())
    words = ["notify", str(file), "test", *words]
    result = await asyncio.to_thread(CliRunner().invoke, main, words)
    return result.exit_code, result.output


@pytest.mark.parametrize("target", ["shift", "people.shift"])
async def test_a_test_message_is_sent_to_the_receiver_that_is_named(
    file, server, monkeypatch, target
):
    code, out = await invoked(file, server, monkeypatch, target)
    assert (code, len(server.mails.messages)) == (0, 1)
    assert out.startswith("ok      people.shift")


async def test_a_sink_is_all_its_receivers(file, server, monkeypatch):
    code, _ = await invoked(file, server, monkeypatch, "people")
    assert (code, len(server.mails.messages)) == (0, 2)


async def test_a_name_that_is_none_is_answered_with_the_nearest(file, server, monkeypatch):
    code, out = await invoked(file, server, monkeypatch, "people.shft")
    assert code == 1
    assert "no target 'people.shft'; did you mean \"people.shift\"?" in out


async def test_a_line_that_tells_nobody_says_so(file, server, monkeypatch):
    file.write_text(LINE[: LINE.index("sinks:")])
    code, out = await invoked(file, server, monkeypatch)
    assert code == 1
    assert "no sink of this line sends messages: add a `notify` sink" in out
