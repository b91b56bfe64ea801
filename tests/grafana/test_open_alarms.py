"""What the panels show of alarms that people and machines changed, from a real InfluxDB.

The transitions are made by the alarm machine itself. What Grafana then does with the rows of an
answer (group, filter, rename) is done here from the dashboard's own description.
"""

import json
import re
import time
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import servers
import yaml
from patience import PATIENCE

from gateway.api.alarms import Alarm, Severity
from gateway.api.model import SECOND, Score
from gateway.core.alarms import acts
from gateway.core.alarms.machine import AlarmMachine
from gateway.core.alarms.words import Words
from gateway.core.points import alert_envelope

pytestmark = pytest.mark.server("influxd")

GRAFANA = Path(__file__).parents[2] / "configs" / "grafana"
DASHBOARD = json.loads((GRAFANA / "dashboards" / "andon-line.json").read_text())
RULES = yaml.safe_load((GRAFANA / "provisioning" / "alerting" / "andon.yaml").read_text())
PANELS = {panel["title"]: panel for panel in DASHBOARD["panels"]}
HOUR = 3600 * SECOND
NOTHING = float("nan")


class Guard:
    """An alarm machine whose alarms each have a series of their own, one score a minute."""

    def __init__(self, line, start, *names, **options):
        self.line, self.names = line, names
        self.alarms = [
            Alarm(name, 5.0, Severity.HIGH, tag=name, **(options if "latched" in name else {}))
            for name in names
        ]
        self.machine = AlarmMachine("guard", self.alarms, list(names), start)
        self.now, self.high, self.points = start, set(), []

    def _keep(self, alerts):
        names = [alarm.name for alarm in self.alarms]
        for alert in alerts:
            number = names.index(alert.alarm)
            self.points.append(
                alert_envelope(alert, "plant", self.line, number, Words(self.line)).body
            )

    def score(self, *, rise=(), fall=(), idle=""):
        self.now += 60 * SECOND
        self.high = (self.high | {*rise}) - {*fall}
        values = [9.0 if alarm.name in self.high else 1.0 for alarm in self.alarms]
        if idle:
            values = [NOTHING] * len(values)
        self._keep(self.machine.step(Score(self.now, np.array(values), 1.0, idle=idle)))

    def act(self, name, act, why=""):
        self._keep([self.machine.act(f"guard.{name}", act, "anna", why)])


NAMES = (
    "standing", "acked", "returned", "over", "again", "escalated", "latched", "shelved", "one_shot",
    "unshelved", "repaired", "back", "commented", "normal_shelved",
)  # fmt: skip


def worked_on(line, start):
    """A line on which each alarm has had another fate."""
    guard = Guard(line, start, *NAMES, latch=True)
    guard.machine.escalations = [120 * SECOND]
    guard.score(rise=[name for name in NAMES if name != "normal_shelved"])
    for name in ("acked", "over", "latched"):
        guard.act(name, acts.acknowledge("anna"))
    guard.score(fall=["returned", "over", "again", "latched"])
    guard.score(rise=["again"])
    far = guard.now + 30 * 24 * HOUR
    for name in ("shelved", "unshelved", "normal_shelved"):
        guard.act(name, acts.shelve(far), "a new sensor is ordered")
    guard.act("one_shot", acts.shelve(None))
    for name in ("repaired", "back"):
        guard.act(name, acts.take_out_of_service("bearing is changed"), "bearing is changed")
    guard.score(fall=["shelved", "one_shot"])
    guard.act("unshelved", acts.unshelve)
    guard.act("back", acts.return_to_service)
    guard.score()
    guard.act("commented", acts.comment("real"), "seen by hand")
    return guard.points


