"""The panels about the line: its alarms, the models' scores, its tags."""
# ruff: noqa: INP001 - neighbours of the script build.py, not a package

import queries
from panels import (
    AMBER,
    COLUMNS,
    GREY,
    PURPLE,
    RED,
    Json,
    field,
    lines,
    override,
    panel,
    series,
    steps,
    target,
    targets,
    words,
)

SEVERITIES = {
    "critical": ("CRITICAL", RED),
    "high": ("HIGH", AMBER),
    "medium": ("MEDIUM", "#8A6D00"),
    "low": ("LOW", PURPLE),
}
STATES = {
    "unacknowledged": ("UNACKNOWLEDGED", RED),
    "acknowledged": ("ACKNOWLEDGED", AMBER),
    "latched_unacknowledged": ("LATCHED, UNACKNOWLEDGED", RED),
    "latched_acknowledged": ("LATCHED, ACKNOWLEDGED", AMBER),
    "returned_unacknowledged": ("RETURNED, UNACKNOWLEDGED", "#8A6D00"),
    "shelved": ("SHELVED", PURPLE),
    "suppressed_by_design": ("SUPPRESSED", PURPLE),
    "out_of_service": ("OUT OF SERVICE", PURPLE),
    "normal": ("NORMAL", GREY),
}
# The states in which an alarm is over; everything else is still active.
INACTIVE = ("normal", "returned_unacknowledged", "suppressed_by_design")

_SHOWN = ("severity", "detector", "alarm", "tag", "state", "cause", "value", "threshold")
_HIDDEN = {"id": True, "coverage": True}


def _cell(name: str, mapping: dict[str, tuple[str, str]]) -> Json:
    return override(name, mappings=words(mapping), custom__cellOptions={"type": "color-text"})


def _columns(of: dict[str, str]) -> Json:
    """Order and names of a table's columns; `of` maps what comes in to what is shown."""
    order = {name: i for i, name in enumerate(of)}
    return {
        "id": "organize",
        "options": {"indexByName": order, "renameByName": of, "excludeByName": _HIDDEN},
    }


def _table(title: str, description: str, height: int, when: str, **parts: object) -> Json:
    return panel(
        "table",
        title,
        description,
        (COLUMNS, height),
        defaults=field("none", custom={"filterable": True, "align": "auto"}),
        options={"showHeader": True, "sortBy": [{"displayName": when, "desc": True}]},
        overrides=[
            _cell("severity", SEVERITIES),
            _cell("state", STATES),
            override(when, unit="dateTimeAsIso", custom__width=180),
            override("cause", custom__minWidth=300),
        ],
        **parts,
    )


def _active() -> Json:
    last = {"operation": "aggregate", "aggregations": ["last"]}
    grouped = {"id": {"operation": "groupby", "aggregations": []}, "Time": last}
    over = {"id": "regex", "options": {"value": f"^({'|'.join(INACTIVE)})$"}}
    return _table(
        "Active alerts now",
        "Every alarm of the last 30 days whose last transition left it active, whatever the time"
        " range. Alarms are identified by their id, newest first.",
        7,
        "since",
        timeFrom="30d",
        hideTimeOverride=True,
        targets=[target(queries.transitions(), table=True)],
        transformations=[
            {
                "id": "groupBy",
                "options": {"fields": {**grouped, **dict.fromkeys(_SHOWN, last)}},
            },
            {
                "id": "filterByValue",
                "options": {
                    "type": "exclude",
                    "match": "any",
                    "filters": [{"fieldName": "state (last)", "config": over}],
                },
            },
            _columns({"Time (last)": "since", **{f"{name} (last)": name for name in _SHOWN}}),
        ],
    )


def _timeline() -> Json:
    query = queries.select('"state", "detector", "alarm", "tag"', queries.ALERT)
    options = {"mergeValues": True, "showValue": "auto", "rowHeight": 0.8, "alignValue": "left"}
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
    partition = {"fields": ["detector", "alarm", "tag"], "naming": {"asLabels": True}}
    return panel(
        "state-timeline",
        "Alarm states",
        "One lane for each alarm. A lane starts with the alarm's first transition in the time"
        " range; grey is normal.",
        (COLUMNS, 7),
        defaults=field("none", mappings=words(STATES), custom={"lineWidth": 0, "fillOpacity": 80}),
        options={**options, "legend": legend},
        targets=[target(query, table=True)],
        transformations=[{"id": "partitionByValues", "options": partition}],
    )


