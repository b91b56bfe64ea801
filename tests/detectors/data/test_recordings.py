import re
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from detectors.data.recordings import read
from gateway.api.contracts import ConfigError

FIRST = 1_767_225_600_000_000_000


def write(folder, text, name="data.csv"):
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "times",
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z"),
        ("2026-01-01T00:00:00", "2026-01-01T00:00:00.500"),
        ("2026-01-01 00:00:00", "2026-01-01 00:00:00.5"),
        ("2026-01-01T01:00:00+01:00", "2026-01-01T01:00:00.5+01:00"),
        ("1767225600", "1767225600.5"),
        ("1767225600000", "1767225600500"),
        ("1767225600000000", "1767225600500000"),
        ("1767225600000000000", "1767225600500000000"),
    ],
)
def test_the_usual_formats_of_a_time_are_read(tmp_path, times):
    path = write(tmp_path, f"timestamp,flow\n{times[0]},1\n{times[1]},2\n")
    assert read([path]).times.tolist() == [FIRST, FIRST + 500_000_000]


@pytest.mark.parametrize("name", ["timestamp", "Time", "DATETIME", "at"])
def test_the_column_of_times_is_recognised_by_its_name(tmp_path, name):
    path = write(tmp_path, f"flow,{name},speed\n1,2026-01-01T00:00:00Z,3\n")
    recording = read([path])
    assert recording.names == ("flow", "speed")
    assert recording.values.tolist() == [[1, 3]]


def test_the_first_column_is_the_time_if_no_name_says_so(tmp_path):
    path = write(tmp_path, "when,flow\n2026-01-01T00:00:00Z,1\n")
    assert read([path]).names == ("flow",)


def test_semicolons_and_decimal_commas_are_recognised(tmp_path):
    path = write(tmp_path, "time;flow;level\n2026-01-01T00:00:00Z;1,5;2,25\n")
    assert read([path]).values.tolist() == [[1.5, 2.25]]
    path = write(tmp_path, "time;flow;level\n2026-01-01T00:00:00Z;1.5;2.25\n")
    assert read([path]).values.tolist() == [[1.5, 2.25]]


def test_a_cell_that_is_not_a_number_is_missing(tmp_path):
    rows = "2026-01-01T00:00:00Z,1,\n2026-01-01T00:00:01Z,Bad,2\n2026-01-01T00:00:02Z,3,inf\n"
    recording = read([write(tmp_path, "time,flow,level\n" + rows)])
    assert np.array_equal(
        recording.values, [[1, np.nan], [np.nan, 2], [3, np.nan]], equal_nan=True
    )  # fmt: skip


def test_a_column_of_words_is_left_out_and_named(tmp_path):
    recording = read([write(tmp_path, "time,flow,state\n2026-01-01T00:00:00Z,1,running\n")])
    assert recording.names == ("flow",)
    assert recording.left_out == {"state": "hardly any numbers"}


def test_true_and_false_are_one_and_zero(tmp_path):
    text = "time,open\n2026-01-01T00:00:00Z,true\n2026-01-01T00:00:01Z,false\n"
    assert read([write(tmp_path, text)]).values.tolist() == [[1], [0]]


def test_a_row_without_a_time_is_skipped(tmp_path):
    text = "time,flow\n2026-01-01T00:00:00Z,1\n,2\n2026-01-01T00:00:02Z,3\n"
    assert read([write(tmp_path, text)]).values.tolist() == [[1], [3]]


def test_a_column_without_a_name_is_left_out(tmp_path):
    """As for a leading row number, or a separator at the end of each row."""
    text = ",time,flow,\n0,2026-01-01T00:00:00Z,1,\n1,2026-01-01T00:00:01Z,2,\n"
    recording = read([write(tmp_path, text)])
    assert recording.names == ("flow",)
    assert recording.left_out == {"": "a column without a name"}


def test_nan_is_not_a_time(tmp_path):
    table = pa.table({"time": [1767225600.0, float("nan"), 1767225601.0], "flow": [1.0, 2.0, 3.0]})
    parquet.write_table(table, tmp_path / "data.parquet")
    recording = read([tmp_path / "data.parquet"])
    assert recording.times.tolist() == [FIRST, FIRST + 1_000_000_000]
    assert recording.values.tolist() == [[1], [3]]


def test_parquet_reads_like_csv(tmp_path):
    zone = timezone(timedelta(hours=1))
    table = pa.table(
        {
            "timestamp": [
                datetime(2026, 1, 1, 1, tzinfo=zone),
                datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC),
            ],
            "flow": pa.array([1, None], pa.float32()),
            "count": pa.array([7, 8], pa.uint16()),
        }
    )
    parquet.write_table(table, tmp_path / "data.parquet")
    recording = read([tmp_path / "data.parquet"])
    assert recording.times.tolist() == [FIRST, FIRST + 1_000_000_000]
    assert np.array_equal(recording.values, [[1, 7], [np.nan, 8]], equal_nan=True)


def test_several_files_are_joined_in_the_order_of_time(tmp_path):
    late = write(tmp_path, "time,flow,level\n2026-01-01T00:00:09Z,3,4\n", "late.csv")
    early = write(tmp_path, "time,level,flow\n2026-01-01T00:00:00Z,2,1\n", "early.csv")
    recording = read([late, early])
    assert recording.names == ("flow", "level")
    assert recording.values.tolist() == [[1, 2], [3, 4]]
    assert (np.diff(recording.times) > 0).all()


def test_files_with_other_columns_are_refused(tmp_path):
    one = write(tmp_path, "time,flow\n2026-01-01T00:00:00Z,1\n", "one.csv")
    two = write(tmp_path, "time,level\n2026-01-01T00:00:00Z,1\n", "two.csv")
    with pytest.raises(ConfigError, match=r"two\.csv does not have the same columns .*flow, level"):
        read([one, two])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read"),
        ("time,flow\n", "there are no rows below the header"),
        ("time,flow\n,1\n", "column 'time' is empty"),
        ("flow\n1\n", "it has one column, 'flow'"),
        ("time~flow\n1~2\n", "with ',', ';', '|' or a tab between them"),
        ("flow,level\n3,1\n2,1\n", "column 'flow' holds numbers from 2 to 3"),
        ("time,flow\n1600-01-01T00:00:00,1\n", "such as '1600-01-01T00:00:00' in line 2"),
        ("time,flow\n99999999999,1\n", "which are no times since 1970"),
        ("time,flow,flow\n2026-01-01T00:00:00Z,1,2\n", "several columns named 'flow'"),
        ("time,flow\nyesterday,1\n", "column 'time' holds 'yesterday'"),
        ("time,state\n2026-01-01T00:00:00Z,on\n", "no column with numbers"),
        ("time,flow\n2026-01-01T00:00:00Z,1,2,3\n", "line 1 has 2 fields and line 2 has 4"),
    ],
)
def test_a_file_without_time_series_is_refused_with_its_name(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=re.escape(message)) as refused:
        read([path])
    assert str(path) in str(refused.value)


def test_a_missing_file_is_refused_with_its_name(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.csv cannot be read"):
        read([tmp_path / "nowhere.csv"])
