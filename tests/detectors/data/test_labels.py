"""Reading files of labels."""

import numpy as np
import pytest

from detectors.data.labels import (
    FOREVER,
    is_file_of_labels,
    overlapping,
    read_labels,
    within,
)
from gateway.api.contracts import ConfigError

HEAD = "start,end,verdict,comment\n"
DAY = 1_767_225_600 * 10**9


def written(tmp_path, text):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    return path


def test_real_is_a_fault_unclear_and_maintenance_are_left_out_and_false_is_normal(tmp_path):
    rows = "".join(
        f"2026-01-01T0{n}:00:00Z,2026-01-01T0{n}:30:00+00:00,{verdict},x\n"
        for n, verdict in enumerate(("real", "false", "unclear", "maintenance"))
    )
    found = read_labels(written(tmp_path, HEAD + rows))
    hour = 3600 * 10**9
    assert found.faults == ((DAY, DAY + hour // 2),)
    assert found.left_out == tuple((DAY + n * hour, DAY + n * hour + hour // 2) for n in (2, 3))


def test_an_interval_without_an_end_lasts(tmp_path):
    found = read_labels(written(tmp_path, f"{HEAD}2026-01-01,,real,\n"))
    assert found.faults == ((DAY, FOREVER),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "has no column start: labels have the columns start, end, detector"),
        ("", "has no column start"),
        (f"{HEAD}yesterday,,real,\n", "line 2, start: must be a time as in .*'yesterday'"),
        (f"{HEAD}2026-01-01,2025-01-01,real,\n", "line 2, end: lies before its start"),
        (f"{HEAD}2026-01-01,,maybe,\n", "line 2, verdict: must be one of real, false, unclear"),
        (f"{HEAD}2026-01-01\n", "line 2, verdict"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line_and_field(tmp_path, text, words):
    with pytest.raises(ConfigError, match=words):
        read_labels(written(tmp_path, text))


def test_a_file_that_is_missing_or_binary_is_named(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        read_labels(tmp_path / "none.csv")
    (tmp_path / "labels.csv").write_bytes(b"start,end,verdict\n\xff\xfe")
    with pytest.raises(ConfigError, match="is not a CSV file"):
        read_labels(tmp_path / "labels.csv")


def test_a_name_that_ends_as_a_file_is_one():
    assert is_file_of_labels("x/labels.CSV")
    assert not is_file_of_labels("wrong")
    assert not is_file_of_labels(None)


def test_a_stretch_overlaps_where_a_span_meets_it():
    start, end = np.array([0, 10, 20, 30]), np.array([10, 20, 30, 40])
    assert overlapping([(12, 20)], start, end).tolist() == [False, True, False, False]
    assert overlapping([(12, 21)], start, end).tolist() == [False, True, True, False]
    assert within([(10, 20)], end).tolist() == [True, True, False, False]