def _history() -> Json:
    return _table(
        "Alert history",
        "Every transition of every alarm in the time range, newest first, at most 500.",
        9,
        "time",
        targets=[target(queries.transitions("ORDER BY time DESC LIMIT 500"), table=True)],
        transformations=[_columns({"Time": "time", **{name: name for name in _SHOWN}})],
    )


def alarms() -> list[Json]:
    """What is active, how it got there, and everything that happened."""
    return [_active(), _timeline(), _history()]


def clips() -> list[Json]:
    """The raw samples around alerts, and what each clip holds; empty unless a line asks for it."""
    samples = queries.select('"value"', queries.CLIP, where="\"tag\" != ''", then='GROUP BY "tag"')
    held = queries.select(
        '"alerts", "alert_count", "found", "sent", "note"', queries.CLIP, where="\"tag\" = ''"
    )
    return [
        series(
            "Raw samples around alerts",
            "Every sample of the tags behind an alert, from before it to after it, if the line file"
            " asks for clips. Zoom to one alert: a mark shows where it was raised.",
            (COLUMNS, 9),
            defaults=field("none", color={"mode": "palette-classic"}, custom=lines(1)),
            targets=[target(samples, "$tag_tag")],
        ),
        panel(
            "table",
            "What the clips hold",
            "Each clip: the alerts it is for, samples in the history, samples sent, and why some"
            " are missing.",
            (COLUMNS, 6),
            defaults=field("none", custom={"filterable": True, "align": "auto"}),
            options={"showHeader": True, "sortBy": [{"displayName": "Time", "desc": True}]},
            overrides=[override("Time", unit="dateTimeAsIso", custom__width=180)],
            targets=[target(held, table=True)],
        ),
    ]


def scores() -> Json:
    """The models' scores against their thresholds."""
    asked = targets(
        (queries.over_time("max(/^score_/)", queries.GATEWAY), "$col"),
        (queries.over_time("max(/^threshold_/)", queries.GATEWAY), "$col"),
    )
    rename = {"regex": ".*max_(score|threshold)_(.*)", "renamePattern": "$2 $1"}
    dashed = {"fill": "dash", "dash": [10, 10]}
    return series(
        "Score against threshold",
        "The highest score of each interval, for each model; the dashed line is the threshold"
        " above which its alarm is raised. A gap means that the model could not judge.",
        (COLUMNS, 9),
        defaults=field("none", color={"mode": "palette-classic"}, custom=lines(2), min=0),
        overrides=[
            override(
                "/threshold$/",
                regex=True,
                custom__lineStyle=dashed,
                custom__lineWidth=1,
                color={"mode": "fixed", "fixedColor": RED},
            )
        ],
        targets=asked,
        transformations=[{"id": "renameByRegex", "options": rename}],
    )


def summaries() -> Json:
    """Mean with the band from minimum to maximum, repeated for each chosen tag."""
    chosen = '"tag" =~ /^$tag$/'

    def asked(name: str) -> tuple[str, str]:
        return queries.over_time(f'{name}("{name}")', queries.SUMMARY, where=chosen), name

    return series(
        "$tag",
        "Mean, and the band between the lowest and the highest sample of each interval, in the"
        " tag's own engineering unit.",
        (8, 7),
        repeat="tag",
        repeatDirection="h",
        maxPerRow=3,
        defaults=field("none", color={"mode": "fixed", "fixedColor": GREY}, custom=lines(2)),
        overrides=[
            override("min", custom__lineWidth=0, custom__showPoints="never"),
            override(
                "max",
                custom__lineWidth=0,
                custom__showPoints="never",
                custom__fillBelowTo="min",
                custom__fillOpacity=25,
            ),
        ],
        targets=targets(asked("mean"), asked("min"), asked("max")),
    )


def coverage() -> Json:
    """How much of each interval was measured."""
    query = queries.over_time(
        'mean("coverage")', queries.SUMMARY, where='"tag" =~ /^$tag$/', by='"tag"'
    )
    return panel(
        "status-history",
        "Coverage",
        "The share of each interval for which a tag had a good value. Check a tag below 90 %;"
        " below 50 % a model that needs it is blind.",
        (COLUMNS, 9),
        interval="1m",
        maxDataPoints=100,
        defaults=field(
            "percentunit",
            min=0,
            max=1,
            decimals=0,
            thresholds=steps((None, RED), (0.5, AMBER), (0.9, GREY)),
            custom={"lineWidth": 0, "fillOpacity": 70},
        ),
        options={
            "showValue": "auto",
            "rowHeight": 0.8,
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        },
        targets=[target(query, "$tag_tag")],
    )