def stopped(line, start):
    """A line whose machine stopped with an active alarm, and one that is being cleaned."""
    guard = Guard(line, start, "ended", "cleaned", "cleaned_and_done", "returned")
    guard.score(rise=["ended"])
    guard.score(idle="running is 0")
    guard.score(rise=["cleaned", "cleaned_and_done", "returned"], fall=["ended"])
    guard.score(fall=["returned"])
    guard.machine.suppression = "cleaning"
    guard.score()
    guard.score(fall=["cleaned_and_done"])
    return guard.points


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with servers.influxdb(tmp_path_factory.mktemp("influxdb")) as running:
        servers.create_database(running, "lines")
        now = time.time_ns()
        _write(running, worked_on("press", now - 2 * HOUR) + stopped("mill", now - 2 * HOUR))
        yield running


def _write(server, bodies):
    asked = urllib.request.Request(f"{server.url}/write?db=lines", b"\n".join(bodies))
    with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
        assert answer.status == 204


def _ask(server, query, line, hours=30 * 24):
    now = time.time_ns() // 10**6
    query = query.replace("$timeFilter", f"time >= {now - hours * 3600_000}ms and time <= {now}ms")
    query = query.replace("$site", "plant").replace("$line", line)
    asked = urllib.parse.urlencode({"db": "lines", "q": query, "epoch": "ms"}).encode()
    with urllib.request.urlopen(f"{server.url}/query", asked, timeout=PATIENCE) as answer:
        (result,) = json.load(answer)["results"]
    assert "error" not in result, result
    return result.get("series", [])


# What Grafana does with the answer --------------------------------------------------------------


def _grouped(rows, fields):
    keys = [name for name, field in fields.items() if field["operation"] == "groupby"]
    taken = [name for name, field in fields.items() if field["aggregations"] == ["last"]]
    groups = {tuple(row[key] for key in keys): row for row in rows}  # the last one stays
    return [
        {**dict(zip(keys, key, strict=True)), **{f"{name} (last)": row[name] for name in taken}}
        for key, row in groups.items()
    ]


def _filtered(rows, options):
    def fits(row, one):
        value = row[one["fieldName"]]
        text = {True: "true", False: "false"}.get(value, value)
        return bool(re.search(one["config"]["options"]["value"], str(text)))

    quantor = {"any": any, "all": all}[options["match"]]
    is_wanted = options["type"] == "include"
    return [row for row in rows if quantor(fits(row, f) for f in options["filters"]) is is_wanted]


def _organized(rows, options):
    hidden, names = options["excludeByName"], options["renameByName"]
    return [
        {names.get(name, name): value for name, value in row.items() if not hidden.get(name)}
        for row in rows
    ]


STEPS = {
    "groupBy": lambda rows, options: _grouped(rows, options["fields"]),
    "filterByValue": _filtered,
    "organize": _organized,
}


def shown(server, title, line="press"):
    panel = PANELS[title]
    (target,) = panel["targets"]
    rows = [
        dict(zip(["Time", *series["columns"][1:]], row, strict=True))
        for series in _ask(server, target["query"], line)
        for row in series["values"]
    ]
    for step in panel["transformations"]:
        rows = STEPS[step["id"]](rows, step["options"])
    return rows


def states(rows):
    return {row["alarm"]: row["state"] for row in rows}


OPEN, HIDDEN = "Open alarms now", "Shelved, suppressed and out of service"


def test_what_is_open_has_its_newest_state_once_for_each_alarm(server):
    rows = shown(server, OPEN)
    assert states(rows) == {
        "standing": "unacknowledged",
        "acked": "acknowledged",
        "returned": "returned_unacknowledged",
        "again": "unacknowledged",
        "escalated": "unacknowledged",
        "latched": "latched_acknowledged",
        "unshelved": "unacknowledged",
        "back": "unacknowledged",
        "commented": "unacknowledged",
    }
    assert len(rows) == 9
    (commented,) = [row for row in rows if row["alarm"] == "commented"]
    assert (commented["severity"], commented["value"], commented["threshold"]) == ("high", 9, 5)


def test_what_people_hid_is_shown_apart_and_what_is_over_nowhere(server):
    assert states(shown(server, HIDDEN)) == {
        "shelved": "shelved",
        "repaired": "out_of_service",
        "normal_shelved": "shelved",
    }
    gone = {*NAMES} - states(shown(server, OPEN)).keys() - states(shown(server, HIDDEN)).keys()
    assert gone == {"over", "one_shot"}


