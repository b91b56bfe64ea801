"""Replay: what was recorded gives what was sent, to the byte, however often."""

import json
import os

import pytest
import recorded
from click.testing import CliRunner

from gateway.api import line_protocol
from gateway.api.model import SECOND
from gateway.cli import main
from gateway.history.archive import Archive
from gateway.history.names import listed

pytestmark = pytest.mark.usefixtures("logging_as_before")
HOUR = 3600 * SECOND
LENGTH = round(float(os.environ.get("ANDON_REPLAY_HOURS", "0.25")) * HOUR)
"""24 for the whole day."""
FAULT = {"fault": "bearing_wear", "fault_after": min(LENGTH // 3, 600 * SECOND)}


def replay(file, out, *words):
    return CliRunner().invoke(main, ["replay", str(file), "--out", str(out), *map(str, words)])


def sent(out):
    return (out / "alerts.lp").read_bytes(), (out / "summaries.lp").read_bytes()


def alerts(out):
    return [line_protocol.decode(line) for line in (out / "alerts.lp").read_bytes().splitlines()]


@pytest.fixture(scope="module")
def file(tmp_path_factory, bundle):
    """A line file with recorded history in which a bearing wears out."""
    found = recorded.line_file(tmp_path_factory.mktemp("recorded"), bundle)
    recorded.record(found, LENGTH, seed=3, **FAULT)
    return found


@pytest.mark.timeout(3600)
def test_a_recorded_day_replayed_twice_gives_the_same_bytes(file, tmp_path):
    for name in ("one", "two"):
        done = replay(file, tmp_path / name, "--json")
        assert done.exit_code == 0, done.output
        figures = json.loads(done.stdout)
    assert sent(tmp_path / "one") == sent(tmp_path / "two")
    assert figures["samples"] == LENGTH // (SECOND // 2) * 13
    assert figures["alerts"] == len(alerts(tmp_path / "one")) > 0
    assert figures["summaries"] >= 13 * (LENGTH // (60 * SECOND) - 1)


def test_what_files_hold_the_samples_makes_no_difference(file, tmp_path):
    assert replay(file, tmp_path / "own").exit_code == 0
    copy = recorded.line_file(tmp_path, tmp_path / "nowhere")
    copy.write_text(file.read_text())
    recorded.record(copy, LENGTH, joined=False, seed=3, **FAULT)
    history = tmp_path / "state" / "history"
    assert len(listed(history)) > len(listed(file.parent / "state" / "history"))
    assert replay(file, tmp_path / "parts", "--data", history).exit_code == 0
    assert sent(tmp_path / "own") == sent(tmp_path / "parts")


def test_another_limit_would_have_alarmed_on_the_same_day(file, tmp_path):
    changed = file.with_name("changed.yaml")
    changed.write_text(
        file.read_text().replace("vibration_de: {high: 4.5", "vibration_de: {high: 2")
    )
    assert replay(file, tmp_path / "as it was").exit_code == 0
    assert replay(changed, tmp_path / "changed").exit_code == 0
    before, after = (
        [a for a in alerts(tmp_path / out) if a.fields["alarm"] == "vibration_de.high"]
        for out in ("as it was", "changed")
    )
    assert after[0].at < (before[0].at if before else after[0].at + 1)
    assert after[0].fields["threshold"] == 2.0


def test_part_of_the_day_can_be_replayed(file, tmp_path):
    times = ["--from", "2026-01-01T00:05:00Z", "--to", "2026-01-01T01:10+01:00"]
    done = replay(file, tmp_path / "part", "--json", *times)
    assert json.loads(done.stdout)["samples"] == 600 * 13
    ends = {line_protocol.decode(line).at for line in sent(tmp_path / "part")[1].splitlines()}
    start = 1767225600 * SECOND
    assert min(ends) == start + 360 * SECOND
    assert max(ends) == start + 540 * SECOND


def test_an_alarm_that_stands_over_a_restart_is_raised_once(file, tmp_path):
    again = recorded.line_file(tmp_path, tmp_path / "nowhere")
    again.write_text(file.read_text())
    start = 1767225600 * SECOND
    folder = recorded.record(again, LENGTH, seed=3, **FAULT)
    before, _ = alerts_of(again, tmp_path / "one")
    recorded.record(again, 120 * SECOND, seed=3, start=start + LENGTH + 60 * SECOND)
    assert len({name.run for name, _ in listed(folder)}) == 2
    after, _ = alerts_of(again, tmp_path / "two")
    assert after[: len(before)] == before
    raised = [alert.fields["id"] for alert in after if alert.fields["active"]]
    assert len(raised) == len(set(raised))


def alerts_of(file, out):
    done = replay(file, out)
    assert done.exit_code == 0, done.output
    return alerts(out), out


def test_what_is_there_is_not_overwritten_unless_asked(file, tmp_path):
    (tmp_path / "alerts.lp").write_text("precious")
    refused = replay(file, tmp_path)
    assert refused.exit_code == 1
    assert "--force" in refused.output
    assert (tmp_path / "alerts.lp").read_text() == "precious"
    assert replay(file, tmp_path, "--force").exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alerts.lp", "summaries.lp"]


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["--from", "yesterday"], "is not a time: write it as in 2026-01-31T12:00:00Z", 2),
        (["--from", "2030-01-01"], "the data has no sample of this line's tags in that time", 1),
        (["--data", "/nowhere"], "does not exist", 2),
    ],
)
def test_wrong_wishes_are_refused_in_a_sentence(file, tmp_path, words, said, code):
    done = replay(file, tmp_path / "out", *words)
    assert (done.exit_code, said in done.output) == (code, True), done.output


def test_no_history_and_foreign_files_are_said_with_what_to_do(tmp_path):
    file = tmp_path / "line.yaml"
    file.write_text(
        "version: 1\nline: l\nsite: s\nstate: state\nsources: {plc: {type: modbus, host: h, tags: "
        "{flow: {address: 0}}}}\n"
    )
    assert "add `history: {}` to it" in replay(file, tmp_path / "out").output
    foreign = tmp_path / "x.parquet"
    foreign.write_bytes(b"PAR1")
    output = replay(file, tmp_path / "out", "--data", foreign).output
    assert f"{foreign}: cannot be read as Parquet" in output
    archive = Archive(tmp_path / "history", recorded.OPTIONS, {"started": "1"}, ["flow"], 0)
    archive.store([(1, None)])
    listed(tmp_path / "history")[0][1].replace(foreign)
    said = replay(file, tmp_path / "out", "--data", foreign).output
    assert "does not have the name of a history file" in said
