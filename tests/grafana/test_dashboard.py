"""The committed Grafana files: what every panel must have; that build.py wrote them."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gateway.api.alarms import AlarmState, Severity
from gateway.core.alarms.memory import HIDDEN

GRAFANA = Path(__file__).parents[2] / "configs" / "grafana"
DASHBOARD = json.loads((GRAFANA / "dashboards" / "andon-line.json").read_text())
RULES = yaml.safe_load((GRAFANA / "provisioning" / "alerting" / "andon.yaml").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TARGETS = [(panel, target) for panel in PANELS for target in panel["targets"]]
BY_TITLE = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
BY_TARGET = pytest.mark.parametrize(
    ("panel", "target"),
    TARGETS,
    ids=[f"{panel['title']}-{target['refId']}" for panel, target in TARGETS],
)


def test_committed_files_are_what_build_writes(tmp_path):
    built = tmp_path / "grafana"
    shutil.copytree(GRAFANA, built, ignore=shutil.ignore_patterns("__pycache__"))
    for generated in ("dashboards/andon-line.json", "provisioning/alerting/andon.yaml"):
        (built / generated).unlink()
    subprocess.run([sys.executable, "-B", built / "build.py"], check=True)
    for generated in ("dashboards/andon-line.json", "provisioning/alerting/andon.yaml"):
        assert (built / generated).read_bytes() == (GRAFANA / generated).read_bytes()


@BY_TITLE
def test_every_panel_says_what_it_shows(panel):
    assert panel["title"]
    assert len(panel["description"]) > 40
    assert panel["description"].endswith(".")


@BY_TITLE
def test_every_panel_has_a_unit(panel):
    assert panel["fieldConfig"]["defaults"]["unit"]


@BY_TARGET
def test_every_query_is_bound_to_the_time_range_and_the_line(panel, target):
    for part in ("$timeFilter", '"line" =~ /^$line$/', '"site" =~ /^$site$/'):
        assert part in target["query"]


@BY_TARGET
def test_every_query_keeps_to_the_common_subset_of_influxql(panel, target):
    forbidden = re.compile(
        r"\(\s*SELECT|derivative|top\(|bottom\(|percentile|INTO|fill\(linear", re.IGNORECASE
    )
    assert not forbidden.search(target["query"])
    assert target["rawQuery"] is True
    assert target["datasource"] == {"type": "influxdb", "uid": "${datasource}"}


@BY_TITLE
def test_query_letters_are_unique_in_a_panel(panel):
    letters = [target["refId"] for target in panel["targets"]]
    assert len(letters) == len(set(letters)) > 0


def test_panel_ids_and_places_are_unique():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        taken |= cells


def test_dashboard_works_with_any_data_source_of_the_installation():
    names = [variable["name"] for variable in DASHBOARD["templating"]["list"]]
    assert names == ["datasource", "site", "line", "tag"]
    assert DASHBOARD["templating"]["list"][0]["query"] == "influxdb"
    assert "andon-influxdb" not in json.dumps(DASHBOARD)


def test_dashboard_is_read_only_with_a_stable_address():
    assert DASHBOARD["uid"] == "andon-line"
    assert DASHBOARD["editable"] is False
    assert DASHBOARD["refresh"] == "1m"
    assert "id" not in DASHBOARD


def _mappings(panel):
    everywhere = [panel["fieldConfig"]["defaults"].get("mappings", [])]
    everywhere += [
        change["value"]
        for override in panel["fieldConfig"]["overrides"]
        for change in override["properties"]
        if change["id"] == "mappings"
    ]
    return [mapping["options"] for group in everywhere for mapping in group]


def test_colour_never_stands_alone_and_normal_is_grey():
    words = {
        word: shown
        for panel in PANELS
        for found in _mappings(panel)
        for word, shown in found.items()
    }
    assert {state.value for state in AlarmState} <= set(words)
    assert {severity.value for severity in Severity} <= set(words)
    assert all(shown["text"] for shown in words.values())
    assert words["normal"]["color"] == words["ok"]["color"] == "#8E8E8E"
    assert "green" not in json.dumps(DASHBOARD).lower()


def test_each_state_of_the_model_is_open_hidden_or_over():
    def pattern(title, kind):
        (panel,) = [panel for panel in PANELS if panel["title"] == title]
        steps = [
            step["options"] for step in panel["transformations"] if "filters" in step["options"]
        ]
        (filters,) = [step["filters"] for step in steps if (step["type"], step["match"]) == kind]
        return re.compile(filters[0]["config"]["options"]["value"])

    not_open = pattern("Open alarms now", ("exclude", "any"))
    hidden = pattern("Shelved, suppressed and out of service", ("include", "any"))
    assert {state for state in AlarmState if hidden.search(state)} == HIDDEN
    assert {state for state in AlarmState if not_open.search(state)} == {*HIDDEN, AlarmState.NORMAL}


def test_rules_ask_the_provisioned_data_source_and_point_at_real_panels():
    (group,) = RULES["groups"]
    assert {rule["uid"] for rule in group["rules"]} == {
        "andon-alert-active",
        "andon-gateway-silent",
    }
    ids = {panel["id"] for panel in PANELS}
    for rule in group["rules"]:
        assert rule["panelId"] in ids
        assert rule["condition"] in {step["refId"] for step in rule["data"]}
        assert rule["data"][0]["datasourceUid"] == "andon-influxdb"
        # Grafana replaces $NAME in a provisioned file's texts by an environment variable.
        assert "$" not in json.dumps([rule["annotations"], rule["labels"], rule["title"]])


@pytest.mark.parametrize("version", ["1", "2", "3"])
def test_every_data_source_file_serves_the_rules(version):
    folder = GRAFANA / "provisioning" / "datasources"
    (path,) = folder.glob(f"influxdb-{version}.yaml*")
    (source,) = yaml.safe_load(path.read_text())["datasources"]
    assert (source["uid"], source["type"]) == ("andon-influxdb", "influxdb")
    assert source["jsonData"]["version"] == "InfluxQL"
    assert all(secret.split()[-1].startswith("$") for secret in source["secureJsonData"].values())


def test_only_one_data_source_file_is_active():
    assert len(list((GRAFANA / "provisioning" / "datasources").glob("*.yaml"))) == 1
