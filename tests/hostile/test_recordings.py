"""Recordings that mean harm or are broken: each command says so in a sentence, in bounded memory."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hostile_parquet import MUST_FAIL, PARQUET
from hostile_text import PACKED, TEXTS
from patience import PATIENCE

SERVER = Path(__file__).with_name("commands.py")
GIB = 2**30
MOST_RSS = 700_000_000
"""Bytes that a command may take; importing what it needs takes about 150 MB of them."""
SECONDS = 60
LINE = """version: 1
line: press-3
site: here
state: state
sources:
  plc: {type: modbus, host: 127.0.0.1, tags: {flow: {address: 0}, level: {address: 1}}}
detectors:
  guard: {type: limits, tags: {flow: {high: 500}}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile")
    (path / "line.yaml").write_text(LINE)
    return path


def outcomes(folder, commands):
    """What became of each command, by name, in a process of its own with 1 GiB of address space."""
    first = [
        "replay",
        folder / "line.yaml",
        "--data",
        folder / "line.yaml",
        "--out",
        folder / "out",
    ]
    every = [first, *commands.values()]
    words = "".join(json.dumps([str(word) for word in each]) + "\n" for each in every)
    done = subprocess.run(
        [sys.executable, str(SERVER), str(GIB), str(SECONDS)],
        input=words, capture_output=True, text=True, check=True, timeout=4 * PATIENCE,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    return dict(zip(commands, reports, strict=True))


def check(found, names=()):
    """Each of these ended as documented: with a code, in sentences of ours, in bounded memory."""
    wrong = {
        name: (report["code"], report["said"][-1500:])
        for name, report in found.items()
        if report["code"] not in (0, 1)
        or "Traceback" in report["said"]
        or (report["code"] == 1 and "Error: " not in report["said"])
    }
    assert wrong == {}
    assert {n: r["rss"] for n, r in found.items() if r["rss"] > MOST_RSS} == {}
    assert {n: r["cpu"] for n, r in found.items() if r["cpu"] > SECONDS / 2} == {}
    long = {n: r["said"] for n, r in found.items() if any(len(x) > 1_000 for x in said(r))}
    assert long == {}
    assert {name: found[name]["said"] for name in names if found[name]["code"] != 1} == {}


def said(report):
    return report["said"].splitlines()


def replay(folder, files):
    return {
        name: ["replay", folder / "line.yaml", "--data", path, "--out", folder / "out", "--force"]
        for name, path in files.items()
    }


def put(folder, members, suffix=""):
    files = {}
    for n, (name, data) in enumerate(members.items()):
        end, data = data if isinstance(data, tuple) else (suffix, data)
        files[name] = folder / f"{n}{end}"
        files[name].write_bytes(data)
    return files


def test_there_are_enough_of_them():
    assert min(map(len, (PARQUET, TEXTS, PACKED))) >= 50


def test_parquet_is_bounded_before_it_is_decoded(folder):
    check(outcomes(folder, replay(folder, put(folder, PARQUET, ".parquet"))), MUST_FAIL)


def test_text_is_bounded_before_it_is_parsed(folder):
    check(outcomes(folder, replay(folder, put(folder, TEXTS, ".csv"))))


def test_archives_are_named_and_not_unpacked(folder):
    found = outcomes(folder, replay(folder, put(folder, PACKED)))
    check(found, PACKED)
