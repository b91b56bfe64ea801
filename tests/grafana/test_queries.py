"""Every query of the dashboard and the alert rules, asked of a real InfluxDB that holds points."""

import json
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import servers
import yaml
from patience import PATIENCE

pytestmark = pytest.mark.server("influxd")

GRAFANA = Path(__file__).parents[2] / "configs" / "grafana"
DASHBOARD = json.loads((GRAFANA / "dashboards" / "andon-line.json").read_text())
RULES = yaml.safe_load((GRAFANA / "provisioning" / "alerting" / "andon.yaml").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TARGETS = {
    f"{panel['title']}-{target['refId']}": target["query"]
    for panel in PANELS
    for target in panel["targets"]
}
VARIABLES = {
    variable["name"]: variable["query"]
    for variable in DASHBOARD["templating"]["list"]
    if variable["type"] == "query"
}
MINUTE = 60 * 10**9
SITE, LINE = "demo-plant", "pump-skid"


def _excess(value, threshold, low):
    return threshold - value if low else value - threshold


def _alert(at, tags, number, state, value, threshold, low=False):
    is_over = state == "normal"
    active, transition = ("false", "returned") if is_over else ("true", "raised")
    return (
        f'andon_alert,site={SITE},line={LINE},{tags} id="{number}",alarm="x",state="{state}",'
        f"active={active},value={value},threshold={threshold},"
        f"excess={_excess(value, threshold, low)},"
        f'direction="{"below" if low else "above"}",transition="{transition}",'
        f"peak=9.5,coverage=1,opened_at={at}i,"
        f'top_tags="vibration_de,current",cause="vibration_de 5.1 mm/s (expected 2.3) 61 %",'
        f'model="pump 1",message="raised" {at}'
    )


def _alerts(now):
    level = "detector=level,severity=high,tag=level"
    pump, guard = "detector=pump,severity=high", "detector=guard,severity=medium,tag=flow"
    return [
        _alert(now - 90 * MINUTE, pump, "a1", "unacknowledged", 3.2, 1.5),
        _alert(now - 80 * MINUTE, pump, "a1", "normal", 0.4, 1.5),
        _alert(now - 20 * MINUTE, level, "c1", "unacknowledged", 992.0, 2000.0, low=True),
        _alert(now - 10 * MINUTE, guard, "b1", "unacknowledged", 7.5, 5.0),
    ]


def _summaries(now):
    numbers = "count=120i,bad=0i,mean=2.5,std=0.1,min=2.1,max=2.9,last=2.4,coverage=0.98"
    return [
        f"andon_summary,site={SITE},line={LINE},tag={tag} {numbers} {now - minutes * MINUTE}"
        for tag in ("speed", "vibration_de")
        for minutes in range(1, 31)
    ]


def _report(line, at, health="ok"):
    ints = {
        "values_read": 16200,
        "windows_scored": 540,
        "alerts_raised": 2,
        "bytes_read": 91000,
        "bytes_raw": 400000,
        "bytes_forwarded": 8000,
        "day_bytes_read": 50000,
        "day_bytes_raw_gzip": 40000,
        "day_bytes_sent": 1000,
        "sources_up": 3,
        "sources": 3,
        "tags_fresh": 14,
        "tags_stale": 1,
    }
    zeros = [
        "samples_late",
        "samples_dropped",
        "points_dropped",
        "buffered_alerts",
        "buffered_summaries",
        "tags_late",
        "tags_bad",
        "tags_never_seen",
    ]
    fields = {**ints, **dict.fromkeys(zeros, 0)}
    written = ",".join(f"{name}={value}i" for name, value in fields.items())
    scores = "score_pump=0.7,threshold_pump=1.5"
    return f'andon_gateway,site={SITE},line={line} health="{health}",{written},{scores} {at}'


def _reports(now):
    talking = [_report(LINE, now - minutes * MINUTE) for minutes in range(31)]
    silent = [_report("press", now - (120 + minutes) * MINUTE) for minutes in range(31)]
    return talking + silent


def _clip(now):
    """As core/points.py writes it: three samples of two tags, one of them bad, and the report."""
    at, key = now - 10 * MINUTE, f"andon_clip,site={SITE},line={LINE}"
    counts = "alert_count=1i,tag_count=2i,found=9i,sent=3i"
    return [
        f'{key},tag=flow value=7.5,quality="good" {at}',
        f'{key},tag=flow quality="bad" {at + 10**9}',
        f'{key},tag=speed value=1480.0,quality="good" {at}',
        f'{key} alerts="b1",{counts},clip_from={at}i,clip_to={at}i,note="thinned" {at}',
    ]


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """A function that asks InfluxQL and returns the series of the answer."""
    with servers.influxdb(tmp_path_factory.mktemp("influxdb")) as server:

        def query(text):
            asked = urllib.parse.urlencode({"db": "lines", "q": text, "epoch": "ms"}).encode()
            with urllib.request.urlopen(f"{server.url}/query", asked, timeout=PATIENCE) as answer:
                (result,) = json.load(answer)["results"]
            assert "error" not in result, result
            return result.get("series", [])

        servers.create_database(server, "lines")
        now = time.time_ns()
        body = "\n".join([*_alerts(now), *_summaries(now), *_reports(now), *_clip(now)]).encode()
        with urllib.request.urlopen(
            f"{server.url}/write?db=lines", body, timeout=PATIENCE
        ) as answer:
            assert answer.status == 204
        yield query


def _filled_in(query, hours=6):
    """The query as Grafana sends it."""
    now = time.time_ns() // 10**6
    values = {
        "$timeFilter": f"time >= {now - hours * 3600_000}ms and time <= {now}ms",
        "$__interval": "1m",
        "$site": SITE,
        "$line": LINE,
        "$tag": "(speed|vibration_de)",
    }
    for name, value in values.items():
        query = query.replace(name, value)
    assert "$" not in query.replace("$/", "")
    return query


@pytest.mark.parametrize("name", TARGETS)
def test_every_panel_gets_rows(ask, name):
    series = ask(_filled_in(TARGETS[name]))
    values = [value for each in series for row in each["values"] for value in row[1:]]
    assert any(value is not None for value in values)


def _first_target(title):
    return TARGETS[f"{title}-A"]


def test_alert_tables_carry_tags_and_fields_in_one_row(ask):
    (table,) = ask(_filled_in(_first_target("Alert history")))
    newest = dict(zip(table["columns"], table["values"][0], strict=True))
    assert (newest["severity"], newest["detector"], newest["tag"]) == ("medium", "guard", "flow")
    assert (newest["value"], newest["threshold"]) == (7.5, 5.0)
    assert [row[0] for row in table["values"]] == sorted(
        (row[0] for row in table["values"]), reverse=True
    )


def test_scores_come_with_one_column_for_each_model(ask):
    (scores,) = ask(_filled_in(_first_target("Score against threshold")))
    assert scores["columns"] == ["time", "max_score_pump"]


def test_bytes_saved_is_one_minus_sent_over_raw(ask):
    (saved,) = ask(_filled_in(_first_target("Bytes saved today")))
    assert saved["values"][0][1] == pytest.approx(0.975)


def test_bytes_a_day_are_the_days_last_figure(ask):
    (days,) = ask(_filled_in(_first_target("Bytes a day")))
    assert {row[1] for row in days["values"]} <= {None, 50000}
    assert days["values"][-1][1] == 50000


def test_last_report_has_the_time_of_the_newest_point(ask):
    (report,) = ask(_filled_in(_first_target("Last report")))
    assert abs(report["values"][0][0] - time.time() * 1000) < 5 * 60_000


def test_variables_list_sites_lines_and_tags(ask):
    def values(name):
        (answer,) = ask(_filled_in(VARIABLES[name]))
        return {row[1] for row in answer["values"]}

    assert values("site") == {SITE}
    assert values("line") == {LINE, "press"}
    assert values("tag") == {"speed", "vibration_de"}


def test_annotations_mark_only_what_was_raised(ask):
    (annotation,) = DASHBOARD["annotations"]["list"]
    (answer,) = ask(_filled_in(annotation["query"]))
    assert len(answer["values"]) == 3
    assert annotation["textColumn"] in answer["columns"]


def _rule(uid):
    (group,) = RULES["groups"]
    (rule,) = [rule for rule in group["rules"] if rule["uid"] == uid]
    (asked,) = [step for step in rule["data"] if step["datasourceUid"] == "andon-influxdb"]
    return _filled_in(asked["model"]["query"], asked["relativeTimeRange"]["from"] // 3600)


def test_the_active_rule_is_above_zero_only_for_what_is_active(ask):
    above = {
        each["tags"]["detector"]: each["values"][-1][1] for each in ask(_rule("andon-alert-active"))
    }
    assert above["guard"] > 0 > above["pump"]
    assert above["level"] == 1008, "992 is below its limit of 2000"


def test_the_silent_rule_counts_zero_for_a_line_that_stopped(ask):
    series = ask(_rule("andon-gateway-silent"))
    # The newest step may just have begun: the rule waits five minutes for it.
    reports = {each["tags"]["line"]: each["values"][-2][1] for each in series}
    assert reports["press"] == 0
    assert reports[LINE] > 0


def test_a_clip_is_shown_by_tag_with_what_it_lacks(ask):
    samples = ask(_filled_in(_first_target("Raw samples around alerts")))
    found = {each["tags"]["tag"]: each["values"] for each in samples}
    assert {tag: [row[1] for row in rows] for tag, rows in found.items()} == {
        "flow": [7.5],
        "speed": [1480.0],
    }
    ((_, *said),) = ask(_filled_in(_first_target("What the clips hold")))[0]["values"]
    assert said == ["b1", 1, 9, 3, "thinned"]
