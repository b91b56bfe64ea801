"""The file of labels, from the journal that a daemon left in its buffer."""

import csv

import pytest
from click.testing import CliRunner
from journalled import facts, line_with

from gateway.api.model import SECOND
from gateway.cli import main
from gateway.core.alarms.journal import note, of_alert

T0 = 1_700_000_000 * SECOND


def entry(transition, at, state, **more):
    tags = [{"tag": "a"}, {"tag": "b"}]
    made = facts(at, transition, state, opened_at=T0, top_tags=tags, by="anna", **more)
    return of_alert(made | {"began_at": T0 - 5 * SECOND})


ENTRIES = [
    note(T0 - SECOND, "started"),
    entry("raised", T0, "unacknowledged"),
    entry("returned", T0 + 60 * SECOND, "normal"),
    entry("commented", T0 + 90 * SECOND, "normal", verdict="real", reason='worn, "old"\x1b[2J'),
]


@pytest.fixture
def andon(tmp_path):
    """Runs `andon alarms LINE.yaml labels`."""
    path, _ = line_with(tmp_path, ENTRIES)
    return lambda *words: CliRunner().invoke(main, ["alarms", str(path), "labels", *words])


def test_labels_are_rows_of_a_csv_file(andon, tmp_path):
    done = andon("-o", str(tmp_path / "labels.csv"))
    assert done.stdout == f"1 labels written to {tmp_path / 'labels.csv'}: 1 real\n"
    assert "no daemon answers: read from" in done.stderr
    with (tmp_path / "labels.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row.pop("id").startswith("guard.flow.high-")
    assert row == {
        "start": "2023-11-14T22:13:15.000+00:00", "end": "2023-11-14T22:14:20.000+00:00",
        "detector": "guard", "alarm": "flow.high", "verdict": "real", "tags": "a b", "by": "anna",
        "comment": 'worn, "old"\\x1b[2J',
    }  # fmt: skip


def test_without_a_file_they_are_printed(andon):
    assert andon().stdout.splitlines()[0].startswith("start,end,detector")


def test_only_those_since_a_time_are_written(andon):
    assert len(andon("--since", "2023-11-15").stdout.splitlines()) == 1


def test_a_file_that_cannot_be_written_is_named(andon, tmp_path):
    done = andon("-o", str(tmp_path / "none" / "labels.csv"))
    assert done.exit_code == 1
    assert "cannot be written: No such file" in done.output
