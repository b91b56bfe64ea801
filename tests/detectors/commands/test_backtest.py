import csv
import json
from datetime import UTC, datetime

import bundles
import numpy as np
import pytest
from click.testing import CliRunner

from detectors.bundle.bundle import load
from gateway.cli import main


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return bundles.write(tmp_path_factory.mktemp("models"))


@pytest.fixture
def data(tmp_path):
    """Five minutes; the flow is shifted from 150 s to 180 s."""
    source = bundles.recording(300, seed=5)
    source.values[150:180, 1] += 8
    path = tmp_path / "data.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("timestamp", *source.names, "wrong"))
        for row, (at, values) in enumerate(zip(source.times, source.values, strict=True)):
            moment = datetime.fromtimestamp(int(at) / 1e9, UTC).isoformat()
            writer.writerow((moment, *map(repr, values.tolist()), int(150 <= row < 180)))
    return path


def andon(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_score_writes_a_row_for_each_window(bundle, data, tmp_path):
    done = andon("score", bundle, data, "--out", tmp_path / "scores.csv", "--on-delay", "0s")
    assert done.exit_code == 0, done.output
    with (tmp_path / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["timestamp", "score", "threshold", "alarm"]
    assert len(rows) == 300 - 9
    assert {float(row["threshold"]) for row in rows} == {load(bundle).manifest.threshold}
    alarmed = [row["timestamp"] for row in rows if row["alarm"] == "1"]
    assert "2026-01-01T00:02:31.000+00:00" <= alarmed[0] <= "2026-01-01T00:02:35.000+00:00"


def test_an_on_delay_that_outlasts_the_fault_leaves_no_alarm(bundle, data, tmp_path):
    out = tmp_path / "scores.csv"
    assert andon("score", bundle, data, "--out", out, "--on-delay", "2min").exit_code == 0
    with out.open() as file:
        assert {row["alarm"] for row in csv.DictReader(file)} == {"0"}


def test_backtest_reports_events_delays_and_baselines_beside_each_f1(bundle, data):
    no_delays = ("--on-delay", "0s", "--off-delay", "0s")
    done = andon(
        "backtest", bundle, data, "--labels", "wrong", "--grace", "15s", "--json", *no_delays
    )
    report = json.loads(done.stdout)
    assert (report["events"], report["events_found"]) == (1, 1)
    assert report["delays_s"][0] <= 3
    assert report["false_alarms"] == 0
    rates, graced = report["rates"], report["rates_without_recovery"]
    assert rates["f1_always"] == pytest.approx(2 * 30 / 330)
    assert rates["f1_always"] < rates["f1"] < graced["f1"]
    assert graced["far"] == 0
    assert report["average_precision"] > 0.7
    assert report["vus_pr"] > 0.7


def test_backtest_prints_a_report(bundle, data):
    text = andon("backtest", bundle, data, "--labels", "wrong").stdout
    assert "1 of 1 detected" in text
    assert text.count("always alarming") == 2


def test_an_event_detected_by_an_alarm_raised_before_it_is_marked(bundle, data, tmp_path):
    text = data.read_text().splitlines()
    # Labelled from 175 s on, when the alarm is already active.
    late = [row[:-1] + str(int(175 < n <= 180)) if n else row for n, row in enumerate(text)]
    path = tmp_path / "late.csv"
    path.write_text("\n".join(late))
    page = tmp_path / "page.html"
    options = ("--labels", "wrong", "--report", page)
    report = json.loads(andon("backtest", bundle, path, *options, "--json").stdout)
    assert (report["events_found"], report["events_alarmed_before"]) == (1, 1)
    assert report["labelled"][0]["alarmed_before"]
    assert "by an alarm raised before" in page.read_text()
    text = "1 of 1 detected, 1 of them by an alarm raised before the event"
    assert text in andon("backtest", bundle, path, "--labels", "wrong").stdout
    assert "raised before" not in andon("backtest", bundle, data, "--labels", "wrong").stdout


def test_without_labels_every_alarm_counts_as_false(bundle, data):
    report = json.loads(andon("backtest", bundle, data, "--json").stdout)
    assert report["false_alarms"] == len(report["alarms"]) == 1
    assert report["false_alarms_per_hour"] == pytest.approx(12)
    assert "events" not in report
    assert "none (--labels COLUMN)" in andon("backtest", bundle, data).stdout


@pytest.fixture
def labels(tmp_path):
    """Writes a file of labels with one interval, that of the fault, and of this verdict."""

    def write(verdict, end="2026-01-01T00:03:00Z"):
        path = tmp_path / "labels.csv"
        path.write_text(f"start,end,verdict\n2026-01-01T00:02:31Z,{end},{verdict}\n")
        return path

    return write


def test_a_file_of_labels_counts_as_a_column_does(bundle, data, labels):
    options = ("--grace", "15s", "--json")
    by_column = andon("backtest", bundle, data, "--labels", "wrong", *options)
    by_file = andon("backtest", bundle, data, "--labels", labels("real"), *options)
    assert json.loads(by_file.stdout) == json.loads(by_column.stdout)
    assert json.loads(by_file.stdout)["events_found"] == 1


def test_an_alarm_that_is_unclear_or_of_maintenance_is_not_counted(bundle, data, labels):
    def report(verdict):
        path = labels(verdict, "2026-01-01T00:04:00Z")
        return json.loads(andon("backtest", bundle, data, "--labels", path, "--json").stdout)

    for verdict in ("unclear", "maintenance"):
        assert (report(verdict)["alarms"], report(verdict)["false_alarms"]) == ([], 0)
        assert report(verdict)["remarks"] == [
            "90 rows of unclear alarms or maintenance are not counted"
        ]
    assert report("false")["false_alarms"] == 1
    done = andon("backtest", bundle, data, "--labels", labels("perhaps"))
    assert (done.exit_code, "line 2, verdict: must be one of" in done.stderr) == (1, True)


def test_labels_of_another_time_than_the_data_are_counted(bundle, data, labels):
    path = labels("real")
    path.write_text(
        f"{path.read_text()}2027-01-01,2027-01-02,real\n2025-01-01,2025-01-02,unclear\n"
    )
    report = json.loads(andon("backtest", bundle, data, "--labels", path, "--json").stdout)
    assert report["remarks"] == [f"2 labels lie before or after the data: {path}"]
    assert report["events_found"] == 1


def test_a_missing_column_of_labels_is_refused(bundle, data):
    done = andon("backtest", bundle, data, "--labels", "attack")
    assert done.exit_code
    assert "no column 'attack'" in done.stderr


@pytest.mark.parametrize("command", ["score", "backtest"])
def test_a_wrong_option_is_a_usage_error(bundle, data, tmp_path, command):
    out = ["--out", tmp_path / "x.csv"] if command == "score" else []
    done = andon(command, bundle, data, *out, "--on-delay", "5")
    assert done.exit_code == 2
    assert "'--on-delay': '5' is not a duration" in done.stderr


def test_a_missing_bundle_is_refused(data, tmp_path):
    np.savetxt(tmp_path / "note.txt", [1])
    done = andon("backtest", tmp_path / "nothing", data)
    assert done.exit_code
    assert "is not a folder" in done.stderr


def test_idle_rows_of_a_gate_are_distinguished_from_blind_ones(bundle, data):
    done = andon("backtest", bundle, data, "--when", "wrong == 0", "--settle", "10s", "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    # The 30 labelled seconds, the settling time and a window.
    assert report["idle_rows"] == 30 + 10 + 9
    assert report["alarms"] == []
    text = andon("backtest", bundle, data, "--when", "wrong == 0").stdout
    assert "39 rows while the machine was not running" in text


def test_a_gate_of_a_missing_column_is_refused(bundle, data):
    done = andon("backtest", bundle, data, "--when", "running == 1")
    assert done.exit_code == 1
    assert "no column for the model's tags running" in done.stderr
