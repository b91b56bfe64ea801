"""A trend in one row."""

import pytest

from gateway.top.sparkline import caption, sparkline


def trend(*means, **more):
    return {"unit": "kW", "min": list(means), "mean": list(means), "max": list(means), **more}


def test_bars_go_from_the_lowest_to_the_highest_and_a_gap_is_empty():
    assert sparkline(trend(0.0, 7.0, None, 3.5), 4) == "▁█ ▅"
    assert sparkline(trend(5.0, 5.0), 2) == "▅▅"


def test_few_bins_take_the_whole_width():
    assert sparkline(trend(0.0, None, 7.0), 9) == "▁▁▁   ███"


def test_only_the_newest_fit():
    assert sparkline(trend(0.0, 1.0, 0.0), 2) == "█▁"


@pytest.mark.parametrize(
    "odd", [{}, {"mean": "x"}, {"mean": []}, trend(None, None), trend("a", {})]
)
def test_without_values_there_is_nothing_to_draw(odd):
    assert sparkline(odd, 10) == ""
    assert caption("power", odd, "10:00:00") == "power  no value since 10:00:00"


def test_the_greatest_numbers_are_drawn():
    assert sparkline(trend(-1.7e308, 1.7e308), 2) == "▁█"


def test_a_caption_has_the_range_and_the_newest_value():
    facts = trend(4.0, 4.5, None, min=[3.9, 4.2, None], max=[4.1, 9.0, None])
    assert caption("power", facts, "10:00:00") == (
        "power since 10:00:00: 3.9 to 9 kW, at last 4.5 kW"
    )
