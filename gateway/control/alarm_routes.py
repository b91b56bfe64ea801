"""The alarms of the line: GET /alarms lists the active ones, POST /alarms/acknowledge takes
{"id": ..., "by": ...} and answers with the transition once it is on disk.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.api.contracts import AndonError
from gateway.api.model import Alert
from gateway.control.arguments import json_body, query, text_field
from gateway.telemetry.health import Health
from gateway.telemetry.status import alert_facts

STORED_WITHIN_S = 4.0
"""A client waits this long for an act to be stored; clients give up after 5 s."""
LONGEST_NAME = 100

Acknowledge = Callable[[str, str], Awaitable[Alert]]


def routes(health: Health, acknowledge: Acknowledge) -> list[web.RouteDef]:
    """The routes of this subject."""

    async def active(request: web.Request) -> web.Response:
        query(request)
        return web.json_response([alert_facts(alert) for alert in health.active.values()])

    async def acknowledged(request: web.Request) -> web.Response:
        query(request)
        body = await json_body(request, "id", "by")
        alarm_id, by = text_field(body, "id"), text_field(body, "by", LONGEST_NAME)
        try:
            async with asyncio.timeout(STORED_WITHIN_S):
                alert = await acknowledge(alarm_id, by)
        except TimeoutError as error:
            raise AndonError(
                f"not on disk within {STORED_WITHIN_S:g} s; the log says why the buffer takes "
                "nothing. It is stored as soon as the buffer does, if the daemon runs until then"
            ) from error
        return web.json_response(alert_facts(alert))

    return [web.get("/alarms", active), web.post("/alarms/acknowledge", acknowledged)]
