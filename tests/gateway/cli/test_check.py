"""`andon check` refuses each bad file at the right line and accepts every example."""

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import bundles
import pytest
from click.testing import CliRunner

from connectors.simulator.modbus_server import ModbusServer
from gateway.cli.check import command

ROOT = Path(__file__).parents[3]
BAD = sorted((ROOT / "tests/configs").glob("*.bad.yaml"))
EXAMPLES = sorted(
    path for path in (ROOT / "configs").glob("*.yaml") if b"\nsources:" in path.read_bytes()
)
GOOD = ROOT / "configs/minimal.yaml"


def check(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def expectation(path):
    """The line number and the words that the first row of the file expects."""
    first = path.read_bytes().split(b"\n")[0].decode()
    match = re.fullmatch(r"# expect: (\d+): (.+)", first)
    assert match, f"{path.name} lacks its expectation"
    return int(match[1]), match[2]


def problem_at(output, path, line):
    """All problems reported at one line of the file: headline, excerpt and hint."""
    blocks = re.split(rf"^{re.escape(str(path))}(?=:)", output, flags=re.MULTILINE)
    return [block for block in blocks if block.startswith(f":{line}:")]


def in_order(words, text):
    """Whether the words appear in this order, with anything between them."""
    return re.search(r"[\s\S]*?".join(map(re.escape, words.split())), text) is not None


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.name.removesuffix(".bad.yaml"))
def test_a_bad_file_is_refused_at_the_right_line(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    line, words = expectation(path)

    result = check(path.name)

    assert result.exit_code == 1, result.output
    blocks = problem_at(result.output, path.name, line)
    assert any(in_order(words, block) for block in blocks), result.output


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.name.removesuffix(".bad.yaml"))
def test_a_bad_file_has_no_other_problem(path):
    line, _ = expectation(path)

    report = json.loads(check(path, "--json").output)["files"][0]

    lines = {problem["line"] for problem in report["problems"] if problem["level"] == "error"}
    if path.name == "alias_bomb.bad.yaml":
        assert min(lines) == line
    else:
        assert lines == {line}


def test_there_are_enough_bad_files():
    assert len(BAD) >= 28


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_accepted(path):
    result = check(path)

    assert result.exit_code == 0, result.output
    assert re.search(r": ok, \d+ tags? from \d+ source", result.output)


def test_a_real_process_prints_a_link_and_exits_with_1():
    path = ROOT / "tests/configs/unknown_key.bad.yaml"

    done = subprocess.run(
        [sys.executable, "-m", "gateway", "check", path.name],
        cwd=path.parent,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "unknown_key.bad.yaml:9:5: sources.plc.timeuot: unknown key",
        "        timeuot: 1s",
        "        ^",
        '  hint: did you mean "timeout"?',
        "unknown_key.bad.yaml: 1 problem",
    ]


def test_all_problems_come_at_once_in_the_order_of_the_lines(tmp_path):
    path = tmp_path / "line.yaml"
    path.write_text(
        GOOD.read_text()
        .replace("line: press-3", "line: press 3")
        .replace("period: 1s", "period: 1")
        .replace("oil_temperature: {high_high", "oil: {high_high")
    )

    output = check(path).output

    lines = [int(line) for line in re.findall(r"line\.yaml:(\d+):", output)]
    assert lines == sorted(lines)
    assert len(lines) == 3
    assert output.endswith(f"{path}: 3 problems\n")


def test_no_file_is_wrong_usage():
    assert check().exit_code == 2


def test_a_missing_file_is_wrong_usage(tmp_path):
    result = check(tmp_path / "nowhere.yaml")

    assert result.exit_code == 2
    assert "nowhere.yaml" in result.output


def test_one_bad_file_among_good_ones_decides_the_exit_code():
    result = check(GOOD, BAD[0])

    assert result.exit_code == 1
    assert f"{GOOD}: ok" in result.output


def test_a_budget_that_a_model_cannot_keep_is_a_warning(tmp_path):
    bundles.write(tmp_path)
    tags = "".join(f"      {name}: {{address: {2 * n}}}\n" for n, name in enumerate(bundles.NAMES))
    path = tmp_path / "line.yaml"
    path.write_text(
        "version: 1\nline: pump\nsite: here\nsources:\n"
        f"  plc:\n    type: modbus\n    host: 127.0.0.1\n    tags:\n{tags}"
        "detectors:\n  model: {type: onnx, bundle: pump, false_alarms: 1 per year}\n"
    )

    result = check(path)

    assert "warning: " in result.output
    assert "one false alarm in 365 days cannot be promised" in result.output
    assert result.exit_code == 0
    assert check(path, "--strict").exit_code == 1


