"""The alarm journal: GET /journal pages through it, GET /alarms/show tells of one alarm.

/journal?since=NS&until=NS&before=SEQ&id=ALARM_ID&limit=N gives {"entries": [...], "more": bool},
the newest first; for more it is asked `before` the last of them. /alarms/show?id=ALARM_ID gives
{"alarm": {...}, "entries": [...], "clip": "..."}, its entries with the oldest first.

Promises
- An answer has at most LISTED entries. One question is worked on at a time, for at most half of the
  time, and away from the event loop.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from gateway.buffer import Buffer
from gateway.buffer.journal_query import JournalPage, JournalQuery
from gateway.buffer.rows import ALL
from gateway.control.arguments import query, whole_number
from gateway.control.errors import BadRequest
from gateway.control.turns import Turns
from gateway.telemetry.health import Health
from gateway.telemetry.status import alert_facts

LISTED = 1_000
"""Entries of one answer."""
USUAL = 100
LONGEST_ID = 400


def routes(
    buffer: Buffer, health: Health, clip_of: Callable[[str], str] = lambda _: ""
) -> list[web.RouteDef]:
    """The routes of this subject; `clip_of` gives the path of an alarm's clip, or nothing."""
    # Not the connections of the service: its other answers must not wait for the buffer.
    turns = Turns()

    async def journal(request: web.Request) -> web.Response:
        asked = _asked(query(request, since="0", until=str(ALL), before=str(ALL),
                             id="", limit=str(USUAL)))  # fmt: skip
        async with turns.turn(request):
            page = await buffer.journal(asked)
            return await asyncio.to_thread(_journal, page)

    async def show(request: web.Request) -> web.Response:
        alarm_id = _id(query(request, id="")["id"])
        if not alarm_id:
            raise BadRequest("id must be given: an alarm's id, as in /alarms")
        async with turns.turn(request):
            page = await buffer.journal(JournalQuery(LISTED, alarm=alarm_id))
            now = next((alert_facts(each) for each in health.open if each.id == alarm_id), None)
            return await asyncio.to_thread(_alarm, alarm_id, now, page, clip_of)

    return [web.get("/journal", journal), web.get("/alarms/show", show)]


def _asked(given: dict[str, str]) -> JournalQuery:
    limit = whole_number(given["limit"], "limit", LISTED)
    since, until, before = (whole_number(given[n], n, ALL) for n in ("since", "until", "before"))
    return JournalQuery(limit, since, until, before, _id(given["id"]))


def _id(alarm_id: str) -> str:
    if len(alarm_id) > LONGEST_ID:
        raise BadRequest(f"id is longer than {LONGEST_ID} characters")
    if not alarm_id.isprintable():
        raise BadRequest("id holds a control character, or what is not Unicode")
    return alarm_id


def _journal(page: JournalPage) -> web.Response:
    return _answer({"entries": [each.as_json() for each in page.entries()], "more": page.more})


def _alarm(
    alarm_id: str, now: dict[str, Any] | None, page: JournalPage, clip_of: Callable[[str], str]
) -> web.Response:
    entries = [each.as_json() for each in reversed(page.entries())]
    if now is None and not entries:
        raise web.HTTPNotFound(
            text=f"no alarm has the id {alarm_id[:100]!r}, now or in the journal"
        )
    return _answer(
        {
            "alarm": now or entries[-1]["facts"],
            "entries": entries,
            "clip": clip_of(alarm_id),
        }
    )


def _answer(facts: dict[str, Any]) -> web.Response:
    return web.Response(body=json.dumps(facts).encode(), content_type="application/json")
