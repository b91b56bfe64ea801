"""The panels about the gateway itself: does it live, what does it lose, what does it save."""
# ruff: noqa: INP001 - neighbours of the script build.py, not a package

import queries
from panels import (
    AMBER,
    GREY,
    PURPLE,
    RED,
    Json,
    field,
    lines,
    override,
    series,
    stat,
    steps,
    target,
    targets,
    words,
)

HEALTHS = {"ok": ("OK", GREY), "degraded": ("DEGRADED", AMBER), "blind": ("BLIND", PURPLE)}
FRESHNESS = {
    "tags_fresh": ("fresh", GREY),
    "tags_late": ("late", "#8A6D00"),
    "tags_stale": ("stale", AMBER),
    "tags_bad": ("bad", RED),
    "tags_never_seen": ("never seen", PURPLE),
}


def _last(name: str) -> str:
    return queries.select(f'last("{name}") AS "{name}"', queries.GATEWAY)


def _reported(*names: tuple[str, str]) -> list[Json]:
    """The last report in each step, for several fields with their shown names."""
    return targets(
        *((queries.over_time(f'last("{name}")', queries.GATEWAY), shown) for name, shown in names)
    )


def _health() -> Json:
    return stat(
        "Health",
        "The gateway's own report: OK, DEGRADED (a source or the sink is away, or points were given"
        " up) or BLIND (a model cannot judge). SILENT: no report for five minutes.",
        (4, 4),
        "/^health$/",
        timeFrom="5m",
        hideTimeOverride=True,
        defaults=field("none", mappings=words(HEALTHS), noValue="SILENT"),
        targets=[target(_last("health"), "health")],
    )


def _age() -> Json:
    return stat(
        "Last report",
        "Time of the gateway's last report. Reports that wait in its buffer arrive later, with the"
        " time at which they were made.",
        (4, 4),
        "/^[Tt]ime$/",
        defaults=field("dateTimeFromNow", noValue="none in range"),
        targets=[target(_last("values_read"), table=True)],
    )


def _saved() -> Json:
    saved = '1 - last("day_bytes_sent") / last("day_bytes_raw_gzip") AS "saved"'
    return stat(
        "Bytes saved today",
        "One minus bytes sent over the bytes that forwarding every raw sample would have cost,"
        " compressed, since midnight (UTC).",
        (4, 4),
        "",
        defaults=field("percentunit", decimals=1),
        targets=[target(queries.select(saved, queries.GATEWAY), "saved")],
    )


FLOWS = (
    ("day_bytes_read", "read"),
    ("day_bytes_raw_gzip", "raw, gzip"),
    ("day_bytes_sent", "sent"),
)


def _bytes() -> Json:
    return stat(
        "Bytes today",
        "Read from the sources, needed to forward every raw sample (line protocol, gzip), and"
        " sent, since midnight (UTC).",
        (6, 4),
        "",
        text="value_and_name",
        defaults=field("bytes", decimals=1),
        targets=targets(*((_last(name), shown) for name, shown in FLOWS)),
    )


def _ledger() -> Json:
    days = ((queries.by_day(f'max("{name}")', queries.GATEWAY), shown) for name, shown in FLOWS)
    bars = lines(0, drawStyle="bars", fillOpacity=60)
    return series(
        "Bytes a day",
        "Read, needed for raw forwarding (line protocol, gzip), and sent, for each day (UTC);"
        " restarts included.",
        (12, 8),
        defaults=field("bytes", color={"mode": "palette-classic"}, custom=bars, min=0),
        targets=targets(*days),
    )


def _sources() -> Json:
    return stat(
        "Sources",
        "How many of the line's sources are connected, and how many it has.",
        (6, 4),
        "",
        text="value_and_name",
        defaults=field("none", decimals=0),
        targets=targets((_last("sources_up"), "connected"), (_last("sources"), "configured")),
    )


def overview() -> list[Json]:
    """The first shelf: health, age and savings at a glance."""
    return [_health(), _age(), _sources(), _bytes(), _saved()]


def _freshness() -> Json:
    stacked = lines(0, fillOpacity=60, stacking={"mode": "normal", "group": "A"})
    return series(
        "Tags by freshness",
        "How many tags are fresh, late, stale, bad or were never seen; grey is fresh.",
        (12, 8),
        defaults=field("none", custom=stacked, min=0, decimals=0),
        overrides=[
            override(shown, color={"mode": "fixed", "fixedColor": colour})
            for shown, colour in FRESHNESS.values()
        ],
        targets=_reported(*((name, shown) for name, (shown, _) in FRESHNESS.items())),
    )


def _buffered() -> Json:
    return series(
        "Waiting in the buffer",
        "Rows on the gateway's disk that the cloud has not yet confirmed. They grow while the link"
        " is down and are never dropped in silence.",
        (12, 8),
        defaults=field("none", color={"mode": "palette-classic"}, custom=lines(2), min=0),
        targets=_reported(("buffered_alerts", "alerts"), ("buffered_summaries", "summaries")),
    )


def _lost() -> Json:
    return series(
        "Late and lost",
        "Samples that came too late for their window, samples dropped at the inbox and points"
        " dropped from the buffer, counted since the daemon started. Flat is good.",
        (12, 8),
        defaults=field(
            "none",
            color={"mode": "palette-classic"},
            custom=lines(2),
            min=0,
            thresholds=steps((None, GREY)),
        ),
        targets=_reported(
            ("samples_late", "samples late"),
            ("samples_dropped", "samples dropped"),
            ("points_dropped", "points dropped"),
        ),
    )


def _work() -> Json:
    return series(
        "Work done",
        "Values read, windows scored and alerts raised, counted since the daemon started.",
        (12, 8),
        defaults=field("none", color={"mode": "palette-classic"}, custom=lines(2), min=0),
        targets=_reported(
            ("values_read", "values read"),
            ("windows_scored", "windows scored"),
            ("alerts_raised", "alerts raised"),
        ),
    )


def details() -> list[Json]:
    """Freshness, buffer, losses, work and traffic over time."""
    return [_freshness(), _buffered(), _lost(), _work(), _ledger()]
