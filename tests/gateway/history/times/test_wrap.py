"""Clocks that start again in the file: at midnight without a date, at noon without AM and PM."""

import pytest
from recordings import column, lines, read, stamps

from gateway.api.contracts import ConfigError

WRAPS = {
    "the date of the start in every row": (
        column("10.03.2026 23:59:58", "10.03.2026 23:59:59", "10.03.2026 00:00:00"),
        "the date does not change at midnight",
    ),
    "in a column of its own": (
        lines("Date,Time,flow",
              [f"2026-03-10,{at},1.5" for at in ("23:40", "23:50", "00:00", "00:10")]),
        "the date does not change at midnight",
    ),
    "the newest row first": (
        column("2026-03-10 00:01", "2026-03-10 00:00", "2026-03-10 23:59", "2026-03-10 23:58"),
        "the date does not change at midnight",
    ),
    "twelve hours": (
        column("2026-03-10 12:58", "2026-03-10 12:59", "2026-03-10 01:00", "2026-03-10 01:01"),
        "without AM and PM",
    ),
    "twelve hours, month first": (
        column(*(f"03/17/2026 {hour:02}:00:00" for hour in (9, 10, 11, 12, 1, 2))),
        "without AM and PM",
    ),
}  # fmt: skip


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
@pytest.mark.parametrize("name", WRAPS)
def test_a_clock_that_starts_again_is_refused(tmp_path, name, zone):
    text, words = WRAPS[name]
    with pytest.raises(ConfigError, match=words):
        read(tmp_path, text, timezone=zone)


def test_parts_out_of_order_are_sorted(tmp_path):
    shift = [f"2026-03-10 {hour:02}:00" for hour in (18, 19, 20, 6, 7, 8)]
    recording, said = read(tmp_path, column(*shift))
    assert stamps(recording)[0] == "2026-03-10T06:00:00"
    assert "sorted" in said


def test_tags_one_after_another_each_of_a_whole_day_are_read(tmp_path):
    rows = [f"{tag};2026-03-10 {hour:02}:00;{hour}.5" for tag in "ab" for hour in range(24)]
    recording, _ = read(tmp_path, lines("tag;time;value", rows))
    assert recording.values.shape == (24, 2)


@pytest.mark.parametrize("minutes", [5, 10, 15, 20])
def test_the_hour_that_comes_twice_is_not_averaged_with_itself(tmp_path, minutes):
    hour = [f"2025-10-26 02:{minute:02}" for minute in range(0, 60, minutes)]
    later = [
        f"2025-10-26 {at:02}:{minute:02}"
        for at in range(3, 12) for minute in range(0, 60, minutes)
    ]  # fmt: skip
    recording, said = read(tmp_path, column(*hour, *hour, *later))
    assert "left out, as after a clock is set back; if it is local time, --timezone" in said
    assert "averaged" not in said
    recording, _ = read(tmp_path, column(*hour, *hour, *later), timezone="Europe/Berlin")
    assert len(set(recording.times.tolist())) == 11 * len(hour)
