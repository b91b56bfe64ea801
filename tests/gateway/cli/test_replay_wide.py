"""Replay of other people's recordings: CSV and Parquet with a column for each tag."""

import json
from dataclasses import replace

import pytest
import recorded
import yaml
from click.testing import CliRunner

from connectors.simulator.recording import Recipe, record
from gateway.api import line_protocol
from gateway.api.model import SECOND
from gateway.cli import main

pytestmark = pytest.mark.usefixtures("logging_as_before")
LINE = """
version: 1
line: press-3
site: here
state: state
sources:
  plc: {type: modbus, host: 127.0.0.1, tags: {oil: {address: 0}, speed: {address: 1}}}
detectors:
  guard: {type: limits, tags: {oil: {high: 5}}}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "press-3.yaml"
    path.write_text(LINE)
    return path


def csv(folder, *columns, start=0, name="oil.csv"):
    """180 s of these columns; the oil's pressure is 9 for half a minute in the middle."""
    values = {"oil": lambda k: 9 if 90 <= k < 120 else 1, "speed": lambda _: 50, "batch": str}
    rows = [[f"2026-01-01T00:{k // 60:02}:{k % 60:02}Z", *(values[c](k) for c in columns)]
            for k in range(start, 180)]  # fmt: skip
    path = folder / name
    path.write_text("\n".join(",".join(map(str, row)) for row in [["time", *columns], *rows]))
    return path


def replay(file, *words):
    out = file.parent / "out"
    done = CliRunner().invoke(main, ["replay", str(file), "--force", "--out", str(out), *words])
    return done, [
        line_protocol.decode(line)
        for name in ("alerts.lp", "summaries.lp")
        if (out / name).exists()
        for line in (out / name).read_bytes().splitlines()
    ]


def rounded(point):
    inexact = {n: round(point.fields[n], 9) for n in ("mean", "std") if n in point.fields}
    return replace(point, fields={**point.fields, **inexact})


def test_a_csv_gives_the_alerts_and_summaries_of_its_times(file, tmp_path):
    done, points = replay(file, "--json", "--data", str(csv(tmp_path, "oil", "speed")))
    assert json.loads(done.stdout)["samples"] == 2 * 180
    assert done.stderr == ""
    first = 1_767_225_600 * SECOND
    alerts = [(p.fields["alarm"], p.fields["active"], (p.at - first) // SECOND)
              for p in points if p.measurement == "andon_alert"]  # fmt: skip
    assert alerts == [("oil.high", True, 90), ("oil.high", False, 120)]
    # The minute that ends with the first sample was a silent one.
    counts = {
        p.fields["count"] for p in points if p.measurement == "andon_summary" and p.at > first
    }
    assert counts == {60}


def test_a_recording_gives_what_the_history_of_the_same_plant_gives(tmp_path):
    line = recorded.line_file(tmp_path)
    without_model = yaml.safe_load(line.read_text())
    del without_model["detectors"]["pump"]
    line.write_text(json.dumps(without_model))
    recipe = {"seed": 3, "fault": "bearing_wear", "fault_after": 60 * SECOND}
    recorded.record(line, 300 * SECOND, **recipe)
    record(tmp_path / "plant.parquet", Recipe(300 * SECOND, **recipe))
    done, history = replay(line)
    assert done.exit_code == 0, done.output
    done, wide = replay(line, "--data", str(tmp_path / "plant.parquet"))
    assert done.exit_code == 0, done.output
    assert [p for p in history if p.measurement == "andon_alert"]
    # Means are taken batch by batch, which history has others of; it ends with its last look,
    # before the last minute is summed up.
    assert list(map(rounded, wide[: len(history)])) == list(map(rounded, history))
    assert len(wide) == len(history) + 13


def test_what_is_missing_or_strange_is_said(file, tmp_path):
    done, _ = replay(file, "--data", str(csv(tmp_path, "oil", "batch")))
    assert "not in the recording, treated as missing: speed" in done.stderr
    assert "left out, not tags of the line: batch" in done.stderr


def test_several_files_are_one_recording_of_which_a_part_can_be_played(file, tmp_path):
    late = csv(tmp_path, "oil", "speed", start=120, name="late.csv")
    rows = csv(tmp_path, "oil", "speed").read_text().splitlines()[:121]
    (tmp_path / "early.csv").write_text("\n".join(rows))
    words = ["--json", "--data", str(late), "--data", str(tmp_path / "early.csv")]
    done, _ = replay(file, *words, "--from", "2026-01-01T00:01:40Z", "--to", "2026-01-01T00:02:20Z")
    assert json.loads(done.stdout)["samples"] == 2 * 40


def test_history_and_other_recordings_are_not_mixed(file, tmp_path):
    line = recorded.line_file(tmp_path)
    folder = recorded.record(line, 60 * SECOND)
    done, _ = replay(file, "--data", str(csv(tmp_path, "oil")), "--data", str(folder))
    assert done.exit_code == 1
    assert "oil.csv is not history: replay it separately" in done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("time,oil\nyesterday,1\n", "no column holds times"),
        ("time,level\n2026-01-01T00:00:00Z,1\n", "no sample of this line's tags"),
        ("", "cannot be read"),
    ],
)
def test_what_cannot_be_played_is_refused_in_a_sentence(file, tmp_path, content, said):
    path = tmp_path / "odd.csv"
    path.write_text(content)
    done, _ = replay(file, "--data", str(path))
    assert done.exit_code == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_states_in_words_and_what_is_bad_are_those_of_the_line(file, tmp_path):
    states = "speed: {address: 1, enumeration: {OFF: 0, ON: 50}}"
    text = LINE.replace("oil: {address: 0}", "oil: {address: 0, high: 8}")
    file.write_text(text.replace("speed: {address: 1}", states))
    recording = csv(tmp_path, "oil", "speed")
    recording.write_text(recording.read_text().replace(",50", ",ON"))
    done, points = replay(file, "--json", "--data", str(recording))
    assert json.loads(done.stdout)["samples"] == 2 * 180
    assert "speed: read ON as 50 (enumeration)" in done.stderr
    assert "oil: 30 values (16.67%) above high (8): bad for the line" in done.stderr
    assert [p for p in points if p.measurement == "andon_alert" and p.tags["detector"] == "data"]
    assert not [p for p in points if p.fields.get("alarm") == "oil.high"]


def test_a_number_that_passes_as_measured_though_it_looks_wrong_is_named(file, tmp_path):
    recording = csv(tmp_path, "oil", "speed")
    recording.write_text(recording.read_text().replace("Z,9,", "Z,-9999,"))
    done, _ = replay(file, "--data", str(recording))
    assert "oil: -9999 occurs 30 times (16.67%), far from all other values, 1 to 1" in done.stderr
    assert "the line takes it as measured: if it means no value, give the tag" in done.stderr
