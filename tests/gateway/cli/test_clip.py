"""`andon clip`: finds the raw samples around an alert by the alert's id alone."""

import csv
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from fakes import batch

from gateway.api.model import SECOND
from gateway.cli import main
from gateway.history.archive import Archive
from gateway.history.names import listed

T0 = 1_700_000_000 * SECOND
ALERT = f"guard.oil.high-{T0 // 10**6 + 600_000:x}"
LINE = """
version: 1
line: press-3
site: here
state: state
sources:
  plc:
    type: modbus
    host: 127.0.0.1
    tags: {oil: {address: 0, unit: bar}, speed: {address: 1}}
detectors:
  guard: {type: limits, tags: {oil: {high: 5}}}
"""


@pytest.fixture
def file(tmp_path):
    """A line with twenty minutes of history and a bad sample in the tenth."""
    path = tmp_path / "press-3.yaml"
    path.write_text(LINE)
    options = SimpleNamespace(max_bytes=2**30, max_age=2**62)
    archive = Archive(tmp_path / "state" / "history", options, {}, ["oil", "speed"], reserve=0)
    times = [T0 + k * SECOND for k in range(1200)]
    values = [(np.nan if k == 600 else float(k), 50.0) for k in range(1200)]
    archive.store([(at, batch(at, *pair)) for at, pair in zip(times, values, strict=True)])
    return path


def clip(file, *words):
    return CliRunner().invoke(main, ["clip", str(file), *words])


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_the_samples_around_an_alert_come_as_csv(file):
    done = clip(file, ALERT)
    assert done.exit_code == 0
    samples = rows(done.stdout)
    assert len(samples) == 2 * 181
    assert samples[0] == {
        "time": "2023-11-14T22:21:20.000000000Z", "tag": "oil", "value": "480.0", "unit": "bar",
        "quality": "good",
    }  # fmt: skip
    bad = [row for row in samples if row["quality"] == "bad"]
    assert [(row["time"][11:19], row["tag"], row["value"]) for row in bad] == [
        ("22:23:20", "oil", "")
    ]
    assert done.stderr == (
        "362 samples, 2023-11-14T22:21:20.000000000Z to 2023-11-14T22:24:20.000000000Z; "
        "asked: 2min before to 1min after the alert\n"
    )


def test_the_stretch_and_the_tags_can_be_chosen(file):
    words = ["speed", "--before", "3s", "--after", "0s"]
    samples = rows(clip(file, f"{ALERT}.2", *words).stdout)
    assert [row["tag"] for row in samples] == ["speed"] * 4


def test_the_line_files_own_clip_is_the_default(file):
    file.write_text(f"{LINE}history: {{clip: {{before: 5s, after: 4s}}}}\n")
    assert len(rows(clip(file, ALERT, "oil").stdout)) == 10


def test_it_can_be_written_to_a_file_and_read_by_programs(file, tmp_path):
    out = tmp_path / "clip.jsonl"
    assert clip(file, ALERT, "oil", "--json", "--out", str(out)).exit_code == 0
    samples = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(samples) == 181
    assert samples[120]["value"] is None


def test_another_folder_of_history_can_be_named(file, tmp_path):
    other = (tmp_path / "state" / "history").rename(tmp_path / "copied")
    assert clip(file, ALERT).exit_code == 1
    assert len(rows(clip(file, ALERT, "--data", str(other)).stdout)) == 362


def test_a_time_without_samples_is_a_problem(file):
    done = clip(file, "guard.oil.high-1")
    assert (done.exit_code, rows(done.stdout)) == (1, [])
    assert "0 samples" in done.stderr


def test_damage_is_reported(file, tmp_path):
    ((_, path),) = listed(tmp_path / "state" / "history")
    path.write_bytes(path.read_bytes()[:-1])
    done = clip(file, ALERT)
    assert done.exit_code == 1
    assert f"{path.name} is damaged" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["guard.oil.high"], "is not the id of an alert, as in pump.anomaly-19b2c4d5e6f"),
        ([ALERT, "--before", "5"], "'5' is not a duration"),
    ],
)
def test_wrong_usage_says_what_would_be_right(file, words, message):
    done = clip(file, *words)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())


def test_an_unknown_tag_is_named(file):
    done = clip(file, ALERT, "oli")
    assert done.exit_code == 1
    assert "no tag of press-3 matches 'oli'" in done.stderr
