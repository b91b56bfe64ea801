"""Columns of qualities: what they call bad is not learnt from."""

import numpy as np
import pytest
from recordings import lines, read

AT = [f"2026-03-10T08:00:{second:02}Z" for second in range(4)]

LONG = {
    # Header, good code, bad code, and what is said.
    "WinCC": ("tag;time;value;Validity", "1", "0", "'Validity' is not 1"),
    "an OPC server": ("tag;time;value;OPCQuality", "192", "0", "is not good by OPC (192)"),
    "OPC, uncertain": ("tag;time;value;quality", "192", "64", "is not good by OPC (192)"),
    "Wonderware": ("TagName;DateTime;Value;QualityDetail", "192", "24", "good by OPC (192)"),
    "Kepware": ("_NAME;_TIMESTAMP;_VALUE;_QUALITY", "192", "0", "good by OPC (192)"),
    "OPC UA": ("NodeId;time;value;StatusCode", "0", "2147483648", "is not Good"),
    "Proficy": ("tag;time;value;confidence", "100", "0", "is not 100"),
    "true and false": ("tag;time;value;good", "TRUE", "FALSE", "'good' is not true"),
    "words": ("tag;time;value;status", "Good", "BadNoCommunication", "is not 'Good'"),
}


@pytest.mark.parametrize("name", LONG)
def test_a_value_whose_quality_is_not_good_is_missing(tmp_path, name):
    header, good, bad, why = LONG[name]
    rows = [
        f"{tag};{at};{n}.5;{bad if n == 2 else good}" for n, at in enumerate(AT) for tag in "ab"
    ]
    recording, said = read(tmp_path, lines(header, rows))
    expected = [[0.5] * 2, [1.5] * 2, [np.nan] * 2, [3.5] * 2]
    assert np.array_equal(recording.values, expected, equal_nan=True)
    assert "2 rows taken as missing" in said
    assert why in said


def test_all_of_them_bad_leave_nothing(tmp_path):
    rows = [f"{tag};{at};0.5;Bad" for at in AT for tag in "ab"]
    recording, said = read(tmp_path, lines("tag;time;value;quality", rows))
    assert np.isnan(recording.values).all()
    assert "8 rows taken as missing" in said


def test_codes_of_which_it_is_open_which_are_good_are_said(tmp_path):
    rows = [f"{tag};{at};{n}.5;{int(n == 2)}" for n, at in enumerate(AT) for tag in "ab"]
    recording, said = read(tmp_path, lines("tag;time;value;quality", rows))
    assert np.isfinite(recording.values).all()
    assert "column 'quality' holds codes (0, 1)" in said
    assert "it is not used" in said


WIDE = {
    "words": ("t,flow,flow_quality", "Good", "Bad"),
    "OPC": ("t,flow,flow.Quality", "192", "24"),
    "in brackets": ("t,flow,flow (quality)", "192", "0"),
    "Kepware": ("_TIMESTAMP,C.Flow_VALUE,C.Flow_QUALITY", "192", "0"),
    "of a single tag": ("t,flow,validity", "1", "0"),
    "of a value": ("time,value,quality", "Good", "Bad"),
    "of a value, with a status": ("time,value,status", "Good", "Uncertain"),
}


@pytest.mark.parametrize("name", WIDE)
def test_a_column_of_qualities_beside_its_values_is_no_tag(tmp_path, name):
    header, good, bad = WIDE[name]
    rows = [f"{at},{n}.25,{bad if n == 2 else good}" for n, at in enumerate(AT)]
    recording, said = read(tmp_path, lines(header, rows))
    flow, quality = header.split(",")[1:]
    assert recording.names == (flow,)
    assert np.array_equal(recording.values[:, 0], [0.25, 1.25, np.nan, 3.25], equal_nan=True)
    assert recording.left_out == {quality: f"the quality of {flow}"}
    assert "1 row taken as missing" in said


def test_a_quality_of_several_tags_is_said(tmp_path):
    rows = [f"{at},{n}.25,{n}.5,{'Bad' if n == 2 else 'Good'}" for n, at in enumerate(AT)]
    recording, said = read(tmp_path, lines("t,flow,oil,quality", rows))
    assert recording.names == ("flow", "oil")
    assert "column 'quality' may say which values of a row are good; it is not used" in said


@pytest.mark.parametrize("name", ["pump_status", "state", "q"])
def test_a_status_of_a_wide_table_is_a_tag(tmp_path, name):
    rows = [f"{at},{n}.25,{n % 2}" for n, at in enumerate(AT)]
    recording, _ = read(tmp_path, lines(f"t,flow,{name}", rows))
    assert recording.names == ("flow", name)
