"""`andon alarms LINE.yaml journal` and `show`, of a line that does not run."""

import json
import re

import pytest
from click.testing import CliRunner
from journalled import line_with

from gateway.cli.alarms import command


@pytest.fixture
def line(tmp_path):
    return line_with(tmp_path)


def alarms(file, *words):
    return CliRunner().invoke(command, [str(file), *words])


def test_the_journal_is_listed_with_the_newest_last(line):
    done = alarms(line[0], "journal")
    assert done.exit_code == 0
    rows = done.stdout.splitlines()
    assert len(rows) == 5
    assert "started: nothing is known" in rows[0]
    assert re.fullmatch(
        rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d  high      raised        {line[1]} +Flow high: raised",
        rows[1],
    )
    assert rows[2].endswith("Flow high: acknowledged  by anna")
    assert "no daemon answers: read from" in done.stderr


@pytest.mark.parametrize(("words", "count"), [(["--since", "90min"], 4), (["-n", "2"], 2)])
def test_a_part_of_the_journal_is_listed(line, words, count):
    done = alarms(line[0], "journal", *words, "--json")
    entries = [json.loads(row) for row in done.stdout.splitlines()]
    assert [entry["seq"] for entry in entries] == list(range(6 - count, 6))
    assert entries[-1]["facts"]["verdict"] == "real"


def test_the_journal_says_that_there_is_more_of_it(line):
    assert "the newest 2; -n shows more of them" in alarms(line[0], "journal", "-n", "2").stderr
    assert "the newest" not in alarms(line[0], "journal").stderr


def test_a_journal_without_entries_says_so(tmp_path):
    file, _ = line_with(tmp_path, [_nothing()])
    assert alarms(file, "journal", "--since", "1s").stdout == "no entry\n"


def _nothing():
    from gateway.core.alarms.journal import note

    return note(1, "long ago")


def test_everything_is_shown_of_one_alarm(line):
    done = alarms(line[0], "show", line[1])
    assert done.exit_code == 0
    words = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", done.stdout)
    assert (
        words
        == f"""\
Flow high: raised

  id           {line[1]}
  state        normal, severity high
  began        TIME
  raised       TIME
  value        87.2 m3/h; limit 85 m3/h, active above it; farthest 88.1 m3/h
  advice       Close the valve.
  verdict      real
  samples      andon clip {line[0]} {line[1]}

  Tag    Share        Actual         Limit  Unit
  flow   100 %          87.2            85  m3/h

Transitions
  TIME  raised         unacknowledged
  TIME  acknowledged   acknowledged               by anna  on my way
  TIME  commented      acknowledged               by anna  real
  TIME  returned       normal
"""
    )


def test_an_alarm_is_shown_as_json(line):
    shown = json.loads(alarms(line[0], "show", line[1], "--json").stdout)
    assert list(shown) == ["alarm", "entries", "clip"]
    assert shown["alarm"]["state"] == "normal"
    assert len(shown["entries"]) == 4


def test_a_name_is_its_newest_occurrence(line):
    name = line[1].rpartition("-")[0]
    by_name = alarms(line[0], "show", name)
    assert by_name.exit_code == 0
    assert by_name.stdout == alarms(line[0], "show", line[1]).stdout


def test_a_wrong_id_is_a_sentence_with_what_may_have_been_meant(line):
    done = alarms(line[0], "show", line[1][:-1])
    assert done.exit_code == 1
    assert f"no alarm has the id '{line[1][:-1]}'" in str(done.exception)
    assert f'did you mean "{line[1]}"' in str(done.exception)
    done = alarms(line[0], "show", "x")
    assert f"see andon alarms {line[0]} journal" in str(done.exception)


def test_a_line_that_never_ran_says_so(line):
    (line[0].parent / "state" / "buffer.db").unlink()
    done = alarms(line[0], "journal")
    assert (done.exit_code, "the line has never run here" in done.stderr) == (1, True)


def test_a_text_of_the_journal_does_not_steer_the_terminal(tmp_path):
    file, _ = line_with(tmp_path, [_hostile()])
    assert "\\x1b[2J" in alarms(file, "journal").stdout


def _hostile():
    from gateway.core.alarms.journal import note

    return note(1, "\x1b[2J")
