"""Whatever a bundle holds, it is refused in a sentence, in bounded memory and time."""

import json
import os
import re
import resource
import subprocess
import sys
import time

import aiohttp
import hostile_models as hostile
import pytest
from limited_daemon import ADDRESS_SPACE, MOST_RSS, limited_daemon
from modbus_plc import serving
from patience import PATIENCE
from pymodbus.simulator import DataType, SimData, SimDevice

LONG = os.environ.get("ANDON_HOSTILE") == "long"
SECONDS = 60.0
"""For a command that reads all of them, here on a loaded machine."""
SENTENCE = 500
"""Characters of a refusal, without the bundle's path."""
# The command itself, and the most memory that it had.
COMMAND = """
import re, sys
from gateway.cli import main
try:
    main()
finally:
    with open("/proc/self/status") as status:
        print(re.findall(r"VmHWM:\\s+(\\d+) kB", status.read())[0], file=sys.stderr)
"""
LINE = """
version: 1
line: hostile
site: works
sources:
  plc:
    type: modbus
    host: 127.0.0.1
    port: PORT
    period: 100ms
    tags:
      speed: {address: 0}
      flow: {address: 1}
      pressure: {address: 2}
      current: {address: 3}
state: state
health: {port: 0}
detectors:
"""


def bundles(folder):
    """Every member as a bundle, by name, and the words with which it must be refused."""
    made = {}
    for name, (data, words) in hostile.GRAPHS.items():
        made[f"graph: {name}"] = data(), None, re.escape(words)
    for name, (given, words) in hostile.MANIFESTS.items():
        content = given()
        text = content if isinstance(content, bytes) else None
        changes = {} if text is not None else content
        text = text or json.dumps(hostile.manifest(hostile.fine(), **changes)).encode()
        text = b"" if content == b"" else text
        made[f"manifest: {name}"] = hostile.fine(), text, re.escape(words)
    found = {}
    for number, (name, (data, text, words)) in enumerate(made.items()):
        found[name] = hostile.put(folder / f"b{number}", data, text), words
    for file in ("model.onnx", "manifest.json"):
        for number, (name, (make, words)) in enumerate(hostile.FILES.items()):
            path = hostile.put(folder / f"{file[:3]}{number}", hostile.fine())
            (path / file).unlink()
            make(path / file)
            found[f"{file}: {name}"] = path, words
    return found


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    return bundles(tmp_path_factory.mktemp("hostile"))


def line_file(folder, paths, port=502):
    """A line with a detector for each of these bundles, d0 and so on."""
    file = folder / "line.yaml"
    detectors = (f"  d{at}: {{type: onnx, bundle: {path}}}\n" for at, path in enumerate(paths))
    file.write_text(LINE.replace("PORT", str(port)) + "".join(detectors))
    return file


def andon(*words):
    """The command with little address space: its exit code, output, seconds and memory."""

    def limited():
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))

    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *map(str, words)],
        capture_output=True,
        text=True,
        preexec_fn=limited,
        timeout=4 * SECONDS,
        check=False,
    )
    *said, memory = done.stderr.splitlines()
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, said, time.monotonic() - began, int(memory) * 1024


def test_there_are_enough_of_them(members):
    assert len(members) >= 50


@pytest.mark.timeout(300)
def test_check_says_of_each_bundle_what_is_wrong_in_bounded_memory(members, tmp_path):
    file = line_file(tmp_path, [path for path, _ in members.values()])
    code, out, _, seconds, memory = andon("check", "--connect", "--json", file)
    assert code == 1
    assert memory < MOST_RSS
    assert seconds < SECONDS
    [report] = json.loads(out)["files"]
    said = {each["path"]: each["message"] for each in report["problems"]}
    wrong = {}
    for number, (name, (path, words)) in enumerate(members.items()):
        message = said.get(f"detectors.d{number}.bundle", "")
        begin = f"bundle {path}: "
        is_right = message.startswith(begin) and re.search(words, message)
        if not is_right or "\n" in message or len(message) > SENTENCE + len(begin):
            wrong[name] = message[:1000]
    assert not wrong, "\n".join(f"{name}: {said}" for name, said in wrong.items())


@pytest.mark.timeout(300)
def test_the_daemon_ends_as_on_a_wrong_line_file(members, tmp_path):
    some = [path for path, _ in list(members.values())[:: 1 if LONG else 12]]
    code, _, said, seconds, memory = andon("run", line_file(tmp_path, some))
    # One of them is a link to a file that may be there later: then it is tried again.
    assert code in (74, 78)
    assert memory < MOST_RSS
    assert seconds < SECONDS
    assert len([line for line in said if "bundle" in line]) >= len(some)


def strict(text):
    """JSON as another program reads it."""

    def refuse(constant):
        raise AssertionError(f"{constant} in JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.timeout(300)
async def test_a_score_that_is_no_number_is_said_and_shown_as_json(tmp_path):
    paths = []
    for number, (data, score, _) in enumerate(hostile.UNREAL.values()):
        golden = hostile.vectors([[0.0] * hostile.TAGS] * hostile.ROWS, score=score)
        paths.append(hostile.put(tmp_path / f"b{number}", data, period="100ms", golden=golden))
    device = SimDevice(1, [SimData(0, values=[7] * 4, datatype=DataType.REGISTERS)])
    async with serving(device) as plc:
        file = line_file(tmp_path, paths, plc.port)
        async with limited_daemon(file) as daemon:
            facts = await daemon.until(
                lambda f: (
                    all(d["state"] == "ok" or "model" in d["reason"] for d in f["detectors"])
                    and f["active"]
                )
            )
            for each, (_, _, said) in zip(facts["detectors"], hostile.UNREAL.values(), strict=True):
                reason = f"the model returned {said}" if said else ""
                assert (each["state"], each["reason"]) == ("blind" if said else "ok", reason)
            answers = await asked(daemon.socket, "/status", "/alarms")
            names = [alarm["detector"] for alarm in strict(answers[1])]
            assert sorted(names) == ["d3"]
            for text in (answers[0], *daemon.log.splitlines()):
                strict(text)
            told = [e["detector"] for e in daemon.said("detector.state") if "returned" in e["why"]]
            assert sorted(told) == ["d0", "d1", "d2", "d4"]
            assert daemon.rss < MOST_RSS
            assert await daemon.late_ticks() == 0
            assert await daemon.stop(within=PATIENCE) == 0


async def asked(socket, *paths):
    """What the daemon answers on its local socket, as text."""
    connector = aiohttp.UnixConnector(str(socket))
    async with aiohttp.ClientSession(connector=connector) as session:
        answers = []
        for path in paths:
            async with session.get(f"http://andon{path}") as answer:
                answers.append(await answer.text())
        return answers
