import json

import bundles
import numpy as np
import pytest
from click.testing import CliRunner

from detectors.bundle.bundle import load
from detectors.training.report import as_text
from gateway.api.model import SECOND
from gateway.cli import main


@pytest.fixture
def data(tmp_path):
    return bundles.write_csv(tmp_path / "data.csv", bundles.recording())


@pytest.fixture
def line(tmp_path):
    path = tmp_path / "line.yaml"
    path.write_text(
        "version: 1\nline: pump\nsite: here\nstate: state\nsources:\n  plc:\n    type: modbus\n"
        "    host: 127.0.0.1\n    period: 1s\n    tags:\n"
        "      flow: {address: 0, unit: m3/h}\n      speed: {address: 2, unit: rpm}\n"
        "      current: {address: 4}\n      level: {address: 6}\n"
    )
    return path


def train(*arguments):
    return CliRunner().invoke(main, ["train", *map(str, arguments)])


def train_quickly(*arguments):
    return train(*arguments, "--candidates", "pca", "--no-report")


def test_a_csv_becomes_a_bundle_and_a_short_report(data, tmp_path):
    done = train_quickly("--data", data, "--out", tmp_path / "pump")
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    manifest = load(tmp_path / "pump").manifest
    assert manifest.id == "pump"
    assert [tag.name for tag in manifest.tags] == list(bundles.NAMES)
    assert done.stdout.startswith(f"{manifest.model} written to")
    assert "1200 rows, 2026-01-01T00:00:29Z to 2026-01-01T00:20:00Z" in done.stdout
    assert "threshold" in done.stdout


def test_gaps_are_reported(tmp_path):
    source = bundles.recording(1200)
    source.times[700:] += 3600 * SECOND
    data = bundles.write_csv(tmp_path / "gap.csv", source)
    done = train_quickly("--data", data, "--out", tmp_path / "pump")
    assert "  gaps        1, 60 min in total; no window spans a gap" in done.stdout


def test_a_nonstationary_tag_is_named(tmp_path):
    source = bundles.recording(600)
    walk = np.cumsum(np.random.default_rng(1).normal(size=600))
    warming = source._replace(
        names=(*source.names, "oven"), values=np.column_stack((source.values, walk))
    )
    data = bundles.write_csv(tmp_path / "warm.csv", warming)
    done = train_quickly("--data", data, "--out", tmp_path / "pump")
    assert "  drifting    oven: the level drifted during the recording" in done.stdout


