"""GET /trend?tag=NAME&since=NS&until=NS&points=N: the values of tags over a span of time.

The answer is {"tags": {NAME: {"unit", "t", "min", "mean", "max"}}, "from_history", "why"}: `t` are
the times in ns in the middle of bins of equal length, at most N of them, and the other lists the
values in each, null in a bin without one. `why` says what is missing, and is empty if nothing is.

Promises
- The line does not wait for it: reading and encoding happen in threads, one request at a time, and
  as long as that took nothing else is read.
- Time and memory are bounded: `MOST_TAGS`, `LONGEST` and `MOST_POINTS`, and `WITHIN_S` for it all.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
from aiohttp import web

from gateway.api.contracts import AndonError
from gateway.api.local_time import local_time
from gateway.api.model import SECOND, Floats, Nanos, Tag
from gateway.api.nearest import nearest
from gateway.control.arguments import whole_number
from gateway.control.errors import BadRequest
from gateway.control.turns import Turns
from gateway.core.trends import Trend, TrendBins

MOST_TAGS = 8
LONGEST: Nanos = 7 * 86_400 * SECOND
MOST_POINTS = 2_000
POINTS = 300
USUAL: Nanos = 3600 * SECOND
"""The span if only one end of it is given, or none."""
WITHIN_S = 4.0
"""A client waits 5 s."""
_LATEST: Nanos = 2**62
_NAMES = ("tag", "since", "until", "points")


class KeepsTrends(Protocol):
    """The history of a line, or what is in memory without one."""

    from_history: bool
    shortest: Nanos
    """The shortest bin that it can fill."""

    async def trend(self, bins: TrendBins) -> str:
        """Fills the bins; says what is missing. OSError."""


def routes(
    kept: KeepsTrends, tags: Sequence[Tag], clock: Callable[[], Nanos]
) -> list[web.RouteDef]:
    """The route of this subject."""
    numbers = {tag.name: number for number, tag in enumerate(tags)}
    turns = Turns()

    async def trend(request: web.Request) -> web.Response:
        names, since, until, points = _asked(request, clock)
        # Looking for what was meant among 10,000 names takes long.
        await asyncio.to_thread(_check_names, names, numbers)
        wanted = {numbers[name]: tags[numbers[name]] for name in names}
        bins = TrendBins(wanted, since, until, points, kept.shortest)
        try:
            async with asyncio.timeout(WITHIN_S), turns.turn(request):
                why = await kept.trend(bins)
                body = await asyncio.to_thread(_encoded, bins, why, kept.from_history)
        except TimeoutError as error:
            raise AndonError(
                f"the history took longer than {WITHIN_S:g} s: others read it, or the disk is "
                "slow; ask again"
            ) from error
        except OSError as error:
            raise AndonError(f"the history cannot be read: {error.strerror or error}") from error
        return web.Response(body=body, content_type="application/json")

    return [web.get("/trend", trend)]


def _asked(request: web.Request, clock: Callable[[], Nanos]) -> tuple[list[str], Nanos, Nanos, int]:
    given = request.query
    for name in given:
        if name not in _NAMES:
            raise BadRequest(f"there is no parameter {name[:50]!r}: known: {', '.join(_NAMES)}")
        if name != "tag" and len(given.getall(name)) > 1:
            raise BadRequest(f"{name} is given twice")
    names = list(dict.fromkeys(given.getall("tag", [])))
    if not 1 <= len(names) <= MOST_TAGS:
        raise BadRequest(f"tag must be given 1 to {MOST_TAGS} times, not {len(names)} times")
    points = whole_number(given.get("points", str(POINTS)), "points", MOST_POINTS)
    if points < 1:
        raise BadRequest("points must be at least 1")
    return names, *_span(given, clock), points


def _span(given: Mapping[str, str], clock: Callable[[], Nanos]) -> tuple[Nanos, Nanos]:
    ends = {name: whole_number(given[name], name, _LATEST) for name in given if name in _NAMES[1:3]}
    if "until" in ends or "since" not in ends:
        until = ends.get("until", clock())
    else:
        until = max(clock(), ends["since"] + 1)
    since = ends.get("since", max(until - USUAL, 0))
    if since >= until:
        raise BadRequest(f"since must be before until: {since} is not before {until}")
    if until - since > LONGEST:
        raise BadRequest(f"until must be at most {LONGEST // SECOND // 86_400} days after since")
    return since, until


def _check_names(names: Sequence[str], known: Mapping[str, int]) -> None:
    for name in names:
        if name not in known:
            close = nearest(name[:200], list(known))
            raise web.HTTPNotFound(text=f"no tag has the name {name[:50]!r}: {close}")


def _encoded(bins: TrendBins, why: str, from_history: bool) -> bytes:
    """The answer as JSON, column by column: encoding a large answer at once holds up the line."""
    trends = dict(zip([tag.name for tag in bins.tags.values()], bins.trends(), strict=True))
    if not why and all(np.isnan(trend.mean).all() for trend in trends.values()):
        why = f"there is no value between {local_time(bins.since)} and {local_time(bins.until)}"
    units = {tag.name: tag.unit for tag in bins.tags.values()}
    parts = [f"{_json(name)}: {_trend(trend, units[name])}" for name, trend in trends.items()]
    rest = f'"from_history": {_json(from_history)}, "why": {_json(why)}'
    return f'{{"tags": {{{", ".join(parts)}}}, {rest}}}'.encode()


def _trend(trend: Trend, unit: str) -> str:
    columns = [("min", trend.min), ("mean", trend.mean), ("max", trend.max)]
    values = "".join(f', "{name}": {_json(_numbers(column))}' for name, column in columns)
    return f'{{"unit": {_json(unit)}, "t": {_json(trend.at.tolist())}{values}}}'


def _numbers(values: Floats) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124 - NaN


_json: Callable[[Any], str] = partial(json.dumps, allow_nan=False)
