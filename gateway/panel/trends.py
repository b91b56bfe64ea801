"""The plots of a page: tags over time, from the daemon's local history.

Promises
- What has no plot has a sentence that says why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from gateway.api.contracts import AndonError
from gateway.api.model import SECOND, Nanos
from gateway.api.visible import SENTENCE, brief
from gateway.control.client import ControlError
from gateway.core.alarms.limits import limit_of
from gateway.panel.render import safe
from gateway.panel.trend_svg import trend_svg
from gateway.panel.watch import Watch

HOURS = (1, 4, 8, 24)
HOUR: Nanos = 3600 * SECOND
BEFORE: Nanos = 600 * SECOND
"""What is shown before an alarm began."""
LONGEST: Nanos = 24 * HOUR
TAGS = 3
POINTS = 300
GRAIN: Nanos = 10 * SECOND
SIZE = (760, 230)


@dataclass(frozen=True)
class Plot:
    """One tag's values over time, as SVG."""

    name: str
    svg: Any


async def of_alarm(watch: Watch, alarm: Mapping[str, Any], now: Nanos) -> tuple[list[Plot], str]:
    """The plots of an alarm's first tags, with the time of the alarm shaded."""
    tops = [tag for tag in alarm["top_tags"][:TAGS] if isinstance(tag.get("tag"), str)]
    if not tops:
        return [], ""
    began = _began(alarm)
    ended = now if alarm.get("active", True) else max(_time(alarm.get("at")), began)
    # As much before the alarm as it lasted, so that a person sees what was normal.
    before = max(BEFORE, min(ended - began, HOUR))
    since = max(began - before, now - LONGEST)
    until = min(now, max(ended, began) + before)
    names = [tag["tag"] for tag in tops]
    answer, why = await _answer(watch, names, since, until)
    marks = {tag["tag"]: _marks(alarm, tag, (began, ended)) for tag in tops}
    return _plots(answer, names, since, until, marks), why


async def of_tag(watch: Watch, tag: str, hours: int, now: Nanos) -> tuple[list[Plot], str]:
    """The plot of a tag over the last hours; a sentence if there is none."""
    since = now - hours * HOUR
    answer, why = await _answer(watch, [tag], since, now)
    return _plots(answer, [tag], since, now, {}), why


def _began(alarm: Mapping[str, Any]) -> Nanos:
    return _time(alarm.get("began_at")) or _time(alarm.get("opened_at"))


def _time(at: Any) -> Nanos:
    return at if isinstance(at, int) and 0 < at < 2**62 else 0


def _marks(
    alarm: Mapping[str, Any], tag: Mapping[str, Any], span: tuple[Nanos, Nanos]
) -> dict[str, Any]:
    """What is drawn beside the curve: the alarm's time, and its limit or what was expected."""
    marks: dict[str, Any] = {"anomaly": span}
    limit = limit_of(alarm, tag["tag"])
    if limit is not None:
        return marks | {"limits": [("limit", limit)]}
    value = tag.get("expected")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return marks
    return marks | {"expected": float(value)}


async def _answer(
    watch: Watch, tags: Sequence[str], since: Nanos, until: Nanos
) -> tuple[Mapping[str, Any], str]:
    """The daemon's answer for each tag, and what is missing."""
    # The same question for some seconds, so that it is asked once for all browsers.
    since, until = (at // GRAIN * GRAIN for at in (since, until + GRAIN - 1))
    span = [("since", str(since)), ("until", str(until)), ("points", str(POINTS))]
    try:
        answer = await watch.ask(f"/trend?{urlencode([('tag', tag) for tag in tags] + span)}")
    except AndonError as error:
        if isinstance(error, ControlError) and error.status == 404:
            return {}, "The daemon of this line has no trends."
        return {}, brief(str(error), SENTENCE)
    if not isinstance(answer, dict) or not isinstance(answer.get("tags"), dict):
        return {}, "No trend while the daemon does not answer."
    return answer["tags"], brief(str(answer.get("why") or ""), SENTENCE)


def _plots(
    answer: Mapping[str, Any],
    names: Sequence[str],
    since: Nanos,
    until: Nanos,
    marks: Mapping[str, Mapping[str, Any]],
) -> list[Plot]:
    found = [name for name in names if isinstance(answer.get(name), dict)]
    span: dict[str, Any] = {"since": since, "until": until, "size": SIZE}
    drawn = (
        trend_svg(name, answer[name], ident=f"trend-{number}", **span, **marks.get(name, {}))
        for number, name in enumerate(found)
    )
    return [Plot(brief(name), safe(svg)) for name, svg in zip(found, drawn, strict=True)]
