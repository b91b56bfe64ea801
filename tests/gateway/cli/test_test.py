"""`andon test`: cases pass, fail with a clear difference, or are refused at their line."""

import json
import re
from pathlib import Path

import pytest
import recorded
from click.testing import CliRunner

from gateway.cli import main

pytestmark = pytest.mark.usefixtures("logging_as_before")
ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "configs" / "cases").glob("*.yaml"))
LINE = """\
version: 1
line: press
site: s
sources:
  plc:
    type: modbus
    host: h
    tags: {oil: {address: 0, unit: bar}, flow: {address: 1}}
detectors:
  guard: {type: limits, on_delay: 2s, tags: {oil: {high: 65}}}
"""
CASES = """\
version: 1
line: line.yaml
cases:
  - name: hot oil is reported
    samples: {oil: 50x5 70x5 50x5}
    alerts:
      - {at: 7s, alarm: guard.oil.high, top_tags: [oil]}
      - {at: 10s, alarm: guard.oil.high, state: normal}
"""


@pytest.fixture
def run(tmp_path):
    """Run these cases against the line of this folder."""

    def write(cases=CASES, *words, line=LINE):
        (tmp_path / "line.yaml").write_text(line)
        (tmp_path / "cases.yaml").write_text(cases)
        return CliRunner().invoke(main, ["test", str(tmp_path / "cases.yaml"), *words])

    return write


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_as_expected(path):
    done = CliRunner().invoke(main, ["test", str(path)])
    assert done.exit_code == 0, done.output
    assert "FAILED" not in done.output


def test_the_documented_cases_are_as_expected(tmp_path):
    page = (ROOT / "docs" / "cases.md").read_text()
    (cases,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "minimal.yaml").write_text((ROOT / "configs" / "minimal.yaml").read_text())
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "c.yaml").write_text(cases)
    done = CliRunner().invoke(main, ["test", str(tmp_path / "cases" / "c.yaml")])
    assert done.exit_code == 0, done.output


def test_a_passing_case_is_reported(run):
    done = run()
    assert done.exit_code == 0, done.output
    assert "cases.yaml:4: hot oil is reported" in done.output
    assert done.output.endswith("1 of 1 cases as expected\n")


def test_the_difference_is_shown_in_the_order_of_time(run):
    done = run(CASES.replace("at: 7s", "at: 6s"))
    assert done.exit_code == 1
    shown = [line.split() for line in done.output.splitlines() if line.startswith("    ")]
    assert [line[:3] for line in shown] == [
        ["-", "6s", "guard.oil.high"],
        ["+", "7s", "guard.oil.high"],
        ["10s", "guard.oil.high", "normal"],
    ]
    assert "0 of 1 cases as expected" in done.output


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("top_tags: [oil]", "severity: high"),
        ("top_tags: [oil]", "top_tags: [flow]"),
        ("state: normal", "state: shelved"),
        ("      - {at: 10s, alarm: guard.oil.high, state: normal}\n", ""),
        ("50x5 70x5 50x5", "50x5 60x5 50x5"),
    ],
)
def test_whatever_else_differs_fails_the_case(run, written, instead):
    assert written in CASES
    assert run(CASES.replace(written, instead)).exit_code == 1


def test_a_changed_limit_is_noticed(run):
    assert run(line=LINE.replace("high: 65", "high: 75")).exit_code == 1


def test_silence_is_an_alarm_only_where_all_tags_of_the_source_are_given(run):
    head = "version: 1\nline: line.yaml\ncases:\n  - name: silence\n"
    some = head + "    samples: {oil: 50x20 _x40}\n    alerts: []\n"
    assert run(some).exit_code == 0
    every = some.replace("{oil:", "{flow: 1x20 _x40, oil:")
    done = run(every)
    assert done.exit_code == 1
    at = re.search(r"\+ +(\S+)  data.plc.lost", done.output)[1]
    fits = every.replace("[]", "[{at: " + at + ", alarm: data.plc.lost}]")
    assert run(fits).exit_code == 0


def test_the_report_is_json_on_request(run):
    report = json.loads(run(CASES.replace("7s", "6s"), "--json").stdout)
    (case,) = report["cases"]
    assert (case["ok"], case["line"], len(case["fitting"])) == (False, 4, 1)
    assert case["missing"] == ["6s  guard.oil.high  unacknowledged  [oil]"]


@pytest.mark.parametrize(
    ("written", "instead", "line", "message"),
    [
        ("oil: 50x5", "oli: 50x5", 5, "cases.0.samples.oli: the line has no tag oli\n"),
        ("50x5 70x5", "50x5 hot", 5, "cases.0.samples.oil: 'hot' is not a sample"),
        ("guard.oil.high, top", "guard.oil.hihg, top", 7, "the line has no alarm guard.oil.hihg"),
        ("at: 7s", "at: 7", 7, "cases.0.alerts.0.at: 7 has no unit"),
        ("samples:", "sample:", 5, "unknown key"),
        ("line.yaml", "lien.yaml", 2, "there is no file"),
        ("version: 1", "version: 2", 1, "this file is version 2"),
        ("{oil: 50x5 70x5 50x5}", "{oil: 5}", 4, "the length of the case is unknown"),
        ("{oil: 50x5 70x5 50x5}", "{oil: [1, 2]}", 5, "must be"),
    ],
)
def test_a_mistake_is_reported_at_its_row(run, written, instead, line, message):
    assert written in CASES
    done = run(CASES.replace(written, instead))
    assert done.exit_code == 1, done.output
    assert f"cases.yaml:{line}:" in done.output
    assert message in done.output, done.output


def test_a_mistake_in_the_line_file_is_reported_there(run):
    done = run(line=LINE.replace("host: h", "hots: h"))
    assert done.exit_code == 1
    assert "line.yaml:7:5: sources.plc.hots: unknown key" in done.output


@pytest.mark.timeout(300)  # it may be the first that needs a model, and waits for its training
def test_a_model_whose_tags_a_case_lacks_does_not_fail_it_by_its_blindness(run, tmp_path, bundle):
    line = recorded.line_file(tmp_path, bundle).read_text()
    head = "version: 1\nline: line.yaml\ncases:\n  - name: calm\n    length: 75min\n"
    case = head + "    samples: {flow: 60}\n    alerts: [{at: 64s, alarm: guard.flow.flat_line}]\n"
    done = run(case, line=line)
    assert done.exit_code == 0, done.output
    known = run(case.replace("guard.flow.flat_line", "models.pump.blindnes"), line=line).output
    assert 'did you mean "models.pump.blindness"?' in known
