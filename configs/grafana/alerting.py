"""The alert rules of Grafana: an alarm is active, a gateway has fallen silent.

Promises
- Each rule is: ask, take the last value of each series, compare; one alert for each series.
- Labels are written `.Labels.x`: a `$` in a provisioned file may be taken for a variable.
"""
# ruff: noqa: INP001 - neighbours of the script build.py, not a package

import queries
from panels import Json

_DATASOURCE = "andon-influxdb"  # the uid of the provisioned data source; rules know no variables
_EXPRESSION = "__expr__"
_DAY = 86400


def _ask(query: str, seconds: int) -> Json:
    return {
        "refId": "A",
        "datasourceUid": _DATASOURCE,
        "relativeTimeRange": {"from": seconds, "to": 0},
        "model": {
            "refId": "A",
            "query": query,
            "rawQuery": True,
            "resultFormat": "time_series",
            "intervalMs": 60000,
            "maxDataPoints": 10000,
        },
    }


def _expression(ref: str, kind: str, **more: object) -> Json:
    source = {"type": _EXPRESSION, "uid": _EXPRESSION}
    return {
        "refId": ref,
        "datasourceUid": _EXPRESSION,
        "relativeTimeRange": {"from": 0, "to": 0},
        "model": {"refId": ref, "type": kind, "datasource": source, **more},
    }


def _rule(uid: str, title: str, query: str, seconds: int, compare: tuple[str, float]) -> Json:
    last = _expression("B", "reduce", expression="A", reducer="last", settings={"mode": "dropNN"})
    evaluator = {"type": compare[0], "params": [compare[1]]}
    judged = _expression("C", "threshold", expression="B", conditions=[{"evaluator": evaluator}])
    return {
        "uid": uid,
        "title": title,
        "condition": "C",
        "dashboardUid": "andon-line",
        "data": [_ask(query, seconds), last, judged],
    }


def _alert_active(panel: int) -> Json:
    rule = _rule(
        "andon-alert-active", "andon alert active", queries.ALERT_ACTIVE, 30 * _DAY, ("gt", 0)
    )
    return {
        **rule,
        "panelId": panel,
        # No alarm in thirty days is good news.
        "noDataState": "OK",
        "execErrState": "Error",
        "for": "0s",
        "labels": {"source": "andon"},
        "annotations": {
            "summary": "{{ .Labels.line }}: {{ .Labels.detector }} has an active"
            " {{ .Labels.severity }} alarm{{ with .Labels.tag }} on {{ . }}{{ end }}",
            "description": "The dashboard “andon – line” shows its cause, value and threshold.",
        },
    }


def _gateway_silent(panel: int) -> Json:
    rule = _rule(
        "andon-gateway-silent", "andon gateway silent", queries.GATEWAY_SILENT, 2 * _DAY, ("lt", 1)
    )
    return {
        **rule,
        "panelId": panel,
        "noDataState": "Alerting",
        "execErrState": "Error",
        # The newest step has only just begun and may hold no report yet.
        "for": "5m",
        "labels": {"source": "andon", "severity": "high"},
        "annotations": {
            "summary": "{{ .Labels.line }}: the gateway has reported nothing for five minutes",
            "description": "The machine, its network or the service andon@{{ .Labels.line }} is"
            " down. Alarms may be active that are not shown here; nothing on its disk is lost.",
        },
    }


def rules(panels: list[Json]) -> Json:
    """The content of provisioning/alerting/andon.yaml; each rule points at one of the panels."""
    ids = {each["title"]: each["id"] for each in panels}
    group = {
        "orgId": 1,
        "name": "andon",
        "folder": "andon",
        "interval": "1m",
        "rules": [_alert_active(ids["Open alarms now"]), _gateway_silent(ids["Health"])],
    }
    return {"apiVersion": 1, "groups": [group]}