def test_a_file_of_labels_leaves_its_faults_and_maintenance_out_of_the_training(data, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(
        "start,end,verdict\n"
        "2026-01-01T00:05:00Z,2026-01-01T00:05:30Z,maintenance\n"
        "2026-01-01T00:10:00Z,2026-01-01T00:10:30Z,false\n"
    )
    out = tmp_path / "pump"
    done = train_quickly("--data", data, "--out", out, "--labels", path)
    assert done.exit_code == 0, done.output
    assert "windows with labelled rows, not used for training" in done.stdout
    done = train_quickly("--data", data, "--out", tmp_path / "m", "--labels", tmp_path / "no.csv")
    assert (done.exit_code, "no.csv cannot be read" in done.output) == (1, True)


def test_labelled_rows_are_not_used_for_training_and_compare_the_candidates(tmp_path):
    source = bundles.recording()
    wrong = np.arange(1200) // 150 == 5
    values = np.column_stack((source.values, wrong))
    values[wrong, 1] += 6
    labelled = source._replace(names=(*source.names, "stopped"), values=values)
    data = bundles.write_csv(tmp_path / "labelled.csv", labelled)
    reports, page = {}, tmp_path / "page.html"
    variants = {
        "with": ("--labels", "stopped", "--report", page),
        "without": ("--tags", "speed,flow"),
    }
    for name, options in variants.items():
        quick = ("--json", "--candidates", "pca")
        done = train("--data", data, "--out", tmp_path / name, *quick, *options)
        assert done.exit_code == 0, done.output
        reports[name] = json.loads(done.stdout)
    assert reports["with"]["tags"] == list(bundles.NAMES)
    assert reports["with"]["compared_by"] == "labelled windows"
    assert reports["with"]["seen"] > 0.9
    assert reports["without"]["compared_by"] == "injected faults"
    # No training window reaches into the labelled rows.
    assert reports["without"]["windows"] - reports["with"]["windows"] == 150 + 28
    assert reports["with"]["wrong_windows"] == 150 + 28
    text = "178 windows with labelled rows, not used for training"
    assert f"  labelled    {text}" in as_text(reports["with"])
    assert f"<th>labelled</th><td>{text}</td>" in page.read_text()
    assert not any("with labelled rows" in line for line in as_text(reports["without"]))
    done = train_quickly("--data", data, "--out", tmp_path / "m", "--labels", "stoped")
    assert "did you mean 'stopped'?" in done.stderr


def test_the_report_can_be_printed_as_json(data, tmp_path):
    done = train("--data", data, "--out", tmp_path / "pump", "--json")
    report = json.loads(done.stdout)
    manifest = load(tmp_path / "pump").manifest
    assert report["threshold"] == manifest.threshold
    assert report["tags"] == list(bundles.NAMES)
    assert report["windows"] == report["windows_judged"] == 1200 - 28
    assert report["false_alarm_at_most_hours"] == round(3 * 1172 / 3600, 3)
    assert {each["method"] for each in report["candidates"]} >= {report["method"]}


def test_an_html_report_is_written_beside_the_bundle_unless_it_is_disabled(data, tmp_path):
    done = train("--data", data, "--out", tmp_path / "pump", "--candidates", "pca")
    assert done.stdout.endswith(f"  report      {tmp_path}/pump.html\n")
    assert (tmp_path / "pump.html").read_text().startswith("<!doctype html>")
    named = ("--report", tmp_path / "page.html", "--json")
    done = train("--data", data, "--out", tmp_path / "b", "--candidates", "pca", *named)
    assert json.loads(done.stdout)["report"] == f"{tmp_path}/page.html"
    train("--data", data, "--out", tmp_path / "c", "--candidates", "pca", "--no-report")
    assert sorted(path.name for path in tmp_path.glob("*.html")) == ["page.html", "pump.html"]


def test_an_existing_report_is_not_replaced_unless_forced(data, tmp_path):
    (tmp_path / "pump.html").write_text("mine")
    done = train("--data", data, "--out", tmp_path / "pump")
    assert done.exit_code == 1
    assert "pump.html exists: choose another --report, or use --force to replace it" in done.stderr
    assert not (tmp_path / "pump").exists()
    assert (tmp_path / "pump.html").read_text() == "mine"


def test_a_report_that_cannot_be_written_is_refused_before_the_training(data, tmp_path):
    done = train("--data", data, "--out", tmp_path / "pump", "--report", tmp_path / "no" / "r.html")
    assert done.exit_code == 1
    assert f"the folder {tmp_path}/no of the report does not exist" in done.stderr
    done = train("--data", data, "--out", tmp_path / "pump", "--report", tmp_path)
    assert "is a folder" in done.stderr
    assert not (tmp_path / "pump").exists()


def test_only_the_requested_methods_are_tried(data, tmp_path):
    lof = ("--candidates", "lof", "--no-report")
    done = train("--data", data, "--out", tmp_path / "m", "--json", *lof)
    report = json.loads(done.stdout)
    [tried] = report["candidates"]
    assert tried["method"] == "local outlier factor, 20 neighbours among 512 sub-windows"
    # The report names the cost of a window, since this method is slow.
    assert report["microseconds_per_window"] > 50


def test_a_budget_that_the_data_does_not_support_gives_a_warning(data, tmp_path):
    done = train_quickly("--data", data, "--out", tmp_path / "m", "--false-alarms", "1 per week")
    assert done.exit_code == 0, done.output
    assert "one false alarm in 7 days cannot be promised by 19.6 min of data" in done.stdout
    done = train_quickly(
        "--data", data, "--out", tmp_path / "n", "--false-alarms", "4 per hour", "--json"
    )
    report = json.loads(done.stdout)
    assert not report["too_short"]
    low, high = report["false_alarm_interval_hours"]
    assert low < 0.25 < (high or np.inf)
    assert load(tmp_path / "n").manifest.threshold < load(tmp_path / "m").manifest.threshold


def test_a_wrong_budget_is_a_usage_error(data, tmp_path):
    done = train_quickly("--data", data, "--out", tmp_path / "m", "--false-alarms", "few")
    assert done.exit_code == 2
    assert "as in 1 per week" in done.stderr


def test_an_unknown_method_is_refused_with_the_known_ones(data, tmp_path):
    done = train("--data", data, "--out", tmp_path / "m", "--candidates", "pca,trees")
    assert done.exit_code == 2
    assert (
        "unknown method 'trees'; choose from mahalanobis, pca, kmeans, statistics, " in done.stderr
    )


def test_a_line_file_gives_the_tags_and_their_units(data, line, tmp_path):
    done = train_quickly(line, "--data", data, "--out", tmp_path / "pump")
    assert done.exit_code == 0, done.output
    tags = {tag.name: tag.unit for tag in load(tmp_path / "pump").manifest.tags}
    assert tags == {"speed": "rpm", "flow": "m3/h", "current": ""}


def test_tags_name_version_and_lengths_can_be_chosen(data, tmp_path):
    done = train_quickly(
        "--data", data, "--out", tmp_path / "m", "--name", "skid", "--model-version", "7",
        "--tags", "flow,speed", "--period", "2s", "--window", "10s", "--hop", "4s",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    manifest = load(tmp_path / "m").manifest
    assert manifest.model == "skid@7"
    assert [tag.name for tag in manifest.tags] == ["flow", "speed"]
    assert (manifest.period, manifest.window, manifest.hop) == (2_000_000_000, 5, 2)


def test_several_files_may_follow_the_option(tmp_path):
    source = bundles.recording()
    half = len(source.times) // 2
    parts = [source._replace(times=source.times[rows], values=source.values[rows])
             for rows in (slice(half), slice(half, None))]  # fmt: skip
    files = [bundles.write_csv(tmp_path / f"{n}.csv", part) for n, part in enumerate(parts)]
    done = train_quickly("--data", *files, "--out", tmp_path / "pump", "--json")
    assert json.loads(done.stdout)["rows"] == 1200


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tags", "flwo"], "'flwo' is not a column of the data, did you mean 'flow'?"),
        (["--period", "5"], "'5' is not a duration"),
        (["--window", "1500ms"], "must be a multiple of the period"),
        (["--name", "a b"], "'a b'"),
        (["--period", "30s"], "record longer"),
    ],
)
def test_an_option_that_cannot_be_met_is_refused_with_a_hint(data, tmp_path, options, message):
    done = train_quickly("--data", data, "--out", tmp_path / "pump", *options)
    assert done.exit_code in (1, 2)
    assert message in done.stderr
    assert "Traceback" not in done.output
    assert not (tmp_path / "pump").exists()


