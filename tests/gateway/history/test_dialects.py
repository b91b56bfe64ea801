"""Files as loggers and spreadsheets write them: values and times by value, and what is said."""

import numpy as np
import pytest
from recordings import EIGHT, lines, read

from gateway.api.contracts import ConfigError
from gateway.api.model import SECOND

VALUES = [[50.173, 103.071], [50.494, 103.674], [50.332, 101.889], [49.598, 101.197]]
STAMPS = [f"2026-03-10T08:00:{second:02}Z" for second in (0, 10, 20, 30)]
ISO = [f"{at},{flow},{power}" for at, (flow, power) in zip(STAMPS, VALUES, strict=True)]
GERMAN = [
    f"{at};{flow};{power}".replace(".", ",")
    for at, (flow, power) in zip(STAMPS, VALUES, strict=True)
]


def assert_is_sample(recording, names=("flow", "power")):
    assert recording.names == names
    assert recording.times.tolist() == [EIGHT + n * 10 * SECOND for n in range(4)]
    assert np.array_equal(recording.values, VALUES)


def dotted(separator=";", date="10.03.2026", clock="08:00:{}", comma=True):
    """Rows with this date and these times of day."""
    rows = []
    for stamp, values in zip(STAMPS, VALUES, strict=True):
        numbers = [str(v).replace(".", "," if comma else ".") for v in values]
        rows.append(separator.join([date, clock.format(stamp[-3:-1]), *numbers]))
    return rows


HEADER = "timestamp,flow,power"
DAY_FIRST = lines("Date;Time;flow;power", dotted(date="10/03/2026", clock="08.00.{}"))

