"""The page of the report, in a real browser."""

import itertools
import re
from xml.etree import ElementTree as ET

import pytest
from playwright.async_api import async_playwright
from servers import program

from gateway.api.model import SECOND
from gateway.cli.alarm.report_page import page
from gateway.core.alarms.performance import DAY, HOUR, Entry, performance
from gateway.core.alarms.recommended import report

START = 1_700_000_000 * SECOND


def made(days=2, name="guard.<b>flow</b>.high"):
    rows = [Entry(START + HOUR + n * SECOND, f"{n}", name, "raised", "low") for n in range(40)]
    return page(report(rows, performance(rows, START, START + days * DAY)), "press", "a & b")


def test_a_name_is_text_and_no_markup():
    assert "<b>" not in made()
    assert "guard.&lt;b&gt;flow&lt;/b&gt;.high" in made()
    assert "Alarms of press, a &amp; b" in made()


@pytest.mark.parametrize(("days", "bars", "noun"), [(2, 48, "hour"), (60, 60, "day")])
def test_there_is_a_bar_for_each_hour_or_day_with_alarms(days, bars, noun):
    (svg,) = re.findall(r"<svg.*</svg>", made(days), re.DOTALL)
    drawn = [each for each in ET.fromstring(svg).iter() if each.tag == "rect"]
    assert len(drawn) == 1
    assert float(drawn[0].get("x")) == pytest.approx(40 + (960 / bars) * (1 if bars == 48 else 0))
    assert f"Alarms in each {noun}" in made(days)


@pytest.mark.parametrize(("hours", "alarms"), [(0.1, 3), (2, 7), (48, 40)])
def test_the_texts_of_the_axes_do_not_cover_each_other(hours, alarms):
    end = START + round(hours * HOUR)
    rows = [Entry(START + n * SECOND, f"{n}", "guard.a", "raised", "low") for n in range(alarms)]
    found = page(report(rows, performance(rows, START, end)), "press", "here")
    (svg,) = re.findall(r"<svg.*</svg>", found, re.DOTALL)
    texts = [each for each in ET.fromstring(svg).iter() if each.tag == "text"]
    below = [each for each in texts if not (each.text or "").isdecimal()]
    # Of a text in the middle half is on its left.
    share = {"start": 0.0, "middle": 0.5, "end": 1.0}
    width = 6.5 * 16
    starts = sorted(float(t.get("x")) - share[t.get("text-anchor")] * width for t in below)
    assert all(b - a >= width for a, b in itertools.pairwise(starts))
    beside = sorted(float(t.get("y")) for t in texts if t not in below)
    assert all(b - a >= 10 for a, b in itertools.pairwise(beside))


def test_without_any_alarm_there_is_a_page_too():
    empty = page(report([], performance([], START, START + DAY)), "press", "here")
    assert "0 alarms" in empty
    assert "<rect" not in empty


@pytest.mark.server("chromium")
async def test_a_browser_shows_it_without_asking_anybody_for_anything(tmp_path):
    path = tmp_path / "report.html"
    path.write_text(made(), encoding="utf-8")
    asked, said = [], []
    async with async_playwright() as browsers:
        browser = await browsers.chromium.launch(
            executable_path=program("chromium"), args=["--no-sandbox"]
        )
        shown = await browser.new_page()
        shown.on("request", lambda each: asked.append(each.url))
        shown.on("console", lambda each: said.append(each.text))
        await shown.goto(path.as_uri())
        assert await shown.locator("h1").inner_text() == "Alarms of press, a & b"
        assert "✗ no" in await shown.locator("tr", has_text="most alarms in 10").inner_text()
        assert await shown.locator("svg rect").count() == 1
        await browser.close()
    assert (asked, said) == ([path.as_uri()], [])
