"""The alarms of the line: GET /alarms lists those that are not normal, in the order in
which their conditions began.

POST /alarms/act takes {"id": ..., "act": ..., "by": ...} and answers with the transition once it is
on disk. `act` is one of ACTS; `why` is the person's reason, which taking out of service needs;
`for_s` is how long to shelve, until the alarm returns without it; `verdict` is what a comment says.
A comment on an alarm that is over is an entry of its own in the journal, and a label like others.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from aiohttp import web

from gateway.api.alarms import Alert, Verdict
from gateway.api.contracts import AndonError
from gateway.api.model import SECOND, Nanos
from gateway.control.arguments import json_body, number_field, query, text_field
from gateway.control.errors import BadRequest
from gateway.core.alarms import acts
from gateway.telemetry.health import Health
from gateway.telemetry.status import alert_facts

STORED_WITHIN_S = 4.0
"""A client waits this long for an act to be stored; clients give up after 5 s."""
LONGEST_NAME = 100
LONGEST_SHELF_S = 7 * 86_400.0
"""For longer an alarm is taken out of service, and stays listed until it is returned to service."""
ACTS = (
    "acknowledge",
    "comment",
    "reset",
    "shelve",
    "unshelve",
    "take_out_of_service",
    "return_to_service",
)

T = TypeVar("T")
Do = Callable[[str, acts.Act, str, str], Awaitable[Alert]]
"""Does an act on an alarm, by its id, with who and why; see `Line.act`."""


class Past(Protocol):
    """The alarms that are over, and verdicts on them; see `Line.comment_on`."""

    async def alert(self, alarm_id: str) -> Alert | None: ...

    async def comment(self, past: Alert, verdict: str, by: str, why: str) -> Alert: ...


def routes(
    health: Health, do: Do, clock: Callable[[], Nanos], past: Past | None = None
) -> list[web.RouteDef]:
    """The routes of this subject."""

    async def not_normal(request: web.Request) -> web.Response:
        query(request)
        return web.json_response([alert_facts(alert) for alert in health.open])

    async def act(request: web.Request) -> web.Response:
        query(request)
        body = await json_body(request, "id", "act", "by", optional=("why", "for_s", "verdict"))
        alarm_id, by = text_field(body, "id"), text_field(body, "by", LONGEST_NAME)
        why = text_field(body, "why") if "why" in body else ""
        try:
            alert = await stored(do(alarm_id, _act(body, by, why, clock), by, why))
        except acts.UnknownAlarm:
            known = await past.alert(alarm_id) if past and body["act"] == "comment" else None
            if past is None or known is None:
                raise
            alert = await stored(past.comment(known, _verdict(body, why), by, why))
        return web.json_response(alert_facts(alert))

    return [web.get("/alarms", not_normal), web.post("/alarms/act", act)]


async def stored(act: Awaitable[T]) -> T:
    """What an act brings, once it is on disk; AndonError if that takes too long."""
    try:
        async with asyncio.timeout(STORED_WITHIN_S):
            return await act
    except TimeoutError as error:
        raise AndonError(
            f"not on disk within {STORED_WITHIN_S:g} s; the log says why the buffer takes "
            "nothing. It is stored as soon as the buffer does, if the daemon runs until then"
        ) from error


def _act(body: dict[str, Any], by: str, why: str, clock: Callable[[], Nanos]) -> acts.Act:
    name = text_field(body, "act")
    _refuse_others(body, name)
    if name not in ACTS:
        raise BadRequest(f"there is no act {name[:50]!r}: known: {', '.join(ACTS)}")
    if name == "take_out_of_service" and not why:
        raise BadRequest("why must be given: it is shown until the alarm is in service")
    if name == "comment":
        return acts.comment(_verdict(body, why))
    if name == "shelve":
        return acts.shelve(_end_of_shelf(body, clock()))
    plain = {
        "acknowledge": acts.acknowledge(by),
        "reset": acts.reset,
        "unshelve": acts.unshelve,
        "take_out_of_service": acts.take_out_of_service(why),
        "return_to_service": acts.return_to_service,
    }
    return plain[name]


def _end_of_shelf(body: dict[str, Any], now: Nanos) -> Nanos | None:
    if "for_s" not in body:
        return None
    return now + round(number_field(body, "for_s", LONGEST_SHELF_S) * SECOND)


def _refuse_others(body: dict[str, Any], act: str) -> None:
    for field, needed in (("for_s", "shelve"), ("verdict", "comment")):
        if field in body and act != needed:
            raise BadRequest(f"{field} belongs to {needed} alone")


def _verdict(body: dict[str, Any], why: str) -> str:
    if "verdict" not in body:
        if not why:
            raise BadRequest("a comment needs a verdict or a why")
        return ""
    verdict = text_field(body, "verdict")
    if verdict not in list(Verdict):
        raise BadRequest(f"verdict must be one of {', '.join(Verdict)}, not {verdict[:50]!r}")
    return verdict
