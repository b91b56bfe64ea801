"""What `andon once`, `check` and `discover` say of a device that breaks the protocol."""

import asyncio
import threading
from contextlib import contextmanager

import pytest
from click.testing import CliRunner
from odd_modbus import odd_device
from patience import PATIENCE

from gateway.cli import main

LINE = """\
version: 1
site: plant
line: odd
sources:
  plc: {{type: modbus, host: 127.0.0.1, port: {port}, unit_id: 3, timeout: 300ms{more}}}
"""
TAGS = ", tags: {a: {address: 3}, v: {address: 100, data_type: float32}}"


@contextmanager
def served(answer, **options):
    """The device in a thread of its own: a command runs a loop of its own."""
    ready, box = threading.Event(), {}

    async def run():
        box["stop"], box["loop"] = asyncio.Event(), asyncio.get_running_loop()
        async with odd_device(answer, **options) as device:
            box["port"] = device.port
            ready.set()
            await box["stop"].wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield box["port"]
    finally:
        box["loop"].call_soon_threadsafe(box["stop"].set)
        thread.join(PATIENCE)


def said(tmp_path, command, port, more=""):
    """The output in one row, as the console wraps it."""
    line = tmp_path / "line.yaml"
    line.write_text(LINE.format(port=port, more=more + TAGS))
    return " ".join(CliRunner().invoke(main, [*command, str(line)]).output.split())


@pytest.mark.parametrize("command", [["once"], ["check", "--connect"]])
def test_the_option_that_would_help_is_named_whole(tmp_path, command):
    with served(lambda asked: [asked.tcp(length=6)]) as port:
        words = said(tmp_path, command, port)
        assert "the header says 6 bytes, 5 came (`tolerate: [length]` would accept it)" in words
        assert "[length]" not in said(tmp_path, command, port, ", tolerate: [length]")


def test_a_device_that_closes_after_each_answer_is_read_once(tmp_path):
    with served(lambda asked: [asked.tcp(), "close"]) as port:
        words = said(tmp_path, ["once"], port)
    assert "31" in words
    assert "230.5" in words


def test_a_name_without_an_address_is_named(tmp_path):
    line = tmp_path / "line.yaml"
    given = LINE.format(port=502, more=TAGS).replace("127.0.0.1", "plc-1.invalid")
    line.write_text(given.replace("300ms", "5s"))
    words = " ".join(CliRunner().invoke(main, ["check", "--connect", str(line)]).output.split())
    assert "the name plc-1.invalid cannot be resolved" in words


def test_discover_says_what_came_and_takes_the_same_option(tmp_path):
    def odd(asked):
        right = asked.address + asked.count <= 4 and asked.function == 3
        pdu = asked.pdu() if right else bytes([asked.function | 0x80, 2])
        return [asked.tcp(pdu, unit=0)]

    with served(odd) as port:
        command = ["discover", "modbus", f"127.0.0.1:{port}", "--units", "3", "--pause", "0ms"]
        blind = CliRunner().invoke(main, command)
        assert blind.exit_code == 1
        assert "unit 0 answered for unit 3 (`tolerate: [unit_id]` would accept it)" in blind.output
        out = tmp_path / "line.yaml"
        seen = CliRunner().invoke(main, [*command, "--tolerate", "unit_id", "-o", str(out)])
        assert seen.exit_code == 0, seen.output
    assert 'tolerate: ["unit_id"]' in out.read_text()
    assert CliRunner().invoke(main, ["check", str(out)]).exit_code == 0


@pytest.mark.parametrize("unit", [":x:", "1:x: 2", ":warning:", "[bold]", "[/]", ":m:³/h", "m[3]"])
def test_what_a_person_wrote_is_printed_as_it_is(tmp_path, unit):
    line = tmp_path / "line.yaml"
    tags = f", tags: {{a: {{address: 3, unit: '{unit}'}}}}"
    with served(lambda asked: [asked.tcp()]) as port:
        line.write_text(LINE.format(port=port, more=tags))
        words = " ".join(CliRunner().invoke(main, ["once", str(line)]).output.split())
    assert f" 31 {unit} good " in words
