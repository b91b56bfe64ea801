"""Shapes of Grafana panels as plain dicts: a query, a field's look, a panel.

Promises
- Queries name the data source by the dashboard's variable, never by an installation's own id.
- Colour is for what is abnormal. Normal is grey, and every colour comes with a word.
"""
# ruff: noqa: INP001 - neighbours of the script build.py, not a package

from typing import Any

Json = dict[str, Any]

DATASOURCE: Json = {"type": "influxdb", "uid": "${datasource}"}
GREY, AMBER, RED, PURPLE = "#8E8E8E", "#B35900", "#C00000", "#6B3FA0"
COLUMNS = 24


def target(query: str, alias: str = "", ref: str = "A", *, table: bool = False) -> Json:
    """One InfluxQL query; a `table` keeps the columns together, else each is a series."""
    return {
        "refId": ref,
        "datasource": DATASOURCE,
        "rawQuery": True,
        "query": query,
        "alias": alias,
        "resultFormat": "table" if table else "time_series",
    }


def targets(*queries: tuple[str, str]) -> list[Json]:
    """Series queries as (query, alias), lettered A, B, C."""
    return [target(query, alias, chr(ord("A") + i)) for i, (query, alias) in enumerate(queries)]


def words(colours: dict[str, tuple[str, str]]) -> list[Json]:
    """A value mapping from a stored word to (shown word, colour)."""
    options = {
        word: {"text": text, "color": colour, "index": i}
        for i, (word, (text, colour)) in enumerate(colours.items())
    }
    return [{"type": "value", "options": options}]


def steps(*bounds: tuple[float | None, str]) -> Json:
    """Colours from a value upwards; the first bound is None."""
    return {"mode": "absolute", "steps": [{"value": at, "color": colour} for at, colour in bounds]}


def field(unit: str, **more: Any) -> Json:
    """How values look unless an override says otherwise: grey, with their unit."""
    base = {
        "unit": unit,
        "color": {"mode": "thresholds"},
        "thresholds": steps((None, GREY)),
        "mappings": [],
        "custom": {},
    }
    return {**base, **more}


def override(name: str, *, regex: bool = False, **properties: Any) -> Json:
    """Properties for the field of that name; `custom__x` means `custom.x`."""
    return {
        "matcher": {"id": "byRegexp" if regex else "byName", "options": name},
        "properties": [
            {"id": key.replace("__", "."), "value": value} for key, value in properties.items()
        ],
    }


def panel(kind: str, title: str, description: str, size: tuple[int, int], **parts: Any) -> Json:
    """A panel of `size` (width, height); `arrange` gives it an id and a place."""
    overrides = parts.pop("overrides", [])
    defaults = parts.pop("defaults")
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "gridPos": {"w": size[0], "h": size[1]},
        "fieldConfig": {"defaults": defaults, "overrides": overrides},
        **parts,
    }


def row(title: str) -> Json:
    """A heading over the panels that follow."""
    return {"type": "row", "title": title, "collapsed": False, "gridPos": {"w": COLUMNS, "h": 1}}


def series(title: str, description: str, size: tuple[int, int], **parts: Any) -> Json:
    """A time series with a table legend that also says the last value in figures."""
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "calcs": ["lastNotNull"]},
        "tooltip": {"mode": "multi", "sort": "none"},
    }
    # Below the reporting interval there is nothing to see, only gaps.
    return panel("timeseries", title, description, size, options=options, interval="1m", **parts)


def stat(title: str, description: str, size: tuple[int, int], fields: str, **parts: Any) -> Json:
    """Big figures or words; `fields` is a regular expression, as words count as no figures."""
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": fields, "values": False},
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": parts.pop("text", "auto"),
    }
    return panel("stat", title, description, size, options=options, **parts)


def lines(width: int = 1, **more: Any) -> Json:
    """Plain lines that break where data is missing: a gap is news, not something to bridge."""
    return {
        "drawStyle": "line",
        "lineWidth": width,
        "spanNulls": False,
        "showPoints": "auto",
        **more,
    }


def arrange(panels: list[Json]) -> list[Json]:
    """Numbers the panels and places them from left to right, a new shelf when one is full."""
    x = y = shelf = 0
    for number, each in enumerate(panels, start=1):
        place = each["gridPos"]
        if x + place["w"] > COLUMNS:
            x, y, shelf = 0, y + shelf, 0
        each["id"] = number
        each["gridPos"] = {"h": place["h"], "w": place["w"], "x": x, "y": y}
        x, shelf = x + place["w"], max(shelf, place["h"])
    return panels
