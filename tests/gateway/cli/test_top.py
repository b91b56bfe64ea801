"""`andon top --once`, and what is needed for the rest."""

import asyncio
import threading

import pytest
from click.testing import CliRunner
from patience import PATIENCE
from top_lines import Press

from gateway.cli import main, top

LINE = """
version: 1
line: press-3
site: s
state: .
sources:
  plc:
    type: modbus
    host: 127.0.0.1
    unit_id: 1
    period: 1s
    tags: {flow: {address: 0}}
sinks:
  disk: {type: file}
"""


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "l.yaml"
    file.write_text(LINE)
    return file


@pytest.fixture
def press(file):
    """A daemon in a thread of its own."""
    started, loop, over = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def serve():
        press = Press(file.parent)
        await press.start()
        async with press.serving():
            started.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert started.wait(PATIENCE)
    yield
    loop.call_soon_threadsafe(over.set)
    thread.join()
    loop.close()


def run(*args):
    return CliRunner().invoke(main, ["top", *map(str, args)])


def test_once_prints_a_frame(file, press):
    result = run(file, "--once")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("press-3: degraded, 1 alarm\n")
    assert "medium  unack" in result.output


def test_once_says_that_no_daemon_answers(file):
    result = run(file, "--once")
    assert result.exit_code == 1
    assert "press-3: NO ANSWER since" in result.output


def test_two_files_of_one_line_are_refused(file):
    other = file.with_name("m.yaml")
    other.write_text(LINE)
    result = run(file, other, "--once")
    assert result.exit_code == 1
    assert "two of these files have the line press-3" in result.output


def test_without_textual_it_says_how_to_install_it(file, monkeypatch):
    monkeypatch.setattr(top, "find_spec", lambda _name: None)
    result = run(file)
    assert result.exit_code == 1
    assert "andon top needs textual: run " in result.output
    assert "pip install 'textual" in result.output


def test_without_a_terminal_it_points_to_once(file):
    result = run(file)
    assert (result.exit_code, "use --once in a script" in result.output) == (1, True)


def test_a_picture_loads_nothing_from_elsewhere(file, press, monkeypatch):
    monkeypatch.setattr("gateway.top.app.DRAWN_S", 0.5)
    result = run(file, "--svg", file.with_name("top.svg"))
    assert result.exit_code == 0, result.output
    picture = file.with_name("top.svg").read_text()
    assert "ALARMS" in picture
    assert "url(http" not in picture.replace("url(#", "")
