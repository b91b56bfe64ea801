"""The file of labels, and the pages of the journal that it is made of."""

import csv

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.cli.alarm import labels

T0 = 1_700_000_000 * 10**9


def entry(seq, transition, at, **facts):
    known = {
        "opened_at": T0,
        "began_at": T0 - 5 * 10**9,
        "active": True,
        "verdict": "",
        "detector": "pump",
        "alarm": "anomaly",
        "top_tags": [{"tag": "a"}, {"tag": "b"}],
    }
    return {
        "seq": seq,
        "kind": "alarm",
        "id": "pump.anomaly-1",
        "transition": transition,
        "at": at,
        "by": "anna",
        "reason": 'worn, "old"',
        "facts": {**known, **facts},
    }


ENTRIES = [
    entry(1, "raised", T0),
    entry(2, "returned", T0 + 60 * 10**9, active=False),
    entry(3, "commented", T0 + 90 * 10**9, active=False, verdict="real"),
]


@pytest.fixture
def andon(monkeypatch, tmp_path):
    """Runs `andon alarms LINE.yaml labels`, whose journal has pages of two entries."""
    path = tmp_path / "press.yaml"
    path.touch()

    def ask(_file, asked):
        before = int(asked.partition("before=")[2] or 99)
        found = [each for each in reversed(ENTRIES) if each["seq"] < before]
        return {"entries": found[:2], "more": len(found) > 2}

    monkeypatch.setattr(labels, "ask", ask)
    return lambda *words: CliRunner().invoke(main, ["alarms", str(path), "labels", *words])


def test_labels_are_rows_of_a_csv_file(andon, tmp_path):
    done = andon("-o", str(tmp_path / "labels.csv"))
    assert done.output == f"1 labels written to {tmp_path / 'labels.csv'}: 1 real\n"
    with (tmp_path / "labels.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row == {
        "start": "2023-11-14T22:13:15.000+00:00", "end": "2023-11-14T22:14:20.000+00:00",
        "detector": "pump", "alarm": "anomaly", "verdict": "real", "tags": "a b", "by": "anna",
        "comment": 'worn, "old"', "id": "pump.anomaly-1",
    }  # fmt: skip


def test_without_a_file_they_are_printed(andon):
    assert andon().output.splitlines()[0].startswith("start,end,detector")


def test_only_those_since_a_time_are_written(andon):
    assert len(andon("--since", "2023-11-15").output.splitlines()) == 1


def test_a_file_that_cannot_be_written_is_named(andon, tmp_path):
    done = andon("-o", str(tmp_path / "none" / "labels.csv"))
    assert done.exit_code == 1
    assert "cannot be written: No such file" in done.output
