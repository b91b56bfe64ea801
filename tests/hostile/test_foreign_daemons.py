"""Whatever answers at the control socket, a command says it in a sentence."""

import asyncio
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from hostile_http import bomb, brackets, endless, raw, reply
from patience import PATIENCE

from gateway.cli import main
from gateway.control.client import MOST_BYTES, TIMEOUT_S, NotAndon, request

LINE = """
version: 1
line: l
site: s
state: state
sources: {p: {type: modbus, host: h, tags: {a: {address: 0}}}}
"""
COMMANDS = {
    "status": ("status", "FILE"),
    "status --all": ("status", "FILE", "--all"),
    "status --json": ("status", "FILE", "--json"),
    "alarms list": ("alarms", "FILE", "list"),
    "alarms ack": ("alarms", "FILE", "ack", "x", "--by", "anna"),
    "alarms journal": ("alarms", "FILE", "journal"),
    "alarms show": ("alarms", "FILE", "show", "x"),
    "alarms report": ("alarms", "FILE", "report"),
    "buffer stat": ("buffer", "FILE", "stat"),
    "buffer list": ("buffer", "FILE", "list"),
    "buffer export": ("buffer", "FILE", "export"),
    "buffer requeue": ("buffer", "FILE", "requeue", "1"),
    "buffer discard": ("buffer", "FILE", "discard", "--all"),
    "tap samples": ("tap", "FILE", "samples", "--once"),
    "tap windows": ("tap", "FILE", "windows", "--once"),
    "tap scores": ("tap", "FILE", "scores", "--once"),
    "tap alerts": ("tap", "FILE", "alerts", "--once"),
    "top --once": ("top", "FILE", "--once"),
}
EVIL = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e\r\n"
STEERS = set("\x1b\x07\x9b\u202e\r")


def body(content, status=200):
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return reply(status, text + b"\n", Content_Type="application/json")


def entry(**more):
    known = {"seq": 1, "at": 1, "recorded_at": 1, "kind": "note", "facts": {}, "message": "x"}
    return known | {"id": "", "transition": "", "severity": "", "by": "", **more}


ANSWERS = {
    "nothing": raw(),
    "SSH": raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "random bytes": raw(bytes(range(256)) * 40),
    "half a header": raw(b"HTTP/1.1 200 OK\r\nDate: M"),
    "half a body": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}"),
    "a long header": raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n"),
    "endless": endless(200, b"[" * 65_536),
    "endless rows": endless(200, b"[]\n" * 20_000),
    "endless with 400": endless(400, b"x" * 65_536),
    "a bomb": bomb(200, 300_000_000),
    "brackets": brackets(200, 200_000),
    "brackets with 500": brackets(500, 200_000),
    "a redirect": reply(302, b"", Location="http://andon/status"),
    "a redirect elsewhere": reply(307, b"", Location="http://evil.example/"),
    "no reason": reply(503, b""),
    "another reason": body({"error": {"a": 1}}, 400),
    "a list of reasons": body(["x"], 400),
    "a long reason": body({"error": "x" * 1_000_000}, 500),
    "a reason that steers": body({"error": EVIL}, 409),
    "no content": reply(204, b""),
    "empty": body(b""),
    "not UTF-8": body(b'{"a": "\xff\xfe"}'),
    "NaN": body(b'{"health": NaN, "now": Infinity}'),
    "a number of 5,000 digits": body(b"9" * 5_000),
    **{
        f"{str(content)[:20]}": body(content)
        for content in (
            {}, [], None, 0, True, "text", EVIL, [None], [1], ["x"], [{}], [[]], {"line": EVIL},
            {"health": "ok"}, {"id": 1}, {"message": EVIL}, {"message": {"a": EVIL}},
            {"requeued": "many"}, {"discarded": None, "losses": EVIL}, {"dropped": "many"},
            [{"id": 10**30, "opened_at": 0}], {"at": 10**30},
        )
    },
    **{
        f"a journal of {str(content)[:40]}": body({"entries": content, "more": True})
        for content in (
            None, 5, EVIL, [], [None], [{}], {"a": 1}, [entry(), entry()],
            [entry(at=10**30)], [entry(at=-(10**18))], [entry(seq="x")], [entry(facts=5)],
            [entry(facts={"id": EVIL})], [entry(message=EVIL)], [entry(message={"a": EVIL})],
            [entry(kind="alarm", facts={"id": []})], [entry(kind="alarm", at=float("nan"))],
        )
    },
    **{
        f"an alarm of {str(content)[:40]}": body(
            {"alarm": content, "entries": [entry()], "clip": ""}
        )
        for content in (None, 5, EVIL, [], {}, {"message": EVIL, "severity": EVIL})
    },
}  # fmt: skip