def test_missing_data_is_a_usage_error(line, tmp_path):
    done = train_quickly("--out", tmp_path / "pump")
    assert done.exit_code == 2
    assert "no data: give a CSV or Parquet file, or the LINE.yaml" in done.stderr
    done = train_quickly(line, "--out", tmp_path / "pump")
    assert done.exit_code == 1
    assert f"has no history in {tmp_path}/state/history: add `history: {{}}` to it" in done.stderr


def test_an_existing_bundle_is_kept_unless_forced(data, tmp_path):
    arguments = ("--data", data, "--out", tmp_path / "pump", "--model-version")
    assert train_quickly(*arguments, "1").exit_code == 0
    again = train_quickly(*arguments, "2")
    assert again.exit_code == 1
    assert "--force" in again.stderr
    assert load(tmp_path / "pump").manifest.version == "1"
    assert train_quickly(*arguments, "2", "--force").exit_code == 0
    assert load(tmp_path / "pump").manifest.version == "2"


def test_a_line_that_shares_no_tag_with_the_data_is_refused(data, line, tmp_path):
    line.write_text(
        "version: 1\nline: l\nsite: s\n"
        "sources: {plc: {type: modbus, host: h, tags: {other: {address: 0}}}}"
    )
    done = train_quickly(line, "--data", data, "--out", tmp_path / "pump")
    assert done.exit_code == 1
    assert "no column of the data is a tag of the line" in done.stderr


def test_columns_may_have_names_that_are_not_valid_in_a_line_file(tmp_path):
    source = bundles.recording()._replace(names=("Volume Flow", "T (°C)", "3rd", "current"))
    done = train_quickly(
        "--data", bundles.write_csv(tmp_path / "d.csv", source), "--out", tmp_path / "pump"
    )
    assert done.exit_code == 0, done.output
    names = [tag.name for tag in load(tmp_path / "pump").manifest.tags]
    assert names == list(source.names)


def test_only_running_is_used_for_training_and_the_bundle_keeps_the_gate(tmp_path):
    source = bundles.recording(1500)
    running = np.ones(1500)
    running[600:700] = 0
    source.values[600:700] = 50
    names, values = (*source.names, "running"), np.column_stack((source.values, running))
    data = bundles.write_csv(tmp_path / "data.csv", source._replace(names=names, values=values))
    gate = ("--when", "running == 1", "--settle", "30s")
    done = train("--data", data, "--out", tmp_path / "pump", "--candidates", "pca", *gate)
    assert done.exit_code == 0, done.output
    manifest = load(tmp_path / "pump").manifest
    assert (manifest.gate.when, manifest.gate.settle) == (("running == 1",), 30 * SECOND)
    assert [tag.name for tag in manifest.tags] == list(bundles.NAMES), "running is constant"
    assert manifest.tags[1].std < 3
    # The windows of the stop, and of the settling times after it and at the start.
    assert "188 other windows are not used" in done.stdout
    assert "running     running == 1, settled for 30s" in done.stdout


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        (["--when", "running = 1"], "condition: write a tag, one of"),
        (["--when", "sped > 1"], "'sped' is not a column of the data, did you mean 'speed'?"),
        (["--settle", "5s"], "--settle needs --when, which is not given"),
        (["--when", "speed > 1e9"], "0 complete windows in which speed > 1e9 held where 200"),
    ],
)
def test_an_invalid_gate_is_refused(data, tmp_path, gate, message):
    done = train("--data", data, "--out", tmp_path / "pump", *gate)
    assert done.exit_code != 0
    assert message in done.output.replace("\n", " ")


def test_a_tag_may_be_used_by_the_gate_only(data, line, tmp_path):
    gate = ("--tags", "flow,current", "--when", "speed > -1")
    done = train(line, "--data", data, "--out", tmp_path / "pump", "--candidates", "pca", *gate)
    assert done.exit_code == 0, done.output
    manifest = load(tmp_path / "pump").manifest
    assert [tag.name for tag in manifest.tags] == ["flow", "current"]
    assert manifest.gate.units == {"speed": "rpm"}
