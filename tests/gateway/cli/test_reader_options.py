"""What is said about a file reaches its reader, and what the reader says reaches the user."""

import pytest
from click.testing import CliRunner
from recordings import lines

from gateway.cli import main

pytestmark = pytest.mark.usefixtures("logging_as_before")
LINE = """
version: 1
line: press-3
site: here
state: state
sources:
  plc: {type: modbus, host: 127.0.0.1, tags: {oil: {address: 0}}}
detectors:
  guard: {type: limits, tags: {oil: {high: 5}}}
"""
ROWS = [f"10/03/2026;09.{n // 60:02}.{n % 60:02};{n * 7919 % 97},5" for n in range(600)]
OPEN = lines("Date;Time;oil", ROWS, "Total rows: 600")
SKIPPED = "line 602 skipped, which has too few fields: 'Total rows: 600'"
FORMAT = "%d/%m/%Y %H.%M.%S"


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text(OPEN)
    return path


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def test_train_asks_before_it_learns_and_takes_the_answer(tmp_path, data):
    out = tmp_path / "model"
    asked = run("train", "--data", data, "--out", out)
    assert asked.exit_code == 1
    assert f"give --time-format '{FORMAT}' or '%m/%d/%Y %H.%M.%S'" in asked.stderr
    assert not out.exists()
    done = run("train", "--data", data, "--out", out, "--candidates", "pca", "--no-report",
               "--time-format", FORMAT, "--timezone", "Europe/Berlin")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert f"note: {data}: {SKIPPED}" in done.stderr
    assert "to 2026-03-10T08:09:59Z" in done.stdout
    for words in (["score", out, data, "--out", tmp_path / "scores.csv"], ["backtest", out, data]):
        refused = run(*words)
        assert "may be read day first or month first" in refused.stderr
        done = run(*words, "--time-format", FORMAT)
        assert done.exit_code == 0, done.output
        assert "no zone and are read as UTC" in done.stderr


def test_replay_takes_the_answer_too(tmp_path, data):
    line = tmp_path / "press-3.yaml"
    line.write_text(LINE)
    words = ["replay", line, "--data", data, "--out", tmp_path / "out"]
    assert "may be read day first or month first" in run(*words).stderr
    done = run(*words, "--time-format", FORMAT, "--timezone", "+01:00")
    assert done.exit_code == 0, done.output
    assert done.stderr.count(SKIPPED) == 1
    assert "600 samples" in done.stdout


@pytest.mark.parametrize(
    "words", [["train"], ["models", "import"], ["score"], ["backtest"], ["replay"]]
)
def test_each_command_that_reads_recordings_has_the_options(words):
    shown = run(*words, "--help").output
    for option in ("--time-format", "--timezone", "--time-column", "--decimal"):
        assert option in shown


def test_what_one_command_was_told_does_not_stay(tmp_path, data):
    run("train", "--data", data, "--out", tmp_path / "m", "--time-format", FORMAT)
    assert run("train", "--data", data, "--out", tmp_path / "n").exit_code == 1


def test_an_option_that_is_wrong_is_refused_in_a_sentence(tmp_path, data):
    words = ["train", "--data", data, "--out", tmp_path / "m", "--time-format", FORMAT]
    assert "'Berlin' is not a time zone" in run(*words, "--timezone", "Berlin").stderr
    assert "no column 'when' for --time-column" in run(*words, "--time-column", "when").stderr


def test_a_tag_of_the_line_that_cannot_be_read_is_named_with_the_reason(tmp_path):
    line, data = tmp_path / "press-3.yaml", tmp_path / "data.csv"
    line.write_text(LINE.replace("oil: {address: 0}", "oil: {address: 0}, flow: {address: 1}"))
    rows = [f"2026-03-10T08:00:{n:02}Z,{n % 4},{n} {'kW' if n % 2 else 'W'}" for n in range(60)]
    data.write_text(lines("time,oil,flow", rows))
    done = run("replay", line, "--data", data, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "left out, a tag of the line: flow: numbers in several units (W, kW)" in done.stderr