def test_a_warning_counts_only_when_strict(tmp_path):
    path = tmp_path / "line.yaml"
    path.write_text(GOOD.read_text().split("detectors:")[0])

    assert "warning: " in check(path).output
    assert check(path).exit_code == 0
    assert check(path, "--strict").exit_code == 1


def test_a_secret_is_never_repeated():
    for name in ("password_in_clear_text", "token_in_clear_text", "password_in_a_url"):
        output = check(ROOT / f"tests/configs/{name}.bad.yaml", "--json").output
        assert "hunter2" not in output
        assert "8fJ3kPq" not in output


def test_show_prints_an_equivalent_line_file(tmp_path):
    shown = check(ROOT / "configs/influx-cloud.yaml", "--show")
    again = tmp_path / "again.yaml"
    again.write_text(shown.output)

    assert shown.exit_code == 0
    assert "token: ${credential:influx_token}" in shown.output
    assert "site_file" not in shown.output
    digests = [
        json.loads(check(path, "--json").output)["files"][0]["digest"]
        for path in (ROOT / "configs/influx-cloud.yaml", again)
    ]
    assert digests[0] == digests[1]


def test_json_is_one_object_with_everything():
    report = json.loads(check(GOOD, "--json", "--show").output)["files"][0]

    assert report["ok"] is True
    assert report["line"] == "press-3"
    assert report["resolved"]["sources"]["plc"]["period"] == "1s"
    assert report["problems"] == []


async def test_connect_tries_a_real_device_and_reports_each_part(tmp_path):
    server = ModbusServer("127.0.0.1", 0)
    await server.start()
    try:
        port = server.port
        alive = await connect(tmp_path, port)
    finally:
        await server.stop()
    dead = await connect(tmp_path, port)

    assert alive["ok"] is True
    assert [(part["part"], part["ok"]) for part in alive["parts"]] == [
        ("source plc", True),
        ("detector guard", True),
        ("sink archive", True),
    ]
    assert dead["ok"] is False
    assert [part["ok"] for part in dead["parts"]] == [False, True, True]


async def test_a_hasty_source_passes_beside_sinks_whose_libraries_take_long_to_import(tmp_path):
    server = ModbusServer("127.0.0.1", 0)
    await server.start()
    try:
        sinks = "  cloud: {type: influx, url: 'http://127.0.0.1:9', bucket: b, org: o}\n"
        sinks += "  panel: {type: mqtt, host: 127.0.0.1, port: 9}\n"
        report = await connect(tmp_path, server.port, "timeout: 150ms,", sinks)
    finally:
        await server.stop()
    assert {part["part"]: part["ok"] for part in report["parts"]} == {
        "source plc": True,
        "detector guard": True,
        "sink archive": True,
        "sink cloud": False,
        "sink panel": False,
    }


async def connect(folder, port, options="", sinks=""):
    """The report of `andon check --connect --json` in its own process; checks the exit code."""
    path = folder / "line.yaml"
    path.write_text(
        "version: 1\nline: press-3\nsite: demo-plant\n"
        f"state: {folder}/state\n"
        "sources:\n"
        f"  plc: {{type: modbus, host: 127.0.0.1, port: {port}, {options}"
        "tags: {oil: {address: 0}}}\n"
        "detectors:\n  guard: {type: limits, tags: {oil: {high: 65}}}\n"
        f"sinks:\n  archive: {{type: file}}\n{sinks}"
    )
    command = ["-m", "gateway", "check", "--connect", "--json", str(path)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    report = json.loads(output)["files"][0]
    assert process.returncode == (0 if report["ok"] else 1)
    return report


def test_the_plan_shows_the_load_of_polling_on_a_serial_bus():
    result = check(ROOT / "configs/serial-line.yaml", "--plan")
    assert result.exit_code == 0
    assert "plan of rs485\n  1.517 requests/s" in result.output
    assert "serial bus 2.09 % busy at 19200 bit/s" in result.output
    report = json.loads(check(ROOT / "configs/serial-line.yaml", "--plan", "--json").output)
    assert "every 2s  unit 1 holding 0..1  2 tags, 0 idle" in report["files"][0]["plans"]["rs485"]


def test_a_source_that_does_not_poll_has_no_plan():
    assert "plan of" not in check(ROOT / "configs/mqtt.yaml", "--plan").output
