"""The InfluxQL that the dashboard and the alert rules ask.

Promises
- Only the subset that InfluxDB 1.x, 2.x (with a DBRP mapping) and 3.x share: selectors, mean, min,
  max, count, GROUP BY time and tags. No sub-queries, no derivative, no top.
- Every dashboard query is bound to the dashboard's time range, site and line.
"""
# ruff: noqa: INP001 - neighbours of the script build.py, not a package

ALERT, SUMMARY, GATEWAY = "andon_alert", "andon_summary", "andon_gateway"
CLIP = "andon_clip"
_LINE = '$timeFilter AND "site" =~ /^$site$/ AND "line" =~ /^$line$/'
_TRANSITION = (
    '"severity", "detector", "alarm", "tag", "state", "transition", "active", "over", "message",'
    ' "cause", "value", "threshold", "coverage", "by", "reason"'
)


def select(what: str, measurement: str, *, where: str = "", then: str = "") -> str:
    """SELECT on this line in the dashboard's time range."""
    condition = f"{_LINE} AND {where}" if where else _LINE
    return f'SELECT {what} FROM "{measurement}" WHERE {condition} {then}'.rstrip()  # noqa: S608 - no input


def over_time(what: str, measurement: str, *, where: str = "", by: str = "") -> str:
    """`select` in steps of the panel's interval; a step without data stays empty."""
    tags = f", {by}" if by else ""
    return select(
        what, measurement, where=where, then=f"GROUP BY time($__interval){tags} fill(null)"
    )


def by_day(what: str, measurement: str) -> str:
    """`select` in days of UTC, which is what the gateway's ledger counts."""
    return select(what, measurement, then="GROUP BY time(1d) fill(null)")


def transitions(then: str = "") -> str:
    """Alarm transitions with everything a person wants to know about them."""
    return select(f'"id", {_TRANSITION}', ALERT, then=then)


def values_of(tag: str, measurement: str, *, within: str = "") -> str:
    """The values of a tag, for a dashboard variable."""
    condition = f" WHERE {within}" if within else ""
    return f'SHOW TAG VALUES FROM "{measurement}" WITH KEY = "{tag}"{condition}'


VARIABLES = {
    "site": values_of("site", GATEWAY),
    "line": values_of("line", GATEWAY, within='"site" =~ /^$site$/'),
    "tag": values_of("tag", SUMMARY, within='"site" =~ /^$site$/ AND "line" =~ /^$line$/'),
}

# Alert rules compute with numbers only, so `active` and `state` cannot be asked here: `excess` is
# above zero only while the alarm is active and not shelved, suppressed or out of service.
ALERT_ACTIVE = (
    'SELECT last("excess") AS "beyond" FROM "andon_alert" WHERE $timeFilter'
    ' GROUP BY "site", "line", "detector", "severity", "tag"'
)
# A series that stops vanishes from the answer and would look healthy, so the empty steps after
# the last report are filled with zeros and judged instead.
GATEWAY_SILENT = (
    'SELECT count("values_read") AS "reports" FROM "andon_gateway" WHERE $timeFilter'
    ' GROUP BY time(5m), "site", "line" fill(0)'
)
