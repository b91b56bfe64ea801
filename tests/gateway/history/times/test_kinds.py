"""Times of recordings: which are read, as what, and which are refused in which words."""

import re

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from recordings import EIGHT, NOW, column, lines, read, stamps

from gateway.api.contracts import ConfigError
from gateway.api.model import SECOND
from gateway.history.times import zones

MARCH = ["2026-03-10T08:00:00", "2026-03-10T08:00:10"]

READ = {
    # The text of the times, the options, the times, and what is said.
    "ISO 8601": (["2026-03-10T08:00:00Z", "2026-03-10T08:00:10Z"], {}, MARCH, ""),
    "a blank, and no zone": (
        ["2026-03-10 08:00:00", "2026-03-10 08:00:10"], {}, MARCH, "no zone and are read as UTC",
    ),
    "some with a fraction": (
        ["2026-03-10 08:00:00", "2026-03-10 08:00:00.25Z", "2026-03-10 08:00:10,5"], {},
        ["2026-03-10T08:00:00", "2026-03-10T08:00:00.250000000", "2026-03-10T08:00:10.500000000"],
        "2 lines (2, 4) without a zone, unlike the others: read in UTC",
    ),
    "nine digits": (
        ["2026-03-10T08:00:00.123456789Z"], {}, ["2026-03-10T08:00:00.123456789"], "",
    ),
    "day first": (["10.03.2026 08:00", "10.03.2026 08:01"], {}, [MARCH[0], "2026-03-10T08:01:00"],
                  ""),
    "day first with milliseconds": (
        ["10.03.2026 08:00:00,500"], {}, ["2026-03-10T08:00:00.500000000"], "",
    ),
    "two digits of a year": (
        ["10.03.26 08:00:00", "10.03.26 08:00:10"], {}, MARCH, "years of two digits are read as",
    ),
    "slashes, decided by another row": (
        ["12/03/2026 23:59:50", "13/03/2026 00:00:00"], {},
        ["2026-03-12T23:59:50", "2026-03-13T00:00:00"],
        "dates such as '12/03/2026 23:59:50' are read day first",
    ),
    "slashes, month first by another row": (
        ["03/12/2026 23:59:50", "03/13/2026 00:00:00"], {},
        ["2026-03-12T23:59:50", "2026-03-13T00:00:00"], "are read month first",
    ),
    "slashes, decided by midnight": (
        ["10/03/2026 23:59:30", "10/03/2026 23:59:40", "10/03/2026 23:59:50", "11/03/2026 00:00:00",
         "11/03/2026 00:00:10"],
        {}, ["2026-03-10T23:59:30", "2026-03-10T23:59:40", "2026-03-10T23:59:50",
             "2026-03-11T00:00:00", "2026-03-11T00:00:10"], "are read day first",
    ),
    "a format that is given": (
        ["03/10/2026 08:00:00", "03/10/2026 08:00:10"], {"time_format": "%m/%d/%Y %H:%M:%S"},
        MARCH, "",
    ),
    "an odd format that is given": (
        ["8h00 le 10-03-26"], {"time_format": "%Hh%M le %d-%m-%y"}, MARCH[:1], "two digits",
    ),
    "afternoon": (
        ["10-Mar-2026 12:00:00 AM", "10-Mar-2026 12:00:00 PM", "10-Mar-2026 01:00:00 p.m."], {},
        ["2026-03-10T00:00:00", "2026-03-10T12:00:00", "2026-03-10T13:00:00"], "",
    ),
    "zones by row": (
        ["2026-03-10 09:00:00 CET", "2026-03-10T08:00:10+0000"], {}, MARCH, "",
    ),
    "UTC and an offset": (["2026-03-10 09:00:00 UTC+1", "2026-03-10 08:00:10 GMT"], {}, MARCH, ""),
    "a named zone in the row": (
        ["2026-03-10 09:00:00 Europe/Berlin", "2026-03-10T09:00:10 [Europe/Berlin]"], {}, MARCH, "",
    ),
    "a zone several countries call so": (
        ["2026-03-10 02:00:00 CST"], {}, MARCH[:1], "'CST' is read as -06:00",
    ),
    "a zone that is given": (
        ["10.03.2026 09:00:00", "10.03.2026 09:00:10"], {"timezone": "Europe/Berlin"}, MARCH, "",
    ),
    "an offset that is given": (
        ["2026-03-10 09:00:00", "2026-03-10 09:00:10"], {"timezone": "+01:00"}, MARCH, "",
    ),
    "a zone that is given and not needed": (
        ["2026-03-10T08:00:00Z"], {"timezone": "Europe/Berlin"}, MARCH[:1], "--timezone is not",
    ),
    "epoch seconds": (["1773129600", "1773129610"], {}, MARCH, ""),
    "epoch with a fraction": (
        ["1773129600.5", "1773129610"], {}, ["2026-03-10T08:00:00.500000000", MARCH[1]], "",
    ),
    "epoch milliseconds": (["1773129600000", "1773129610000"], {}, MARCH, ""),
    "epoch microseconds": (["1773129600000000", "1773129610000000"], {}, MARCH, ""),
    "epoch nanoseconds": (
        ["1773129600000000001"], {}, ["2026-03-10T08:00:00.000000001"], "",
    ),
    "Excel's days": (
        ["46091.33333333", "46091.33344907"], {}, MARCH, "is read as Excel's day numbers",
    ),
    "Excel's days with few digits": (["46091.33333", "46091.33345"], {}, MARCH, "Excel"),
    "twenty-four o'clock": (["2026-03-09 24:00:00"], {}, ["2026-03-10T00:00:00"], ""),
    "dates alone": (["2026-03-10", "2026-03-11"], {}, ["2026-03-10T00:00:00",
                                                       "2026-03-11T00:00:00"], ""),
    "before 2000": (
        ["1998-03-10T08:00:00Z", "1998-03-10T08:00:10Z"], {},
        ["1998-03-10T08:00:00", "1998-03-10T08:00:10"], "all times are before the year 2000",
    ),
    "in the future": (
        ["2031-03-10T08:00:00Z", "2031-03-10T08:00:10Z"], {},
        ["2031-03-10T08:00:00", "2031-03-10T08:00:10"], "all times are in the future",
    ),
    "seconds since 1904, as LabVIEW counts": (
        ["3856118400", "3856118410"], {}, ["2092-03-12T00:00:00", "2092-03-12T00:00:10"],
        "all times are in the future",
    ),
    "a clock that was not set yet": (
        ["1970-01-01T00:00:03Z", "2026-03-10T08:00:00Z", "2026-03-10T08:00:10Z"], {}, MARCH,
        "line 2 skipped, with a time before the year 2000: 1970-01-01T00:00:03Z",
    ),
    "one row in the future": (
        ["2026-03-10T08:00:00Z", "2062-03-10T08:00:00Z", "2026-03-10T08:00:10Z"], {}, MARCH,
        "line 3 skipped, with a time in the future",
    ),
    "two formats": (
        ["2026-03-10T08:00:00Z", "10.03.2026 08:00:10"], {}, MARCH, "times in 2 formats",
    ),
    "a row that holds no time": (
        ["2026-03-10T08:00:00Z", "Average", "2026-03-10T08:00:10Z"], {}, MARCH,
        "line 3 skipped, which has no time, such as 'Average'",
    ),
    "a day that does not exist": (
        ["2026-03-10T08:00:00Z", "2026-02-30T08:00:00Z", "2026-03-10T08:00:10Z"], {}, MARCH,
        "line 3 skipped, which has no time, such as '2026-02-30T08:00:00Z'",
    ),
    "rows out of order": (
        ["2026-03-10T08:00:10Z", "2026-03-10T08:00:00Z", "2026-03-10T08:00:20Z"], {},
        [*MARCH, "2026-03-10T08:00:20"], "the rows are not in the order of time (1 step back",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_times_are_read_as_what_they_are_and_doubts_are_said(tmp_path, name):
    times, options, expected, sentence = READ[name]
    text = lines("time;flow", [f"{time};{n}" for n, time in enumerate(times)])
    recording, said = read(tmp_path, text, **options)
    assert stamps(recording) == expected
    assert sentence in said


REFUSED = {
    "row numbers": (["1", "2", "3"], {}, "from 1 to 3, which would be 1970-01-01T00:00:01Z"),
    "seconds since the start": (["0", "0.5", "1"], {}, "which would be 1970-01-01T00:00:00Z"),
    "milliseconds of a run time": (["86400000", "86400500"], {}, "which would be 1972"),
    "day or month first": (
        ["01/02/2024 08:00", "01/02/2024 08:01"], {},
        "decides it: give --time-format '%d/%m/%Y %H:%M' or '%m/%d/%Y %H:%M'",
    ),
    "day or month first, in twelve hours": (
        ["01/02/2024 8:00:00 AM"], {}, "'%d/%m/%Y %I:%M:%S %p' or '%m/%d/%Y %I:%M:%S %p'",
    ),
    "one day a month, or a month of days": (
        ["01/01/2024", "01/02/2024", "01/03/2024"], {}, "may be read day first or month first",
    ),
    "two digits with dashes": (["10-03-12 08:00:00"], {}, "day first or month first or year first"),
    "one time for all rows": (
        ["2026-03-10T08:00:00Z"] * 3, {}, "all 3 rows have the same time, 2026-03-10T08:00:00Z",
    ),
    "words": (["yesterday", "today"], {}, "column 'time' holds 'yesterday'"),
    "another format than the one given": (
        ["2026-03-10 08:00:00"], {"time_format": "%d.%m.%Y"},
        "no column holds times in the --time-format given; column 'time' holds such as '2026",
    ),
    "a format without a year": (["10.03. 08:00"], {"time_format": "%d.%m. %H:%M"},
                                "must name day, month and year"),
    "an unknown directive": (["x"], {"time_format": "%Y-%m-%d %Q"}, "'%Q' is not known; use %Y"),
    "a directive twice": (["x"], {"time_format": "%Y-%m-%d %d"}, "a part of the time twice"),
    "a zone that does not exist": (
        ["2026-03-10 08:00:00"], {"timezone": "Europa/Berlin"},
        "'Europa/Berlin' is not a time zone: write it as Europe/Berlin, UTC or +01:00",
    ),
    "an unknown zone in the rows": (["2026-03-10 08:00:00 XYZT"], {}, "does not hold a time"),
    "a column that is not there": (
        ["2026-03-10 08:00:00"], {"time_columns": ["when"]},
        "no column 'when' for --time-column, only time, flow",
    ),
    "before 1678": (["1600-01-01T00:00:00.5+01:00"], {}, "'1600-01-01T00:00:00.5+01:00' in line 2"),
    "most rows without a time": (
        ["2026-03-10T08:00:00Z", *["-"] * 2, *["soon"] * 3, *["2026-03-10T08:00:00Z"] * 4], {},
        "does not hold a time in 5 rows of 10, such as 'soon' in line 5",
    ),
    "an hour that does not exist": (
        ["2026-03-29 01:59:50", "2026-03-29 02:00:00"], {"timezone": "Europe/Berlin"},
        "line 3: 2026-03-29T02:00:00 does not exist in Europe/Berlin",
    ),
    "most rows in 1970": (
        ["1970-01-01T00:00:03Z", "1970-01-01T00:00:13Z", "2026-03-10T08:00:10Z"], {},
        "2 lines (2, 3) have a time before the year 2000",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_times_in_doubt_are_refused_with_what_would_be_right(tmp_path, name):
    times, options, sentence = REFUSED[name]
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        read(tmp_path, column(*times), **options)


@pytest.mark.parametrize(
    ("header", "first"),
    [("id,Datum,flow", "{n},{at}"), ("bottles,zeitstempel,flow", "{m},{at}"),
     ("timestamp,Datum,flow", "{n},{at}"), ("flow0,when,flow", "{m},{at}"),
     ("time,server,flow", "{m},{at}")],
)  # fmt: skip
def test_dates_win_over_numbers_wherever_they_stand(tmp_path, header, first):
    rows = [first.format(n=n, m=1000 + 3 * n, at=at) + f",{n}.5" for n, at in enumerate(MARCH)]
    recording, _ = read(tmp_path, lines(header, rows))
    assert stamps(recording) == MARCH
    assert recording.values[:, -1].tolist() == [0.5, 1.5]


def test_the_number_of_the_row_is_not_a_tag(tmp_path):
    recording, _ = read(tmp_path, lines("id,Datum,flow", [f"{n},{at},{n}.5" for n, at in
                                                         enumerate(MARCH, 1)]))  # fmt: skip
    assert (recording.names, recording.left_out) == (("flow",), {"id": "the number of the row"})


def test_days_of_excel_in_a_column_without_a_name_of_time_are_asked_about(tmp_path):
    text = column("46091.33333333", "46091.33344907", header="nr,flow")
    with pytest.raises(ConfigError, match=r"for Excel's day numbers, give --time-column nr"):
        read(tmp_path, text)
    assert stamps(read(tmp_path, text, time_columns=["nr"])[0]) == MARCH


def test_of_two_columns_of_times_the_one_that_is_called_so_is_used_and_said(tmp_path):
    text = lines("received,timestamp,flow", ["2026-03-10T09:00:00Z,2026-03-10T08:00:00Z,1"])
    recording, said = read(tmp_path, text)
    assert stamps(recording) == MARCH[:1]
    assert "those of column 'timestamp'; 'received' also holds times" in said
    recording, _ = read(tmp_path, text, time_columns=["received"])
    assert stamps(recording) == ["2026-03-10T09:00:00"]


def test_date_and_time_of_day_are_joined_whatever_they_are_called(tmp_path):
    text = lines("flow;Tag der Messung;um;p", "1;10.03.2026;08.00.00;2", "2;10.03.2026;08.00.10;3")
    recording, _ = read(tmp_path, text)
    assert (stamps(recording), recording.names) == (MARCH, ("flow", "p"))
    with pytest.raises(ConfigError, match="all 2 rows have the same time"):
        read(tmp_path, text, time_columns=["Tag der Messung"])


def autumn(*clocks):
    """Rows of the night in which the clock is put back in Berlin."""
    return column(*(f"2026-10-25 {clock}" for clock in clocks))


NIGHTS = {
    # Local times; the UTC hour and minute of each; what is said.
    "the whole night": (
        ["01:30:00", "02:00:00", "02:30:00", "02:00:00", "02:30:00", "03:00:00"],
        ["23:30", "00:00", "00:30", "01:00", "01:30", "02:00"], "",
    ),
    "from the first of both hours on": (
        ["02:30:00", "02:45:00", "02:00:00", "02:15:00"], ["00:30", "00:45", "01:00", "01:15"], "",
    ),
    "a stop in the second hour": (
        ["01:59:00", "02:00:00", "02:01:00", "04:00:00"], ["23:59", "00:00", "00:01", "03:00"], "",
    ),
    "a start in the second hour": (
        ["02:58:00", "02:59:00", "03:00:00", "03:01:00"], ["01:58", "01:59", "02:00", "02:01"], "",
    ),
    "a row an hour": (
        ["01:00:00", "02:00:00", "02:00:00", "03:00:00"], ["23:00", "00:00", "01:00", "02:00"], "",
    ),
    "a row an hour of each of two tags": (
        ["01:00:00", "01:00:00", "02:00:00", "02:00:00", "03:00:00"],
        ["23:00", "23:00", "00:00", "00:00", "02:00"], "",
    ),
    "a stop in the first hour and a start in the second": (
        ["01:59:58", "01:59:59", "02:00:00", "02:00:01", "02:05:00", "02:05:01", "02:01:30",
         "02:01:31"],
        ["23:59", "23:59", "00:00", "00:00", "00:05", "00:05", "01:01", "01:01"], "",
    ),
    "nothing before and nothing behind": (
        ["02:30:00", "02:31:00"], ["00:30", "00:31"], "2 lines (2, 3) are in the hour that comes",
    ),
    "the newest row first": (
        ["03:00:00", "02:30:00", "02:00:00", "02:30:00", "02:00:00", "01:30:00"],
        ["23:30", "00:00", "00:30", "01:00", "01:30", "02:00"], "the newest row comes first",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NIGHTS)
def test_the_hour_that_comes_twice_is_told_apart_by_the_order_of_the_rows(tmp_path, name):
    clocks, utc, sentence = NIGHTS[name]
    recording, said = read(tmp_path, autumn(*clocks), timezone="Europe/Berlin")
    assert [stamp[11:16] for stamp in stamps(recording)] == utc
    assert sentence in said
    assert sentence or "comes twice" not in said


def local_night():
    """A row each ten seconds, in local time, over the night in which the clock is put back."""
    seconds = np.arange(0, 4 * 3600, 10)
    local = np.datetime64("2026-10-25T00:30:00") + seconds - np.where(seconds >= 9000, 3600, 0)
    return [str(at).replace("T", " ") for at in local]


def test_local_time_of_the_night_needs_its_zone(tmp_path):
    with pytest.raises(
        ConfigError,
        match=r"line 902: the time goes back from 2026-10-25T02:59:50Z "
        r"to 2026-10-25T02:00:00Z, .* --timezone names its zone",
    ):
        read(tmp_path, column(*local_night()))
    recording, said = read(tmp_path, column(*local_night()), timezone="Europe/Berlin")
    assert (np.diff(recording.times) == 10 * SECOND).all()
    assert said == ""


def clock(*seconds):
    return [str(np.datetime64(EIGHT // SECOND + int(second), "s")) + "Z" for second in seconds]


def test_a_clock_that_is_set_back_costs_the_rows_that_repeat_a_time_and_is_said(tmp_path):
    seconds = [*range(3000), *range(2800, 6000)]
    recording, said = read(tmp_path, column(*clock(*seconds)))
    assert ((recording.times - EIGHT) // SECOND).tolist() == list(range(6000))
    assert recording.values[2999:3001, 0].tolist() == [2999.5, 3200.5]
    assert "line 3002: the time goes back from 2026-03-10T08:49:59Z to 2026-03-10T08:46:40Z" in said
    assert "200 rows with a time that was reached before left out" in said


def test_a_file_in_which_most_times_come_twice_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"line 502: the time goes back .* and 300 rows of 900"):
        read(tmp_path, column(*clock(*range(500), *range(200, 600))))


def test_parts_in_the_wrong_order_are_sorted_and_said(tmp_path):
    recording, said = read(tmp_path, column(*clock(*range(500, 900), *range(500))))
    assert ((recording.times - EIGHT) // SECOND).tolist() == list(range(900))
    assert "the rows are not in the order of time (1 step back, first in line 402" in said


def test_one_row_that_is_far_ahead_is_skipped(tmp_path):
    seconds = [*range(100), 90_000, *range(101, 200)]
    recording, said = read(tmp_path, column(*clock(*seconds)))
    assert len(recording.times) == 199
    assert "line 102 skipped, whose time 2026-03-11T09:00:00Z is far ahead" in said


def test_rows_that_repeat_are_counted(tmp_path):
    rows = [f"{at},{n}" for n, at in enumerate(clock(*range(5)))]
    recording, said = read(tmp_path, lines("time,flow", rows[:3], rows[2:]))
    assert recording.values[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert "line 5 left out, which repeat" in said


def test_different_values_at_one_time_are_counted(tmp_path):
    times = clock(*(n // 3 for n in range(12)))
    recording, said = read(tmp_path, column(*times))
    assert len(recording.times) == 12
    assert "4 times with different values in several rows (first 2026-03-10T08:00:00Z" in said
    assert "in line 3, 3.0 rows for each time)" in said


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_typed_times_of_parquet(tmp_path, unit, zone):
    times = pa.array([EIGHT // 10**9, EIGHT // 10**9 + 10]).cast(pa.timestamp("s", "UTC"))
    table = pa.table({"n": [5, 6], "when": times.cast(pa.timestamp(unit, zone))})
    parquet.write_table(table, tmp_path / "data.parquet")
    recording, said = read(tmp_path, (tmp_path / "data.parquet").read_bytes(), "data.parquet")
    assert (stamps(recording), recording.names) == (MARCH, ("n",))
    assert bool(said) == (zone is None)


def test_text_times_of_parquet_and_its_zone(tmp_path):
    table = pa.table({"Zeit": ["10.03.2026 09:00:00", "10.03.2026 09:00:10"], "a": [1.0, 2.0]})
    parquet.write_table(table, tmp_path / "data.parquet")
    content = (tmp_path / "data.parquet").read_bytes()
    recording, _ = read(tmp_path, content, "data.parquet", timezone="Europe/Berlin")
    assert stamps(recording) == MARCH


def test_now_is_what_makes_a_time_the_future(tmp_path):
    text = column("2026-03-10T08:00:00Z", "2026-03-10T08:00:10Z")
    assert "in the future" in read(tmp_path, text, now=EIGHT - 90_000 * SECOND)[1]
    assert read(tmp_path, text, now=NOW)[1] == ""


def test_numbers_in_a_column_that_is_not_called_so_are_said_to_be_times(tmp_path):
    text = column("1773129600", "1773129610", header="order,flow")
    recording, said = read(tmp_path, text)
    assert stamps(recording) == MARCH
    assert "no column of times but 'order' is plausible; its numbers are read as s since" in said


def test_a_machine_without_time_zones_says_what_to_install(tmp_path, monkeypatch):
    def missing(name):
        raise zones.ZoneInfoNotFoundError(name)

    monkeypatch.setattr(zones, "ZoneInfo", missing)
    monkeypatch.setattr(zones, "available_timezones", set)
    zones.zone_of.cache_clear()
    with pytest.raises(ConfigError, match="has no time zone data: install the package tzdata, or"):
        read(tmp_path, column("2026-03-10 09:00:00"), timezone="Europe/Berlin")
    assert stamps(read(tmp_path, column("2026-03-10 09:00:00"), timezone="+01:00")[0]) == MARCH[:1]
