"""The panels about the line: its alarms, the models' scores, its tags."""
# ruff: noqa: INP001 - neighbours of the script build.py, not a package

from collections.abc import Sequence

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
HIDDEN = ("shelved", "suppressed_by_design", "out_of_service")
"""The states that people put an alarm into, or that the line file does: it is shown apart."""

_SHOWN = ("severity", "detector", "alarm", "tag", "state", "message", "cause", "value", "threshold")
_KEY = ("detector", "alarm")
_OF_HIDDEN = ("state", "detector", "alarm", "tag", "severity", "by", "reason", "message")
_OF_HISTORY = (
    "severity", "detector", "alarm", "tag", "transition", "state", "message", "by", "reason",
    "cause", "value", "threshold",
)  # fmt: skip


def _cell(name: str, mapping: dict[str, tuple[str, str]]) -> Json:
    return override(name, mappings=words(mapping), custom__cellOptions={"type": "color-text"})


def _columns(of: dict[str, str], *, hidden: Sequence[str] = ()) -> Json:
    """Order and names of a table's columns; `of` maps what comes in to what is shown."""
    order = {name: i for i, name in enumerate(of)}
    excluded = dict.fromkeys(hidden, True)
    return {
        "id": "organize",
        "options": {"indexByName": order, "renameByName": of, "excludeByName": excluded},
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
            override("message", custom__minWidth=300),
        ],
        **parts,
    )


def _rows(kind: str, match: str, **patterns: str) -> Json:
    """Includes or excludes the alarms whose newest transition is like this."""
    filters = [
        {"fieldName": f"{name} (last)", "config": {"id": "regex", "options": {"value": pattern}}}
        for name, pattern in patterns.items()
    ]
    options = {"type": kind, "match": match, "filters": filters}
    return {"id": "filterByValue", "options": options}


def _any_of(*states: str) -> str:
    return f"^({'|'.join(states)})$"


def _newest(title: str, description: str, height: int, shown: Sequence[str], *rows: Json) -> Json:
    """The newest transition of each alarm, as far as `rows` let it through.

    By detector and name, not by id: an alarm that comes again before anyone acknowledged it has a
    new id, and the old one has no end of its own.
    """
    last = {"operation": "aggregate", "aggregations": ["last"]}
    key = {"operation": "groupby", "aggregations": []}
    asked = dict.fromkeys(("Time", *shown, "over"), last)
    names = {name: name if name in _KEY else f"{name} (last)" for name in shown}
    columns = {"Time (last)": "since", **{names[name]: name for name in shown}}
    return _table(
        title,
        description,
        height,
        "since",
        timeFrom="30d",
        hideTimeOverride=True,
        targets=[target(queries.transitions(), table=True)],
        transformations=[
            {"id": "groupBy", "options": {"fields": {**asked, **dict.fromkeys(_KEY, key)}}},
            *rows,
            _columns(columns, hidden=["over (last)"]),
        ],
    )


def _open() -> Json:
    return _newest(
        "Open alarms now",
        "Every alarm of the last 30 days that is active, or has returned and waits for its"
        " acknowledgement or reset, whatever the time range; newest first.",
        7,
        _SHOWN,
        _rows("exclude", "any", state=_any_of("normal", *HIDDEN)),
    )


def _hidden() -> Json:
    return _newest(
        "Shelved, suppressed and out of service",
        "Alarms that are not shown above, with who did it and why. What was suppressed because the"
        " machine stopped is over and not listed.",
        5,
        _OF_HIDDEN,
        _rows("include", "any", state=_any_of(*HIDDEN)),
        # The machine stopped, which ended the alarm.
        _rows("exclude", "any", over=_any_of("true")),
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
        transformations=[
            _columns(
                {"Time": "time", **{name: name for name in _OF_HISTORY}},
                hidden=("id", "active", "coverage"),
            )
        ],
    )


def alarms() -> list[Json]:
    """What is open, what is hidden, how it got there, and everything that happened."""
    return [_open(), _hidden(), _timeline(), _history()]


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
