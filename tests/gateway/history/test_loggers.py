"""Exports of loggers, historians and programs, each in its own way."""

import numpy as np
import pytest
from recordings import lines, read, stamps

from gateway.api.contracts import ConfigError

AT = ["2026-03-10T08:00:00", "2026-03-10T08:00:10"]

EXPORTS = {
    # The file; names, values and times in it; what is said.
    "Campbell's TOA5": (
        lines('"TOA5","CR1000","1","x"', '"TIMESTAMP","RECORD","Batt","Flow"',
              '"TS","RN","Volts","m3/h"', '"","","Avg","Smp"', '"2026-03-10 08:00:00",0,12.5,"NAN"',
              '"2026-03-10 08:00:10",1,12.6,3'),
        ("Batt", "Flow"), [[12.5, np.nan], [12.6, 3]], AT, "2 lines (3, 4) between header and rows",
    ),
    "WinCC": (
        lines('"VarName";"TimeString";"VarValue";"Validity";"Time_ms"',
              '"flow";"10.03.2026 08:00:00";1,5;1;46091333333,3',
              '"oil";"10.03.2026 08:00:00";2,5;1;46091333333,3',
              '"flow";"10.03.2026 08:00:10";3,5;1;46091333449,1',
              '"oil";"10.03.2026 08:00:10";4,5;1;46091333449,1', '"$RT_COUNT$";4;;;'),
        ("flow", "oil"), [[1.5, 2.5], [3.5, 4.5]], AT,
        "a table in long form: 2 tags by column 'VarName'",
    ),
    "Grafana": (
        lines('"Time","flow"', '"2026-03-10 08:00:00","50.2 m³/h"',
              '"2026-03-10 08:00:10","50.3 m³/h"'),
        ("flow",), [[50.2], [50.3]], AT, "the unit 'm³/h' behind its numbers is cut off",
    ),
    "pandas, with the number of the row": (
        lines(",timestamp,flow", "0,2026-03-10 08:00:00+00:00,1.0", "1,2026-03-10 08:00:10+00:00,"),
        ("flow",), [[1], [np.nan]], AT, "",
    ),
    "Java": (
        lines("time,a", "2026-03-10T09:00:00.000+01:00[Europe/Berlin],1",
              "2026-03-10T09:00:10.000+01:00[Europe/Berlin],2"), ("a",), [[1], [2]], AT, "",
    ),
    "Go": (
        lines("time,a", "2026-03-10 08:00:00 +0000 UTC,1", "2026-03-10 08:00:10 +0000 UTC,2"),
        ("a",), [[1], [2]], AT, "",
    ),
    "a zone in the header": (
        lines("Time (UTC+1),a", "2026-03-10 09:00:00,1", "2026-03-10 09:00:10,2"),
        ("a",), [[1], [2]], AT, "the times are read in the zone of the header, UTC+1",
    ),
    "a named zone in the header": (
        lines("Zeit [Europe/Berlin];a", "10.03.2026 09:00:00;1", "10.03.2026 09:00:10;2"),
        ("a",), [[1], [2]], AT, "the times are read in the zone of the header, Europe/Berlin",
    ),
    "milliseconds of their own": (
        lines("time,ms,a", "2026-03-10 08:00:00,250,1", "2026-03-10 08:00:00,750,2"),
        ("a",), [[1], [2]], ["2026-03-10T08:00:00.250000000", "2026-03-10T08:00:00.750000000"],
        "the milliseconds of the times are those of column 'ms'",
    ),
    "compact dates and times": (
        lines("DATE;TIME;a", "20260310;080000;1", "20260310;080010;2"), ("a",), [[1], [2]], AT, "",
    ),
    "sections": (
        lines("[Header]", "name=x", "[Data]", "time;a", f"{AT[0]}Z;1,5", f"{AT[1]}Z;2,5"),
        ("a",), [[1.5], [2.5]], AT, "3 lines (1, 2, 3) before the header skipped",
    ),
    "Markdown": (
        lines("| time | a |", "|---|---|", f"| {AT[0]}Z | 1.5 |", f"| {AT[1]}Z | 2.5 |"),
        ("a",), [[1.5], [2.5]], AT, "",
    ),
    "a frame of lines": (
        lines("+---+---+", "| time | a |", "+---+---+", f"| {AT[0]}Z | 1.5 |",
              f"| {AT[1]}Z | 2.5 |", "+---+---+"), ("a",), [[1.5], [2.5]], AT, "",
    ),
    "a name over two lines": (
        lines('"time";"Flow', '[m3/h]"', f"{AT[0]}Z;1,5", f"{AT[1]}Z;2,5"),
        ("Flow [m3/h]",), [[1.5], [2.5]], AT, "",
    ),
    "a text over two lines": (
        lines("time,note,a", f'{AT[0]}Z,"x', 'y",1.5', f"{AT[1]}Z,z,2.5"),
        ("a",), [[1.5], [2.5]], AT, "",
    ),
    "a lone quote": (
        lines("time,note,a", f'{AT[0]}Z,5" pipe,1.5', f"{AT[1]}Z,z,2.5"),
        ("a",), [[1.5], [2.5]], AT, "",
    ),
    "quotes behind a blank": (
        lines("time, a", f'{AT[0]}Z, "1,5"', f'{AT[1]}Z, "2,5"'), ("a",), [[1.5], [2.5]], AT, "",
    ),
    "zero bytes of a power failure": (
        lines("time,a", f"{AT[0]}Z,1", bytes(500).decode() + f"{AT[1]}Z,2") + bytes(99).decode(),
        ("a",), [[1], [2]], AT, "599 zero bytes skipped, as a power failure leaves them",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_is_read_by_value(tmp_path, name):
    text, names, values, times, sentence = EXPORTS[name]
    recording, said = read(tmp_path, text)
    assert recording.names == names
    assert np.array_equal(recording.values, values, equal_nan=True)
    assert stamps(recording) == times
    assert sentence in said


def test_a_last_number_that_is_cut_off_is_not_a_value(tmp_path):
    rows = [f"2026-03-10T08:00:0{n}Z,{n}.125" for n in range(8)]
    recording, said = read(tmp_path, lines("time,a", rows) + "2026-03-10T08:00:08Z,8.1")
    assert recording.values[:, 0].tolist() == [n + 0.125 for n in range(8)]
    assert "line 10 skipped, which is cut off at the end of the file" in said
    recording, said = read(tmp_path, lines("time,a", rows) + "2026-03-10T08:00:08Z,8.125")
    assert (len(recording.times), said) == (9, "")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "Time,a\n08:00:00,1\n08:00:10,2\n",
            "times of day, such as '08:00:00', and no column",
        ),
        (
            "Time [s],a\n0.0,1\n0.5,2\n",
            "from 0 to 0.5, which would be 1970-01-01T00:00:00Z",
        ),
        ("Date,Hour,a\n2026-03-10,8,1\n2026-03-10,9,2\n", "all 2 rows have the same time"),
        ("Year,Month,Day,a\n2026,3,10,1\n2026,3,11,2\n", "no column holds times"),
        ('"time","a"\n"1",2026-03-10 08:00:00,1.0\n', "has too many fields"),
    ],
)
def test_an_export_that_lacks_the_time_is_refused(tmp_path, text, sentence):
    with pytest.raises(ConfigError, match=sentence):
        read(tmp_path, text)
