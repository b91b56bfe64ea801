"""The HTML reports, as a browser without a network shows them."""

import json

import bundles
import numpy as np
import pytest
from click.testing import CliRunner
from playwright.sync_api import sync_playwright
from servers import program

from detectors.bundle.phrases import format_count, format_hours
from detectors.training.report import describe_interval
from gateway.api.model import SECOND
from gateway.cli import main

pytestmark = pytest.mark.server("chromium")
PAGES = ["trained", "tested"]
HOSTILE = "<script>alert('hall & \"press\"')</script>"
"""A tag name that looks like markup."""


def andon(*arguments):
    done = CliRunner().invoke(main, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def named(source, name, column):
    """The recording with a hostile name for the first tag, and one more column."""
    names = (HOSTILE, *source.names[1:], name)
    return source._replace(names=names, values=np.column_stack((source.values, column)))


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    """Normal running with a hostile tag name, a constant tag, a gap, and a fault near the end."""
    source = bundles.recording(1500)
    source.values[1400:1460, 1] += 5
    source.times[700:] += 3600 * SECOND
    path = tmp_path_factory.mktemp("plant") / "normal.csv"
    return bundles.write_csv(path, named(source, "mode", np.full(1500, 3.0)))


@pytest.fixture(scope="module")
def trained(plant):
    """The JSON of `andon train`, and its page."""
    report = andon("train", "--data", plant, "--out", plant.parent / "m" / "press", "--json",
                   "--candidates", "pca", "--false-alarms", "1 per week")  # fmt: skip
    return report, plant.parent / "m" / "press.html"


@pytest.fixture(scope="module")
def tested(plant, trained):
    """The JSON of `andon backtest` on labelled data, and its page."""
    source = bundles.recording(600, seed=5)
    wrong = np.zeros(600)
    source.values[200:260, 1] += 8
    source.values[300:340, 2] += 8
    wrong[200:260] = wrong[500:520] = 1
    data = bundles.write_csv(plant.parent / "labelled.csv", named(source, "wrong", wrong))
    page = plant.parent / "backtest.html"
    report = andon("backtest", plant.parent / "m" / "press", data, "--labels", "wrong", "--json",
                   "--report", page)  # fmt: skip
    return report, page


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program("chromium"), args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def shown(browser, trained, tested):
    """Each page in a phone-sized window without a network, with its requests and messages."""
    context = browser.new_context(viewport={"width": 390, "height": 800}, offline=True)
    opened = {}
    for name, (_, path) in zip(PAGES, (trained, tested), strict=True):
        page, events = context.new_page(), []
        page.on("request", lambda request, events=events: events.append(request.url))
        page.on("console", lambda message, events=events: events.append(message.text))
        page.on("pageerror", lambda error, events=events: events.append(str(error)))
        page.on("dialog", lambda dialog, events=events: (events.append("dialog"), dialog.dismiss()))
        page.goto(path.as_uri())
        opened[name] = page, events, path
    return opened


def rows(page, heading):
    """The cells of the first table below a heading, as displayed."""
    table = page.locator(f"xpath=//h2[text()='{heading}']/following::table[1]")
    return table.evaluate("t => [...t.rows].map(r => [...r.cells].map(c => c.innerText.trim()))")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_requests_only_itself_and_has_no_errors(shown, name):
    _, events, path = shown[name]
    assert events == [path.as_uri()]


@pytest.mark.parametrize("name", PAGES)
def test_a_tag_may_be_named_like_a_script(shown, name):
    page, _, path = shown[name]
    assert page.locator("script").count() == 0
    assert HOSTILE in page.locator("body").inner_text()
    assert HOSTILE not in path.read_text()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_phone(shown, name):
    page, _, _ = shown[name]
    wide, window = page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert wide == window


@pytest.mark.parametrize("name", PAGES)
def test_a_page_contains_its_plots(shown, name):
    page, _, _ = shown[name]
    # At least the scores, and the tags of two alarms.
    assert page.locator("svg").count() >= 7
    boxes = page.locator("svg").evaluate_all(
        "all => all.map(e => e.getBoundingClientRect().height)"
    )
    assert min(boxes) > 50


@pytest.mark.parametrize("name", PAGES)
def test_ids_are_unique_within_a_page(shown, name):
    page, _, _ = shown[name]
    sizes = page.evaluate(
        "Object.values([...document.querySelectorAll('[id]')].reduce((seen, e) => {"
        "  (seen[e.id] = seen[e.id] || new Set()).add(e.outerHTML); return seen"
        "}, {})).map(all => all.size)"
    )
    assert set(sizes) <= {1}


def test_the_training_page_agrees_with_the_json(shown, trained):
    page, report = shown["trained"][0], trained[0]
    test = report["test"]
    text = page.locator(".facts").inner_text()
    assert format_hours(report["normal_running_hours"]) in text
    assert format_count(test["false_alarms"], "alarm") in text
    alarms = dict(rows(page, "False alarms"))
    assert alarms["requested"] == "1 false alarm in 7 days"
    assert alarms["set for"].startswith(
        f"1 in {format_hours(report['false_alarm_promised_hours'])}"
    )
    assert alarms["estimated"] == describe_interval(report["false_alarm_interval_hours"])
    assert alarms["tested"].startswith(f"{test['false_alarms']} in ")
    assert page.locator(".warning").all_inner_texts()[0].startswith("one false alarm in 7 days")


def test_the_training_page_shows_the_detection_speed_of_each_tag(shown, trained):
    _, *table = rows(shown["trained"][0], "Detection speed")
    sensitivity = trained[0]["sensitivity"]
    assert [row[0] for row in table] == list(sensitivity)
    for row in table:
        cells = [
            cell
            for each in sensitivity[row[0]]
            for cell in (
                f"{each['size']:.3g}",
                f"{100 * each['seen']:.0f}\N{NO-BREAK SPACE}%",
                "–" if each["delay_s"] is None else format_hours(each["delay_s"] / 3600),
            )
        ]
        assert row[1:] == cells


def test_the_training_page_names_left_out_tags_and_gaps(shown, trained):
    data = rows(shown["trained"][0], "Training data")
    assert ["left out", "mode: constant at 3"] in data
    [gap] = trained[0]["gaps"]
    assert (gap["first"], gap["last"]) == ("2026-01-01T00:11:40Z", "2026-01-01T01:11:41Z")
    assert ["gaps", "2026-01-01 00:11:40 to 2026-01-01 01:11:41 (60 min)"] in data


def test_each_alarm_is_listed_with_its_tags(shown, trained):
    _, row = rows(shown["trained"][0], "Alarms on this data")
    [alarm] = trained[0]["test"]["alarms"]
    assert row[1] == alarm["raised"][:19].replace("T", " ")
    assert row[4].startswith(f"flow ({100 * alarm['tags'][0]['share']:.0f}\N{NO-BREAK SPACE}%), ")


def test_the_backtest_page_agrees_with_the_json(shown, tested):
    page, report = shown["tested"][0], tested[0]
    assert (report["events_found"], report["events"], report["false_alarms"]) == (1, 2, 1)
    assert "1 of 2 events" in page.locator(".facts").inner_text()
    _, detected, missed = rows(page, "Labelled events")
    assert detected[2:4] == ["yes", format_hours(report["delays_s"][0] / 3600)]
    assert missed[2:] == ["missed", "–", "–"]
    metrics = {row[0]: row[1:] for row in rows(page, "Metrics")}
    rates = report["rates"]
    own = [f"{rates[name]:.3g}" for name in ("f1", "far", "mar")]
    assert metrics["this model, all rows"] == own
    assert metrics["always alarming"][0] == f"{rates['f1_always']:.3g}"
    alarms = rows(page, "Alarms")[1:]
    assert [row[4] for row in alarms] == ["true alarm", "false alarm"]
    assert [alarm["right"] for alarm in report["alarms"]] == [True, False]