def test_there_are_enough_of_them():
    assert len(ANSWERS) * len(COMMANDS) >= 500


@pytest.fixture
def file(tmp_path):
    (tmp_path / "state").mkdir()
    path = tmp_path / "l.yaml"
    path.write_text(LINE)
    return path


@contextlib.asynccontextmanager
async def answering(file, answer, asked=None):
    """A server at the control socket of this line file that gives one answer for ever.

    It adds the head of each request to `asked`.
    """

    async def serve(reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if asked is not None:
                asked.append(head.split(b"\r\n")[0])
            await answer(writer)
        writer.close()

    async with await asyncio.start_unix_server(serve, file.parent / "state" / "control.sock"):
        yield


async def said(file, command):
    """Exit code and output of a command, in this process; fails if it is a traceback."""
    words = [str(file) if word == "FILE" else word for word in COMMANDS[command]]
    begun = time.monotonic()
    done = await asyncio.to_thread(CliRunner().invoke, main, words)
    took = time.monotonic() - begun
    assert done.exception is None or isinstance(done.exception, SystemExit), (command, done)
    assert took < 4 * TIMEOUT_S, command
    return done.exit_code, done.output


@pytest.mark.timeout(300)
@pytest.mark.parametrize("answer", ANSWERS)
async def test_each_answer_is_a_sentence(file, answer):
    # A command that lists page by page, and one that listens, may ask for ever.
    names = list(COMMANDS) if os.environ.get("ANDON_HOSTILE") == "long" else some(answer)
    async with answering(file, ANSWERS[answer]):
        for name in names:
            if answer == "endless" and name.startswith("tap"):
                continue
            code, output = await said(file, name)
            assert code in (0, 1), (name, output)
            assert not set(output) & STEERS, (name, output)
            assert output.strip() or name in ("buffer list", "buffer export"), name
            assert len(output) < 10_000 or name == "status --json", (name, output[:300])


def some(answer):
    """A third of the commands, another one for each answer."""
    begin = list(ANSWERS).index(answer) % 3
    return list(COMMANDS)[begin::3]


def facts(**changed):
    """The status of a daemon of this version."""
    alert = {
        "id": "g.x-1",
        "detector": "g",
        "alarm": "x",
        "state": "unacknowledged",
        "severity": "high",
        "at": 10**18,
        "opened_at": 10**18,
        "message": "m",
        "active": True,
        "acknowledged_by": "",
        "tag": None,
        "top_tags": [{"tag": "a", "share": 0.5, "actual": 1.0, "expected": 2.0, "reason": ""}],
    }
    return {
        "line": "l", "site": "s", "now": 2 * 10**18, "started": 10**18, "health": "ok",
        "counters": {"values_read": 1, "windows_scored": 2}, "active": [alert], "alerts": [alert],
        "not_ready": ["source p: away"], "tag_states": {"fresh": 1}, "ledger": [],
        "tags": [{"tag": "a", "value": 1.0, "unit": "bar", "state": "bad", "age_s": 1.0,
                  "source": "p", "reason": "exception 2", "name": ""}],
        "detectors": [], "sinks": [], "history": None,
        "sources": [{"name": "p", "up": False, "since_s": 1.0, "age_s": None, "samples": 1,
                     "losses": 0, "error": "away", "diagnostics": []}],
    } | changed  # fmt: skip


async def test_what_a_daemon_of_another_version_leaves_out_is_not_needed(file):
    for missing in facts():
        content = {key: value for key, value in facts().items() if key != missing}
        async with answering(file, body(content)):
            code, output = await said(file, "status")
        # Of a state that is not told nobody knows that it is well.
        assert code == (missing == "health"), (missing, output)
        assert "Traceback" not in output


def steering(value):
    """The same data with control characters in every text."""
    if isinstance(value, str):
        return f"{value}{EVIL}"
    if isinstance(value, dict):
        return {key: steering(each) for key, each in value.items()}
    if isinstance(value, list):
        return [steering(each) for each in value]
    return value


async def test_no_text_of_a_device_steers_the_terminal(file):
    told = steering(facts(health="ok"))
    # These choose a colour, and have to be known.
    for alert in (*told["active"], *told["alerts"]):
        alert["severity"] = "high"
    async with answering(file, body(told)):
        code, output = await said(file, "status")
    assert (code, "exception 2" in " ".join(output.split())) == (1, True), output
    assert r"\x1b[2J" in output
    assert not set(output) & STEERS


async def test_json_holds_the_texts_as_they_are(file):
    async with answering(file, body(facts(site=EVIL))):
        code, output = await said(file, "status --json")
    assert (code, json.loads(output)["site"]) == (0, EVIL)
    assert not set(output) & STEERS


async def test_more_rejected_points_than_a_page_holds_are_all_exported(file):
    count, asked = 2_500, []

    async def page(writer):
        limit, before = (int(number) for number in re.findall(rb"=(\d+)", asked[-1]))
        numbers = [n for n in range(count, 0, -1) if n < before][:limit]
        await body([{"id": n, "sink": "c", "why": "w", "line": f"m f={n}"} for n in numbers])(
            writer
        )

    async with answering(file, page, asked):
        code, output = await said(file, "buffer export")
    assert (code, len(asked)) == (0, 3)
    points = [line for line in output.splitlines() if not line.startswith("#")]
    assert points == [f"m f={n}" for n in range(1, count + 1)]


async def test_pages_that_never_end_are_noticed(file):
    letter = {"id": 7, "sink": "c", "class": "alert", "at": 0, "why": "w", "rejected_at": 0}
    async with answering(file, body([letter | {"line": "x"}] * 1_000)):
        code, output = await said(file, "buffer export")
    assert (code, "the rejected points come in no order" in output) == (1, True), output[-300:]


@pytest.mark.parametrize("make", [Path.touch, os.mkfifo, Path.mkdir])
async def test_what_is_no_socket_is_no_daemon(file, make):
    make(file.parent / "state" / "control.sock")
    for name in ("status", "tap samples"):
        code, output = await said(file, name)
        assert (code, "no daemon answers" in output) == (1, True)


async def test_a_server_that_never_answers_is_no_daemon(file):
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(file.parent / "state" / "control.sock"))
        silent.listen(5)
        code, output = await said(file, "status")
    assert (code, "no daemon answers" in output) == (1, True)


async def test_an_endless_row_of_a_tap_takes_bounded_memory(file):
    command = (*(sys.executable, "-m", "gateway"), "tap", str(file), "samples")
    async with answering(file, endless(200, b"[" * 65_536)):
        process = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        output, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 1
    assert f"a row of more than {MOST_BYTES:,} bytes" in output.decode()


async def test_a_real_terminal_shows_escapes(file):
    read, terminal = os.openpty()
    async with answering(file, body({"error": f"no alarm {EVIL}"}, 409)):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "buffer", str(file), "stat"),
            stdout=terminal, stderr=terminal,
        )  # fmt: skip
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 1
    os.close(terminal)
    output = os.read(read, 65_536).decode()
    os.close(read)
    assert r"no alarm \x1b[2J\x1b]0;owned\x07" in output
    assert not set(output) & STEERS - {"\r"}


async def test_an_answer_of_null_is_not_taken_for_silence(file):
    async with answering(file, body(None)):
        with pytest.raises(NotAndon, match="does not answer as andon does: null"):
            await request(file.parent / "state" / "control.sock")
