"""The maintenance of the line: GET /maintenance says whether it is on, and who asked for it.

POST /maintenance takes {"on": true or false, "by": ...} and answers the same as GET once it is on
disk. `for_s` is how long it lasts, until it is switched off without it; `why` is shown meanwhile.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from aiohttp import web

from gateway.api.model import SECOND, Nanos
from gateway.control.alarm_routes import LONGEST_NAME, stored
from gateway.control.arguments import json_body, number_field, query, text_field
from gateway.control.errors import BadRequest
from gateway.telemetry.health import Health

LONGEST_S = 30 * 86_400.0
"""A line that is out of production for longer is not to be run: stop its daemon."""


class Maintain(Protocol):
    """Begins, changes or ends maintenance; see `Line.maintain`."""

    def __call__(self, *, on: bool, until: Nanos | None, by: str, why: str) -> Awaitable[None]: ...


def routes(health: Health, maintain: Maintain, clock: Callable[[], Nanos]) -> list[web.RouteDef]:
    """The routes of this subject."""

    async def show(request: web.Request) -> web.Response:
        query(request)
        return web.json_response(dict(health.maintenance))

    async def switch(request: web.Request) -> web.Response:
        query(request)
        body = await json_body(request, "on", "by", optional=("for_s", "why"))
        on, until = _on(body), _until(body, clock())
        by = text_field(body, "by", LONGEST_NAME)
        why = text_field(body, "why") if "why" in body else ""
        await stored(maintain(on=on, until=until, by=by, why=why))
        return web.json_response(dict(health.maintenance))

    return [web.get("/maintenance", show), web.post("/maintenance", switch)]


def _on(body: dict[str, Any]) -> bool:
    on = body["on"]
    if not isinstance(on, bool):
        raise BadRequest("on must be true or false")
    if not on and "for_s" in body:
        raise BadRequest("for_s belongs to switching it on alone")
    return on


def _until(body: dict[str, Any], now: Nanos) -> Nanos | None:
    if "for_s" not in body:
        return None
    return now + round(number_field(body, "for_s", LONGEST_S) * SECOND)