def test_a_stopped_machine_ends_its_alarms_and_cleaning_hides_them(server):
    assert states(shown(server, OPEN, "mill")) == {}
    assert states(shown(server, HIDDEN, "mill")) == {
        "cleaned": "suppressed_by_design",
        "cleaned_and_done": "suppressed_by_design",
        "returned": "suppressed_by_design",
    }


def test_a_comment_on_what_is_over_leaves_what_came_again_as_it_is(server):
    guard = Guard("lathe", time.time_ns() - 2 * HOUR, "chuck", "guard")
    guard.score(rise=["chuck", "guard"])
    guard.score(fall=["chuck", "guard"])
    over = [guard.machine.act(f"guard.{each}", acts.acknowledge("anna")) for each in guard.names]
    guard.score(rise=["chuck"])
    guard.act("guard", acts.shelve(guard.now + 24 * HOUR))
    guard._keep([guard.machine.comment_on(each, "false", "ben", "") for each in over])
    _write(server, guard.points)
    assert states(shown(server, OPEN, "lathe")) == {"chuck": "unacknowledged"}
    assert states(shown(server, HIDDEN, "lathe")) == {"guard": "shelved"}
    assert firing(server, "lathe") == {"chuck"}


def test_the_history_has_every_transition(server):
    rows = shown(server, "Alert history")
    made = {row["transition"] for row in rows}
    assert made == {
        "raised", "acknowledged", "returned", "escalated", "shelved", "unshelved", "commented",
        "taken_out_of_service", "returned_to_service",
    }  # fmt: skip
    assert len([row for row in rows if row["transition"] == "raised"]) == len(NAMES)
    assert [row["time"] for row in rows] == sorted((row["time"] for row in rows), reverse=True)


def test_marks_are_made_where_an_alarm_was_raised_alone(server):
    (annotation,) = DASHBOARD["annotations"]["list"]
    (series,) = _ask(server, annotation["query"], "press")
    assert len(series["values"]) == len(NAMES)


def firing(server, line="press"):
    (group,) = RULES["groups"]
    (rule,) = [rule for rule in group["rules"] if rule["uid"] == "andon-alert-active"]
    query = rule["data"][0]["model"]["query"]
    return {
        series["tags"]["tag"]
        for series in _ask(server, query, line)
        if series["tags"]["line"] == line and series["values"][-1][1] > 0
    }


def test_the_rule_fires_for_what_is_active_and_not_hidden(server):
    assert firing(server) == {
        "standing", "acked", "again", "escalated", "unshelved", "back", "commented"
    }  # fmt: skip
    assert firing(server, "mill") == set()


def test_an_acknowledgement_after_the_return_does_not_fire(server):
    now = time.time_ns()
    guard = Guard("oven", now - HOUR, "heat")
    guard.score(rise=["heat"])
    guard.score(fall=["heat"])
    guard.act("heat", acts.acknowledge("anna"))
    _write(server, guard.points)
    assert firing(server, "oven") == set()
    assert (shown(server, OPEN, "oven"), shown(server, HIDDEN, "oven")) == ([], [])


def test_points_of_an_outage_do_not_bring_back_what_has_ended(server):
    """They arrive late, in their order, after newer ones or in another order altogether."""
    guard = Guard("saw", time.time_ns() - 2 * HOUR, "blade", "belt")
    guard.score(rise=["blade", "belt"])
    guard.score(fall=["blade"])
    guard.act("blade", acts.acknowledge("anna"))
    raised, belt, returned, acknowledged = guard.points
    _write(server, [acknowledged])
    assert states(shown(server, OPEN, "saw")) == {}
    for late in (raised, belt, returned):
        _write(server, [late])
        assert "blade" not in states(shown(server, OPEN, "saw"))
        assert "blade" not in firing(server, "saw")
    assert states(shown(server, OPEN, "saw")) == {"belt": "unacknowledged"}
    assert firing(server, "saw") == {"belt"}
