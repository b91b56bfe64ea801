#!/usr/bin/env python3
"""Writes the dashboard and the alert rules beside this file: `python configs/grafana/build.py`.

Promises
- The same source gives the same bytes; a test compares them with what is committed.
- The dashboard is one classic JSON file that Grafana provisions and that a person can import.
"""

import json
from pathlib import Path
from typing import Any

import alerting
import gateway_panels
import line_panels
import queries
import yaml
from panels import AMBER, DATASOURCE, Json, arrange, row

HERE = Path(__file__).parent
DASHBOARD = HERE / "dashboards" / "andon-line.json"
RULES = HERE / "provisioning" / "alerting" / "andon.yaml"


def _variable(name: str, label: str, *, many: bool = False) -> Json:
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": DATASOURCE,
        "query": queries.VARIABLES[name],
        "refresh": 2,  # on every change of the time range: new lines and tags turn up by themselves
        "sort": 1,
        "multi": many,
        "includeAll": many,
        "current": {"text": ["All"], "value": ["$__all"]} if many else {},
    }


def _variables() -> list[Json]:
    source = {
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "query": "influxdb",
    }
    return [
        {**source, "current": {}},
        _variable("site", "Site"),
        _variable("line", "Line"),
        _variable("tag", "Tag", many=True),
    ]


def _annotations() -> list[Json]:
    query = queries.select(
        '"message", "detector", "severity"', queries.ALERT, where="\"transition\" = 'raised'"
    )
    raised = {
        "name": "Alerts raised",
        "datasource": DATASOURCE,
        "enable": True,
        "iconColor": AMBER,
        "query": query,
        "textColumn": "message",
        "tagsColumn": "detector,severity",
    }
    return [raised]


def dashboard() -> Json:
    """The dashboard "andon – line"."""
    panels = [
        *gateway_panels.overview(),
        row("Alarms"),
        *line_panels.alarms(),
        row("Scores"),
        line_panels.scores(),
        row("Clips"),
        *line_panels.clips(),
        row("Gateway"),
        *gateway_panels.details(),
        row("Tags"),
        line_panels.coverage(),
        line_panels.summaries(),
    ]
    return {
        "uid": "andon-line",
        "title": "andon – line",
        "description": "One production line: its alarms, scores, tags and the gateway itself.",
        "tags": ["andon"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": _variables()},
        "annotations": {"list": _annotations()},
        "panels": arrange(panels),
    }


def files() -> dict[Path, str]:
    """Every generated file with its text."""
    line = dashboard()
    as_json = json.dumps(line, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    head = "# Written by configs/grafana/build.py; change it there.\n"
    rules: Any = yaml.safe_dump(
        alerting.rules(line["panels"]), sort_keys=False, allow_unicode=True, width=1000
    )
    return {DASHBOARD: as_json, RULES: head + rules}


if __name__ == "__main__":
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