CASES = {
    "a date by day first and decimal commas": (
        lines("Zeit;flow;power", [row.replace(";", " ", 1) for row in dotted()]),
        {}, "no zone and are read as UTC",
    ),
    "date and time in two columns": (
        lines("Date,Time,flow,power", dotted(",", "2026-03-10", comma=False)), {}, "no zone",
    ),
    "date by day first, time with points, empty columns at the end": (
        lines("Date;Time;flow;power;;", [row + ";;"
              for row in dotted(date="10/03/2026", clock="08.00.{}")]),
        {"time_format": "%d/%m/%Y %H.%M.%S"}, "",
    ),
    "a row of units": (
        lines(HEADER, "yyyy-mm-dd hh:mm:ss,m3/h,kW", ISO), {},
        "line 2 between header and rows skipped: 'yyyy-mm-dd hh:mm:ss,m3/h,kW'",
    ),
    "a preamble": (
        lines("Logger: A-1", "Serial: 7", "", HEADER, ISO), {},
        "2 lines (1, 2) before the header skipped, such as 'Logger: A-1'",
    ),
    "a footer": (
        lines(HEADER, ISO, "", "Total rows: 4"), {},
        "line 7 skipped, which has too few fields: 'Total rows: 4'",
    ),
    "a last row that is cut off": (
        lines(HEADER, ISO, "2026-03-10T08:00:40Z,5"), {},
        "line 6 skipped, which is cut off at the end of the file: '2026-03-10T08:00:40Z,5'",
    ),
    "a line that names the separator": (lines("sep=;", "timestamp;flow;power", GERMAN), {}, ""),
    "a repeated header": (
        lines(HEADER, ISO[:2], HEADER, ISO[2:]), {},
        f"line 4 skipped, which repeats the header: '{HEADER}'",
    ),
    "a comma at the end of rows only": (lines(HEADER, [row + "," for row in ISO]), {}, ""),
    "a quoted decimal comma": (
        lines(HEADER, ['{},"{}","{}"'.format(*row.split(";")) for row in GERMAN]), {},
        "numbers such as '50,173' are read with a decimal comma",
    ),
    "UTC behind the time": (
        lines(HEADER, [row.replace("T", " ").replace("Z", " UTC") for row in ISO]), {}, "",
    ),
    "units behind the values": (
        lines("Time,flow,power", ["{},{} m³/h,{} kW".format(*row.split(",")) for row in ISO]), {},
        "column 'power': the unit 'kW' behind its numbers is cut off",
    ),
    # Further ones.
    "tabs": (lines(HEADER.replace(",", "\t"), [row.replace(",", "\t") for row in ISO]), {}, ""),
    "bars": (lines(HEADER.replace(",", "|"), [row.replace(",", "|") for row in ISO]), {}, ""),
    "several blanks": (
        lines("timestamp   flow  power", [row.replace(",", "   ") for row in ISO]), {}, "",
    ),
    "date and time apart by blanks, as everything": (
        lines("date time flow power", [row.replace(",", " ").replace("T", " ").replace("Z", "")
              for row in ISO]), {}, "no zone",
    ),
    "CRLF": (lines(HEADER, ISO).replace("\n", "\r\n"), {}, ""),
    "CR alone": (lines(HEADER, ISO).replace("\n", "\r"), {}, ""),
    "a byte order mark": (lines("\ufeff" + HEADER, ISO), {}, ""),
    "UTF-16": (lines(HEADER, ISO).encode("utf-16"), {}, ""),
    "UTF-16 without a mark": (lines(HEADER, ISO).encode("utf-16-le"), {}, "read as UTF-16"),
    "everything in quotes": (
        lines(*['"' + row.replace(",", '","') + '"' for row in [HEADER, *ISO]]), {}, "",
    ),
    "comments": (
        lines("# made by a logger", HEADER, ISO[:1], "# restarted", ISO[1:]), {},
        "line 4 skipped, which is a comment: '# restarted'",
    ),
    "a commented header": (lines("# " + HEADER, ISO), {}, ""),
    "a preamble filled up by a spreadsheet": (
        lines("Logger,A-1,", "Serial,7,", ",,", HEADER, ISO, ",,"), {}, "3 lines (1, 2, 3) before",
    ),
    "a row of types": (lines(HEADER, "datetime,float,float", ISO), {}, "between header and rows"),
    "a comment within the preamble, and a unit row": (
        lines("# site 1", "Name;Werk;", "", "Datum/Uhrzeit;flow;power", ";m³/h;kW", GERMAN), {},
        "line 5 between header and rows skipped",
    ),
    "compact times": (
        lines(HEADER, [row.replace("-", "").replace(":", "") for row in ISO]), {}, "",
    ),
    "month names": (
        lines(HEADER, [row.replace("2026-03-10T", "10-Mar-26 ").replace("Z", " +00:00")
              for row in ISO]), {}, "years of two digits",
    ),
    "German month names": (
        lines(HEADER, [row.replace("2026-03-10T", "10. März 2026 ").replace("Z", " UTC")
              for row in ISO]), {}, "",
    ),
    "twelve hours": (
        lines(HEADER, [row.replace("2026-03-10T08", "03/10/2026 8").replace("Z", " AM")
              for row in ISO]), {"time_format": "%m/%d/%Y %I:%M:%S %p"}, "",
    ),
    "as of ctime": (
        lines(HEADER, [f"Tue Mar 10 {row[11:19]} 2026{row[20:]}" for row in ISO]), {}, "no zone",
    ),
    "epoch seconds with a decimal comma": (
        lines("ts;flow;power", [f"{1773129600 + 10 * n},0{row[20:]}"
              for n, row in enumerate(GERMAN)]), {}, "",
    ),
    "a zone in each row": (
        lines(HEADER, ISO[:2], [row.replace("T08", "T09").replace("Z", "+01:00")
              for row in ISO[2:]]), {}, "",
    ),
    "the newest row first": (lines(HEADER, ISO[::-1]), {}, "the newest row comes first"),
    "the number of the row in front": (
        lines("id," + HEADER, [f"{n},{row}" for n, row in enumerate(ISO)]), {}, "",
    ),
    "rows of separators only": (lines(HEADER, ISO, ",,", ""), {}, "skipped"),
    "Excel's text": (
        lines(HEADER, [f'="{row[:20]}"{row[20:]}' for row in ISO]), {}, "",
    ),
    "a true minus and a plus": (
        lines(HEADER, [row.replace(",50", ",+50") for row in ISO]), {}, "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_dialect_is_read_and_what_was_skipped_is_named(tmp_path, name):
    content, options, sentence = CASES[name]
    recording, said = read(tmp_path, content, **options)
    assert_is_sample(recording)
    assert sentence in said


def test_windows_1252_is_read_and_named(tmp_path):
    content = lines("timestamp;Durchfluss m³/h;Öl", GERMAN).encode("cp1252")
    recording, said = read(tmp_path, content)
    assert_is_sample(recording, ("Durchfluss m³/h", "Öl"))
    assert "not UTF-8; read as Windows-1252" in said


def test_the_decimal_comma_need_not_be_in_the_first_row(tmp_path):
    rows = [GERMAN[0].replace(",173", "").replace(",071", ""), *GERMAN[1:]]
    recording, _ = read(tmp_path, lines("timestamp;flow;power", rows))
    assert recording.values.tolist() == [[50, 103], *VALUES[1:]]


def test_a_date_that_may_be_read_in_two_ways_is_refused_with_both_formats(tmp_path):
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, DAY_FIRST)
    assert str(refused.value).endswith(
        "data.csv: line 2: '10/03/2026 08.00.00' may be read day first or month first, and no "
        "other row decides it: give --time-format '%d/%m/%Y %H.%M.%S' or '%m/%d/%Y %H.%M.%S'"
    )


NUMBERS = {
    # The cells of a column, its values, and what is said.
    "a decimal point": (["1.5", "2"], [1.5, 2], ""),
    "a decimal comma": (["1,5", "2"], [1.5, 2], ""),
    "a decimal comma in the last row only": (["1", "2", "3", "4,25"], [1, 2, 3, 4.25], ""),
    "a point of thousands": (["1.234,5", "12,0"], [1234.5, 12], "'.' is read as the separator"),
    "a comma of thousands": (["1,234.5", "12.0"], [1234.5, 12], "',' is read as the separator"),
    "blanks of thousands": (["1 234,5", "12\u00a0345,5"], [1234.5, 12345.5], ""),
    "apostrophes of thousands": (["1'234.5", "12'345.5"], [1234.5, 12345.5], ""),
    "a true minus": (["\u22121.5", "+2"], [-1.5, 2], ""),
    "powers of ten": (["1.5E+03", "2e-1", "1,5E3"], [1500, 0.2, 1500], "decimal comma and with"),
    "a unit": (["21.5 °C", "22 °C"], [21.5, 22], "the unit '°C' behind its numbers"),
    "a unit without a blank": (["45%", "46.5%"], [45, 46.5], "the unit '%'"),
    "a unit with a digit, and decimal commas": (["1,5 m3/h", "2,5 m3/h"], [1.5, 2.5], "'m3/h'"),
    "true and false": (["true", "False"], [1, 0], ""),
    "missing values": (
        ["1", "", "NaN", "null", "n/a", "-", "#N/A", "5"], [1] + [np.nan] * 6 + [5],
        "5 cells without a number, taken as missing",
    ),
    "words of a historian": (
        ["1", "Bad", "I/O Timeout", "Bad", "2", "3"], [1, np.nan, np.nan, np.nan, 2, 3],
        "3 cells without a number, taken as missing: 'Bad' 2 times, 'I/O Timeout' once (first in l",
    ),
    "a flag behind a number": (["1.5", "2.5*", "3.5"], [1.5, np.nan, 3.5], "'2.5*' once"),
    "infinity": (["1", "inf", "-1.#IND"], [1, np.nan, np.nan], "'inf' once"),
    "no value at all": (["", ""], [np.nan, np.nan], ""),
}  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_read_by_value(tmp_path, name):
    cells, values, sentence = NUMBERS[name]
    rows = [f"2026-03-10T08:00:{n:02}Z;{cell};{n}" for n, cell in enumerate(cells)]
    recording, said = read(tmp_path, lines("time;a;n2", rows))
    assert np.array_equal(recording.values[:, 0], values, equal_nan=True)
    assert sentence in said
    assert said if sentence else not said


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (["on", "off"], "hardly any numbers"),
        (["1 kW", "2 W", "3 kW"], "numbers in several units (W, kW)"),
        (["1", "open", "shut"], "hardly any numbers"),
    ],
)
def test_a_column_that_is_not_one_of_numbers_is_left_out_with_the_reason(tmp_path, cells, reason):
    rows = [f"2026-03-10T08:00:{n:02}Z,{cell},{n}" for n, cell in enumerate(cells)]
    recording, _ = read(tmp_path, lines("time,a,b", rows))
    assert (recording.names, recording.left_out) == (("b",), {"a": reason})


