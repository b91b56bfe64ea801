"""GET /status: everything that `andon status` shows, as one JSON object."""

from collections.abc import Callable

from aiohttp import web

from gateway.api.model import Nanos
from gateway.control.arguments import query
from gateway.control.turns import TURNS
from gateway.telemetry.health import Health
from gateway.telemetry.status import snapshot


def routes(health: Health, clock: Callable[[], Nanos]) -> list[web.RouteDef]:
    """The routes of this subject."""

    async def status(request: web.Request) -> web.Response:
        query(request)
        async with request.app[TURNS].turn(request):
            return web.json_response(snapshot(health, clock()))

    return [web.get("/status", status)]
