"""Plots: well-formed, escaped, without styles, and honest about gaps."""

import math
import xml.etree.ElementTree as ET
from datetime import UTC
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.model import SECOND
from gateway.panel.trend_svg import sparkline_svg, trend_svg

T0 = 1_700_000_000 * SECOND
HOUR = 3600 * SECOND
NS = "{http://www.w3.org/2000/svg}"


def facts(*values, unit="kW"):
    count = len(values)
    times = [T0 + (2 * n + 1) * HOUR // (2 * count) for n in range(count)]
    low, high = ([None if v is None else v + d for v in values] for d in (-0.5, 0.5))
    return {"unit": unit, "t": times, "min": low, "mean": list(values), "max": high}


def drawn(trend, name="power", draw=trend_svg, **more):
    more = {"since": T0, "until": T0 + HOUR, "ident": "x", "zone": UTC, **more}
    return ET.fromstring(draw(name, trend, **more))


def of(svg, kind):
    return [each for each in svg.iter() if each.get("class", "").split()[:1] == [f"trend-{kind}"]]


def texts(svg, kind):
    return [each.text for each in of(svg, kind)]


def points(element):
    return [tuple(map(float, pair.split(","))) for pair in element.get("points").split()]


def test_a_curve_has_a_band_a_mean_axes_and_words_for_a_screen_reader():
    svg = drawn(facts(4.0, 5.0, 4.5))
    assert svg.get("role") == "img"
    assert svg.get("aria-labelledby") == "x-title x-desc"
    assert svg.find(f"{NS}title").text == "power"
    assert svg.find(f"{NS}desc").text == (
        "3.5 to 5.5 kW from 2023-11-14 22:13:20 to 2023-11-14 23:13:20, at last 4.5 kW."
    )
    assert (len(of(svg, "band")), len(of(svg, "mean"))) == (1, 1)
    assert texts(svg, "value")[-1] == "kW"
    assert "23:00" in texts(svg, "time")


def test_a_gap_is_a_gap_and_a_lone_bin_is_seen():
    svg = drawn(facts(4.0, 4.0, None, 5.0, None, None, 4.0, 4.0))
    means = of(svg, "mean")
    assert len(means) == 3
    assert svg.find(f"{NS}desc").text.endswith("2 gaps.")
    (left, _), *_, (right, _) = points(means[1])
    assert right - left > 20


def test_limits_the_anomaly_and_what_was_expected_are_drawn():
    svg = drawn(
        facts(4.0, 5.0, 4.5), limits=[("limit", 5.2), ("low", 3.6)],
        anomaly=(T0 + HOUR // 2, T0 + HOUR), expected=4.2,
    )  # fmt: skip
    assert len(of(svg, "limit")) == 2
    assert texts(svg, "label") == ["limit 5.2 kW", "expected 4.2 kW", "low 3.6 kW"]
    (shade,), (expected,), (mean,) = of(svg, "anomaly"), of(svg, "expected"), of(svg, "mean")
    assert float(expected.get("x1")) == float(shade.get("x"))
    assert float(shade.get("x")) == pytest.approx(
        (points(mean)[0][0] + points(mean)[-1][0]) / 2, abs=0.2
    )
    assert "shaded: 22:43:20 to 23:13:20" in svg.find(f"{NS}desc").text
    (band,) = of(drawn(facts(4.0, 5.0), expected=(4.0, 4.5)), "expected-band")
    assert float(band.get("height")) > 0


def test_a_limit_far_away_is_named_and_does_not_flatten_the_data():
    svg = drawn(facts(4.0, 5.0, 4.5), limits=[("limit", 1e6), ("low", -1e6)])
    assert of(svg, "limit") == []
    assert texts(svg, "label") == ["limit 1000000 kW (above)", "low -1000000 kW (below)"]


def test_labels_are_not_upon_one_another():
    svg = drawn(facts(4.0, 5.0), limits=[(f"l{n}", 4.5 + n / 1000) for n in range(8)])
    places = [float(each.get("y")) for each in of(svg, "label")]
    assert all(b - a >= 14 for a, b in pairwise(places))
    assert max(places) <= 180


def test_an_anomaly_outside_the_time_is_not_shaded():
    svg = drawn(facts(4.0), anomaly=(T0 - HOUR, T0 - HOUR // 2))
    assert of(svg, "anomaly") == []


@pytest.mark.parametrize(
    "trend",
    [{}, facts(), facts(None, None), {"t": "x", "min": 5, "mean": {}, "max": None},
     facts(math.nan, math.inf, 1e301), {**facts(1.0), "t": ["noon"]},
     {**facts(1.0), "min": [True]}],
)  # fmt: skip
def test_without_data_it_says_so(trend):
    svg = drawn(trend, why="no history is kept")
    assert texts(svg, "empty") == ["no history is kept"]
    assert svg.find(f"{NS}desc").text.startswith("No data from 2023")
    assert texts(drawn(trend), "empty") == ["no data in this time"]
    assert of(drawn(trend, draw=sparkline_svg), "mean") == []


def test_hostile_texts_are_escaped_and_their_controls_visible():
    nasty = '"><script>alert(1)</script>\x1b[2J\u202e&'
    source = trend_svg(
        nasty, {**facts(1.0, 2.0), "unit": nasty}, since=T0, until=T0 + HOUR, ident=nasty,
        limits=[(nasty, 1.5)], expected=1.7, why=nasty, zone=UTC,
    )  # fmt: skip
    assert "<script" not in source
    assert "\x1b" not in source
    assert "\u202e" not in source
    ids = [each.get("id") for each in ET.fromstring(source).iter() if each.get("id")]
    assert all(set(each) <= set("abcdefghijklmnopqrstuvwxyzJ0123456789-_") for each in ids)


def test_there_is_no_style_and_nothing_from_elsewhere():
    source = trend_svg(
        "power", facts(4.0, None, 5.0), since=T0, until=T0 + HOUR, ident="x",
        limits=[("limit", 4.2)], anomaly=(T0, T0 + HOUR), expected=(4, 5), zone=UTC,
    )  # fmt: skip
    for forbidden in ("style", "href", "url(", "script", "onload"):
        assert forbidden not in source


def test_a_sparkline_has_the_curve_and_no_axes():
    svg = drawn(facts(4.0, 5.0, None, 4.0), draw=sparkline_svg, anomaly=(T0, T0 + HOUR // 4))
    assert (len(of(svg, "mean")), len(of(svg, "anomaly"))) == (2, 1)
    assert list(svg.iter(f"{NS}text")) == []
    assert svg.find(f"{NS}title").text == "power"


@given(
    st.lists(st.one_of(st.none(), st.floats(), st.text(max_size=3), st.integers()), max_size=20),
    st.floats(),
    st.integers(1, 8 * 24 * HOUR),
)
def test_every_answer_gives_a_picture_within_its_frame(values, limit, span):
    trend = {
        "t": [T0 + n for n in range(len(values))],
        "min": values,
        "mean": values,
        "max": values,
    }
    svg = drawn(trend, limits=[("limit", limit)], expected=limit, until=T0 + span)
    places = [pair for kind in ("band", "mean") for each in of(svg, kind) for pair in points(each)]
    assert all(0 <= x <= 640 and 0 <= y <= 220 for x, y in places)
