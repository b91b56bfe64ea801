"""Recordings that mean harm or are broken: each command says so in a sentence, in bounded memory.

Commands end with 0 or 1, as docs/operations.md says, under 1 GiB of address space.
"""

import json
import os
import resource
import socket
import subprocess
import sys
import threading
from itertools import cycle
from pathlib import Path

import bundles
import pytest
from hostile_history import HISTORY, START, named
from hostile_parquet import MUST_FAIL, PARQUET
from hostile_text import PACKED, TEXTS, rows, table
from patience import PATIENCE

SERVER = Path(__file__).with_name("commands.py")
LONG = os.environ.get("ANDON_HOSTILE") == "long"
GIB = 2**30
MOST_RSS = 600_000_000
"""Bytes that a command may take; importing what it needs takes about 150 MB of them."""
SECONDS = 120
LINE = """version: 1
line: press-3
site: here
state: state
sources:
  plc: {type: modbus, host: 127.0.0.1, tags: {flow: {address: 0}, level: {address: 1}}}
detectors:
  guard: {type: limits, tags: {flow: {high: 500}}}
"""
SLOW = frozenset(
    ("two columns in many row groups", "many empty pages", "sixty million line ends",
     "a blank of 900,000 characters", "a text of 100 MB in each of ten thousand rows",
     "texts that repeat a prefix", "a row group of two million rows")
)  # fmt: skip
"""Members that take seconds each, left to the long run."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile")
    (path / "line.yaml").write_text(LINE)
    return path


@pytest.fixture(scope="module")
def model(folder):
    return bundles.write(folder, bundles.untried(bundles.recording().only(("flow",)), "pca"))


def outcomes(folder, commands):
    """What became of each command, by name, in a process of its own with 1 GiB of address space."""
    first = ["replay", folder / "line.yaml", "--data", folder / "line.yaml", "--out", folder / "o"]
    every = [first, *commands.values()]
    words = "".join(json.dumps([str(word) for word in each]) + "\n" for each in every)
    done = subprocess.run(
        [sys.executable, str(SERVER), str(GIB), str(SECONDS)],
        input=words, capture_output=True, text=True, check=True, timeout=4 * PATIENCE,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    return dict(zip(commands, reports, strict=True))


def check(found, must_fail=()):
    """Each of these ended as documented: with a code, in sentences of ours, in bounded memory."""
    wrong = {
        name: (report["code"], report["said"][-1500:])
        for name, report in found.items()
        if report["code"] not in (0, 1)
        or "Traceback" in report["said"]
        or "Warning: " in report["said"]
        or (
            report["code"] == 1
            and "Error: " not in report["said"]
            and "asked:" not in report["said"]
        )
        or (name in must_fail and report["code"] != 1)
    }
    assert wrong == {}
    assert {n: r["rss"] for n, r in found.items() if r["rss"] > MOST_RSS} == {}
    assert {n: r["cpu"] for n, r in found.items() if r["cpu"] > 20} == {}
    assert {n: r["said"] for n, r in found.items() if longest(r["said"]) > 1_500} == {}


def longest(text):
    return max(map(len, text.splitlines()), default=0)


def replay(folder, *data):
    return ["replay", folder / "line.yaml", "--data", *data, "--out", folder / "out", "--force"]


def score(folder, model, *data):
    return ["score", model, *data, "--out", folder / "scores.csv"]


def put(folder, members, suffix=""):
    """Members as files, by name."""
    files = {}
    for n, (name, data) in enumerate(some(members).items()):
        end, content = data if isinstance(data, tuple) else (suffix, data)
        files[name] = folder / f"{n}{end}"
        files[name].write_bytes(content)
    return files


def some(members):
    """Every second of the members that are not slow; all of them in the long run."""
    if LONG:
        return members
    return dict([each for each in members.items() if each[0] not in SLOW][::2])


def read(folder, model, files):
    """What becomes of each file by one of two commands; by both in the long run."""
    ways = {
        "replay": lambda path: replay(folder, path),
        "score": lambda path: score(folder, model, path),
    }
    if LONG:
        # A bomb is refused by both; what is reported is what the second one makes of the others.
        found = [
            outcomes(folder, {name: way(path) for name, path in files.items()})
            for way in ways.values()
        ]
        for each in found:
            check(each)
        return found[-1]
    turns = cycle(ways.values())
    return outcomes(folder, {name: next(turns)(path) for name, path in files.items()})


def test_there_are_enough_of_them():
    assert min(map(len, (PARQUET, TEXTS, PACKED, HISTORY, cases()))) >= 50


@pytest.mark.timeout(600)
def test_parquet_is_bounded_before_it_is_decoded(folder, model):
    files = put(folder, PARQUET, ".parquet")
    check(read(folder, model, files), MUST_FAIL)


@pytest.mark.timeout(600)
def test_text_is_bounded_before_it_is_parsed(folder, model):
    check(read(folder, model, put(folder, TEXTS, ".csv")))


def test_archives_are_named_and_not_unpacked(folder, model):
    found = read(folder, model, put(folder, PACKED))
    check(found, PACKED)
    assert {name for name, report in found.items() if report["rss"] > 200_000_000} == set()


@pytest.mark.timeout(600)
def test_history_that_no_daemon_wrote_is_refused_or_read(folder, model):
    commands = {}
    ways = cycle(("replay", "score", "clip"))
    for n, (name, data) in enumerate(some(HISTORY).items()):
        where = folder / f"history{n}"
        where.mkdir()
        (where / named(data)).write_bytes(data)
        words = {
            "replay": replay(folder, where),
            "score": score(folder, model, where),
            "clip": ["clip", folder / "line.yaml", f"x-{START // 10**6:x}", "--data", where],
        }
        for way in words if LONG else [next(ways)]:
            commands[f"{way} {name}"] = words[way]
    check(outcomes(folder, commands))


def test_what_is_no_file_is_neither_opened_nor_waited_for(folder, model):
    odd = folder / "odd"
    odd.mkdir()
    os.mkfifo(odd / "pipe.csv")
    os.mkfifo(odd / "pipe.parquet")
    (odd / "folder.csv").mkdir()
    (odd / "folder.parquet").mkdir()
    (odd / "around.csv").symlink_to("around.csv")
    (odd / "endless.csv").symlink_to("/dev/zero")
    (odd / "random.parquet").symlink_to("/dev/urandom")
    (odd / "nothing.csv").symlink_to("/dev/null")
    (odd / "empty.csv").write_bytes(b"")
    (odd / "empty.parquet").write_bytes(b"")
    (odd / "huge.csv").write_bytes(b"")
    os.truncate(odd / "huge.csv", 2**40)
    (odd / "huge.parquet").write_bytes(b"PAR1")
    os.truncate(odd / "huge.parquet", 2**40)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(odd / "socket.csv"))
    here = {path.name: path for path in odd.iterdir() if path.name != "around.csv"}
    found = outcomes(folder, {
        **{f"score {name}": score(folder, model, path) for name, path in here.items()},
        **{f"replay {name}": replay(folder, path) for name, path in here.items()},
        "score around": score(folder, model, odd / "around.csv"),
        "score pipe in a folder": score(folder, model, pipe_in_a_folder(folder)),
        "score missing": score(folder, model, odd / "missing.csv"),
    })  # fmt: skip
    listening.close()
    check(found, found)
    assert "must be a file, and is a pipe" in found["replay pipe.csv"]["said"]
    assert "must be a file, and is a device" in found["score endless.csv"]["said"]
    assert "1,099,512 MB" in found["score huge.csv"]["said"]
    assert {name: r["cpu"] for name, r in found.items() if r["cpu"] > 2} == {}


def pipe_in_a_folder(folder):
    where = folder / "with-a-pipe"
    where.mkdir()
    os.mkfifo(where / named(b""))
    return where


@pytest.mark.parametrize("name", ["data.csv", "data.parquet"])
def test_a_file_that_changes_while_it_is_read_ends_no_process(folder, model, name):
    path, stop = folder / name, threading.Event()
    whole = table(*rows(count=3_000)).encode() if name == "data.csv" else HISTORY["honest"] * 50
    path.write_bytes(whole)

    def change():
        with path.open("r+b") as file:
            while not stop.is_set():
                file.truncate(len(whole) // 3)
                file.seek(0)
                file.write(whole * 2)
                file.flush()

    thread = threading.Thread(target=change)
    thread.start()
    try:
        found = outcomes(folder, {n: score(folder, model, path) for n in range(30 if LONG else 3)})
    finally:
        stop.set()
        thread.join()
    check(found)


def case(**fields):
    written = {"name": "x", "samples": {"flow": "40x5"}, "alerts": []} | fields
    return json.dumps({"version": 1, "line": "line.yaml", "cases": [written]})


def cases():
    """Cases that are too long, too many or none, by name."""
    digits = "9" * 5_000
    samples = (
        *("40x9999999", "1e308+1e308x1000", "1e999x5", "x", "_x0", "bad+1x5", f"40x{digits}"),
        *(digits, "40x5 " * 500, "40x1000000 40x1000000", "\u0663x5", "-x5", "", " ", "nan"),
        *("inf", "1e5x1e5", "40x-5", "0x10", "40x5\0", "40+x5", "40+-1x5"),
    )
    spans = (
        *("9999d", "99999999999999999999d", "1us", "0s", "-1s", "1e3s", "31d", "366d", "", "x"),
        *(f"{digits}s", 5, True, None, 1e308),
    )
    found = {f"samples {text[:20]!r}": case(samples={"flow": text}) for text in samples}
    found |= {f"length {str(span)[:20]!r}": case(length=span) for span in spans}
    found |= {
        f"constant for {str(span)[:20]!r}": case(length=span, samples={"flow": 4.5, "level": 1})
        for span in spans
    }
    found |= {f"every {str(span)[:20]!r}": case(every=span) for span in spans}
    found |= {
        "many constants": case(length="1h", samples={"flow": 4, "level": 5}),
        "every microsecond": case(length="1h", every="1us", samples={"flow": 4}),
        "infinite numbers": case(samples={"flow": 1e999}, length="5s"),
        "other tags": case(samples={f"t{n}": "1x5" for n in range(5_000)}),
        "no cases": json.dumps({"version": 1, "line": "line.yaml", "cases": []}),
        "another line": json.dumps({"version": 1, "line": "/dev/zero", "cases": []}),
        "NUL as line": json.dumps({"version": 1, "line": "\0", "cases": [1]}),
        "brackets": "[" * 200_000,
        "bytes": "\ud7ff" * 1_000,
    }
    return found


SAID = {
    "length '9999d'": "too long to be played",
    "every microsecond": "samples of each constant tag",
}


@pytest.mark.timeout(600)
def test_cases_are_bounded_before_they_are_played(folder):
    commands = {}
    for n, (name, text) in enumerate(cases().items()):
        if n % 2 and name not in SAID and not LONG:
            continue
        path = folder / f"{n}.cases.yaml"
        path.write_text(text)
        if LONG or "31d" not in name:
            commands[name] = ["test", path]
    found = outcomes(folder, commands)
    assert {
        name: (report["code"], report["said"][-1500:])
        for name, report in found.items()
        if report["code"] not in (0, 1) or "Traceback" in report["said"]
    } == {}
    assert {n: r["rss"] for n, r in found.items() if r["rss"] > MOST_RSS} == {}
    assert {name: found[name]["said"] for name, words in SAID.items()
            if words not in found[name]["said"]} == {}  # fmt: skip


@pytest.mark.parametrize("words", [["train", "--candidates", "pca", "--no-report"], ["replay"]])
def test_a_real_command_reads_honest_data_and_refuses_a_bomb_in_little_memory(folder, words):
    """Training needs 2 GiB of address space for its libraries alone; reading needs less than 1."""
    space = 2 * GIB if words[0] == "train" else GIB
    honest, bomb = folder / "honest.csv", folder / "bomb.parquet"
    honest.write_text(table(*rows("{n}.25", 600), header="time,flow"))
    bomb.write_bytes(PARQUET["a billion equal numbers"])
    line = [folder / "line.yaml"] if words[0] == "replay" else []
    for data, code, said in ((honest, 0, ""), (bomb, 1, "and at most 100,000,000 are read")):
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *words, *line, "--data", data,
             "--out", folder / words[0], "--force"],
            capture_output=True, text=True, check=False, timeout=PATIENCE,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (space, space)),
        )  # fmt: skip
        assert (done.returncode, said in done.stderr) == (code, True), done.stderr
        assert "Traceback" not in done.stderr