def test_thousands_in_one_column_follow_from_the_decimal_comma_of_another(tmp_path):
    rows = ["2026-03-10T08:00:00Z;12.345;1,5", "2026-03-10T08:00:10Z;12.346;2,25"]
    recording, said = read(tmp_path, lines("time;count;flow", rows))
    assert recording.values.tolist() == [[12345, 1.5], [12346, 2.25]]
    assert "column 'count': '.' is read as the separator of thousands" in said


def test_separators_that_may_be_either_are_refused_until_the_user_decides(tmp_path):
    text = lines("time;a;b", "2026-03-10T08:00:00Z;12.345;1,234")
    with pytest.raises(ConfigError, match=r"such as '12\.345' and '1,234': give --decimal"):
        read(tmp_path, text)
    recording, _ = read(tmp_path, text, decimal=",")
    assert recording.values.tolist() == [[12345, 1.234]]
    recording, _ = read(tmp_path, text, decimal=".")
    assert recording.values.tolist() == [[12.345, 1234]]


REFUSED = {
    "empty": (b"", "it is empty"),
    "blank": (b" \n\n", "it is empty"),
    "zeros": (bytes(1000), "it is empty"),
    "an Excel workbook": (b"PK\x03\x04" + bytes(range(256)) * 9, "Excel workbook or a zip"),
    "gzip": (b"\x1f\x8b" + bytes(range(256)), "compressed with gzip"),
    "binary data": (bytes(range(1, 256)) * 20, "binary data"),
    "a database": (b"SQLite format 3\0" + bytes(100), "a SQLite database"),
    "HTML": (b"<!DOCTYPE html><html><body>Login</body></html>", "HTML or XML"),
    "XML": (b"<?xml version='1.0'?><a/>", "HTML or XML"),
    "JSON": (b'{"time": [1], "flow": [2]}', "but JSON"),
    "a list in JSON": (b'[{"time": 1, "flow": 2}]', "but JSON"),
    "prose": (b"Dear all\nhere is the data\n", "not a table"),
    "one column": (b"flow\n1\n2\n", "it has one column, 'flow'"),
    "a header alone": (b"time,flow\n", "there are no rows below the header"),
    "no header": (b"2026-03-10T08:00:00Z,1\n2026-03-10T08:00:10Z,2\n", "line 1 already holds"),
    "bare decimal commas": (
        b"time,a,b\n" + b"2026-03-10T08:00:00Z,1,5,2,5\n" * 9, "line 1 has 3 fields and line 2",
    ),
    "rows of all widths": (
        b"time,a,b\n" + b"2026-03-10T08:00:00Z,1,2\n2026-03-10T08:00:01Z,1\n" * 9, "too few",
    ),
    "a column twice": (b"time,a,a\n2026-03-10T08:00:00Z,1,2\n", "several columns named 'a'"),
    "words only": (b"time,a\n2026-03-10T08:00:00Z,on\n", "no column with numbers"),
    "no such Parquet": (b"PAR1" + bytes(50), "cannot be read as Parquet"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_a_table_is_refused_in_a_sentence(tmp_path, name):
    content, sentence = REFUSED[name]
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, content)
    assert sentence in str(refused.value)
    assert str(tmp_path / "data.csv") in str(refused.value)
    for word in ("object", "codec", "NoneType", "Traceback", "invalid literal"):
        assert word not in str(refused.value)


@pytest.mark.parametrize(
    "header", ["timestamp,power,flow", "time,flow,power", "Datum,oil,speed", "timestamp,flow,oil"]
)
def test_a_second_table_with_other_columns_is_refused(tmp_path, header):
    with pytest.raises(ConfigError, match=f"line 4 is another header, {header.replace(',', ', ')}"):
        read(tmp_path, lines(HEADER, ISO[:2], header, ISO[2:]))


def test_the_same_header_in_quotes_is_skipped(tmp_path):
    recording, said = read(tmp_path, lines(HEADER, ISO[:2], '"timestamp","flow", "power"', ISO[2:]))
    assert_is_sample(recording)
    assert "line 4 skipped" in said


OPEN = {
    "whole thousands with a point": (";", ["998", "999", "1.000", "1.001"]),
    "whole thousands with a comma": (";", ["998", "999", "1,000", "1,001"]),
    "around zero": (";", ["-1.001", "-999", "999", "1.001"]),
}


@pytest.mark.parametrize("name", OPEN)
def test_thousands_beside_smaller_numbers_are_refused_until_the_user_decides(tmp_path, name):
    mark, cells = OPEN[name]
    rows = [f"2026-03-10T08:00:{n:02}Z{mark}{cell}" for n, cell in enumerate(cells)]
    text = lines(f"time{mark}a", rows)
    separator = "," if "," in text else "."
    with pytest.raises(ConfigError, match="may be a decimal separator or one of thousands"):
        read(tmp_path, text)
    other = "." if separator == "," else ","
    recording, _ = read(tmp_path, text, decimal=other)
    assert recording.values[:, 0].tolist() == [float(cell.replace(separator, "")) for cell in cells]


def test_a_point_that_may_set_thousands_apart_is_said(tmp_path):
    text = lines("time;a", "2026-03-10T08:00:00Z;12.345", "2026-03-10T08:00:01Z;12.346")
    recording, said = read(tmp_path, text)
    assert recording.values[:, 0].tolist() == [12.345, 12.346]
    assert "numbers such as '12.345' are read with a decimal point (--decimal , if not)" in said
    recording, _ = read(tmp_path, text, decimal=",")
    assert recording.values[:, 0].tolist() == [12345, 12346]


@pytest.mark.parametrize("blank", ["\u00a0", "\u2007", "\u2009", "\u202f"])
def test_any_blank_may_set_thousands_apart(tmp_path, blank):
    rows = [f"2026-03-10T08:00:{n:02}Z;1{blank}00{n},5" for n in range(4)]
    recording, said = read(tmp_path, lines("time;a", rows))
    assert recording.values[:, 0].tolist() == [1000.5, 1001.5, 1002.5, 1003.5]
    assert "unit" not in said


@pytest.mark.parametrize("cell", ["0x0008", "1/2", "00:00:01", "1e", "1=2"])
def test_what_has_no_unit_behind_it_is_no_number(tmp_path, cell):
    rows = [f"2026-03-10T08:00:{n:02}Z,{n}.5,{cell}" for n in range(4)]
    recording, said = read(tmp_path, lines("time,a,b", rows))
    assert (recording.names, recording.left_out) == (("a",), {"b": "hardly any numbers"})
    assert "unit" not in said


@pytest.mark.parametrize("name", ["Scan", "id:1", "Messung", "X_Value"])
@pytest.mark.parametrize("start", [0, 1])
def test_a_column_that_numbers_the_rows_is_left_out_whatever_its_name(tmp_path, name, start):
    rows = [f"{n + start},2026-03-10T08:00:{n:02}Z,{n}.5" for n in range(12)]
    recording, _ = read(tmp_path, lines(f"{name},time,a", rows))
    assert (recording.names, recording.left_out) == (("a",), {name: "the number of the row"})
