"""Tables with a row for each value, and tables of several devices."""

import re

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from recordings import lines, read, stamps

from gateway.api.contracts import ConfigError

AT = ["2026-03-10T08:00:00Z", "2026-03-10T08:00:10Z"]
WIDE = [[1.5, 20.0], [2.5, 21.0]]

LONG = {
    "as a historian exports it": lines(
        "Tag,Timestamp,Value",
        [f"flow,{AT[0]},1.5", f"flow,{AT[1]},2.5", f"oil,{AT[0]},20", f"oil,{AT[1]},21"],
    ),
    "by time, with a quality": lines(
        "time;name;value;quality",
        [f"{AT[0]};flow;1,5;Good", f"{AT[0]};oil;20;Good", f"{AT[1]};flow;2,5;Good",
         f"{AT[1]};oil;21;Good"],
    ),
    "as InfluxDB exports it": lines(
        "#datatype,string,long,dateTime:RFC3339,double,string",
        ",result,table,_time,_value,_field",
        [f",,0,{AT[0]},1.5,flow", f",,0,{AT[1]},2.5,flow", f",,1,{AT[0]},20,oil",
         f",,1,{AT[1]},21,oil"],
    ),
    "with a value in a column of another name": lines(
        "sensor_id,at,messung",
        [f"flow,{AT[0]},1.5", f"oil,{AT[0]},20", f"flow,{AT[1]},2.5", f"oil,{AT[1]},21"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LONG)
def test_a_table_in_long_form_gets_a_column_for_each_tag_and_it_is_said(tmp_path, name):
    recording, said = read(tmp_path, LONG[name])
    assert (recording.names, recording.values.tolist()) == (("flow", "oil"), WIDE)
    assert stamps(recording) == [at.removesuffix("Z") for at in AT]
    assert "a table in long form: 2 tags by column" in said


def test_tags_with_times_of_their_own_leave_the_others_missing(tmp_path):
    text = lines("tag,time,value", f"a,{AT[0]},1", f"b,{AT[1]},2")
    recording, _ = read(tmp_path, text)
    assert np.array_equal(recording.values, [[1, np.nan], [np.nan, 2]], equal_nan=True)


def test_a_value_that_is_not_good_is_missing(tmp_path):
    text = lines("tag,time,value,quality", f"a,{AT[0]},1,Good", f"a,{AT[1]},2,Bad",
                 f"b,{AT[1]},I/O Timeout,Good")  # fmt: skip
    recording, said = read(tmp_path, text)
    assert np.array_equal(recording.values, [[1, np.nan], [np.nan, np.nan]], equal_nan=True)
    assert "1 row taken as missing, since column 'quality' is not 'Good'" in said
    assert "'I/O Timeout' once" in said


def test_long_form_in_parquet(tmp_path):
    times = pa.array([0, 10, 0, 10]).cast(pa.timestamp("s", "UTC"))
    table = pa.table({"time": times, "tag": pa.array(["a", "a", "b", "b"]).dictionary_encode(),
                      "value": [1.0, 2.0, 3.0, 4.0]})  # fmt: skip
    parquet.write_table(table, tmp_path / "data.parquet")
    recording, _ = read(tmp_path, (tmp_path / "data.parquet").read_bytes(), "data.parquet")
    assert (recording.names, recording.values.tolist()) == (("a", "b"), [[1, 3], [2, 4]])


def rows_of(*devices):
    """Six rows of each time, one a device."""
    return [
        f"2026-03-10T08:00:{n:02}Z,{d},{n}.5,{n + k}.25"
        for n in range(6) for k, d in enumerate(devices)
    ]  # fmt: skip


REFUSED = {
    "several devices by name": (
        lines("time,machine,flow,oil", rows_of("m1", "m2", "m3")),
        "each time stands in several rows, which column 'machine' tells apart (3 different)",
    ),
    "several devices by number": (
        lines("time,unit,flow,oil", rows_of(1, 2)), "column 'unit' tells apart (2 different)",
    ),
    "two columns of names": (
        lines("time,measurement,field,value", [f"{AT[0]},m{n % 3},f{n % 2},1" for n in range(6)]),
        "with the name of a tag in several columns ('measurement', 'field')",
    ),
    "values in words": (
        lines("time,tag,value", f"{AT[0]},a,on", f"{AT[1]},a,off"),
        "a table in long form, whose column of values 'value' holds hardly any numbers",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_several_things_in_one_column_are_never_taken_for_one(tmp_path, name):
    text, sentence = REFUSED[name]
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        read(tmp_path, text)


def test_a_column_of_words_in_a_wide_table_is_just_left_out(tmp_path):
    text = lines("time,product,flow", f"{AT[0]},a,1", f"{AT[1]},b,2")
    recording, _ = read(tmp_path, text)
    assert (recording.names, recording.left_out) == (("flow",), {"product": "hardly any numbers"})


def test_a_bit_that_changes_with_each_sample_is_not_a_device(tmp_path):
    rows = [f"2026-03-10T08:00:{n // 2:02}Z,{n % 2},{n}.5" for n in range(12)]
    recording, said = read(tmp_path, lines("time,heartbeat,flow", rows))
    assert recording.names == ("heartbeat", "flow")
    assert "6 times with different values in several rows" in said
