"""`andon alarms LINE.yaml report`: a table, JSON and a page."""

import json

import pytest
from click.testing import CliRunner
from journalled import HOUR, line_with

from gateway.cli.alarms import command


@pytest.fixture
def file(tmp_path):
    return line_with(tmp_path)[0]


def report(file, *words):
    return CliRunner().invoke(command, [str(file), "report", *words])


def test_the_table_says_what_is_recommended_and_by_whom(file):
    done = report(file)
    assert done.exit_code == 0
    rows = done.stdout.splitlines()
    assert rows[0] == "press: 1 alarm in 2 h"
    (rate,) = [row for row in rows if "alarms an hour" in row]
    assert rate.split() == [
        "✓", "alarms", "an", "hour,", "on", "average", "0.50", "about", "6,", "at", "most", "12",
        "ISA-18.2,", "IEC", "62682:", "16",
    ]  # fmt: skip
    assert "       1  guard.flow.high" in rows


def test_the_figures_are_given_as_json(file):
    figures = json.loads(report(file, "--json").stdout)
    assert (figures["line"], figures["site"], figures["alarms"]) == ("press", "here", 1)
    assert (figures["acknowledged"], figures["median_acknowledgement"]) == (1, 60.0)
    assert figures["verdicts"] == {"real": 1}
    assert sum(figures["alarms_per_hour_from_start"]) == 1
    assert figures["figures"][0]["is_met"] is True


def test_the_time_span_is_the_one_asked_for(file):
    figures = json.loads(report(file, "--json", "--since", "30min").stdout)
    assert (figures["alarms"], figures["end"] - figures["start"]) == (0, HOUR // 2)


def test_the_page_is_written_and_needs_nothing_else(file, tmp_path):
    done = report(file, "--html", str(tmp_path / "report.html"))
    assert (done.exit_code, done.stdout) == (0, "")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "<title>Alarms of press, here</title>" in page


def test_a_page_that_cannot_be_written_is_a_sentence(file, tmp_path):
    done = report(file, "--html", str(tmp_path / "no" / "report.html"))
    assert (done.exit_code, "cannot be written: No such file" in done.stderr) == (1, True)
