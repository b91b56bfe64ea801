"""The buffer: its figures, its dead letters, sending them once more, and giving them up.

The daemon has the only connection to the file, so every question about it comes through here.
"""

from typing import Any

from aiohttp import web

from gateway.buffer import Buffer
from gateway.buffer.dead_letters import NEWEST, DeadLetter
from gateway.control.arguments import json_body, query, whole_number
from gateway.control.errors import BadRequest

LISTED = 1_000
"""Dead letters of one answer; for more the next answer is asked for `before` the last of them."""


def routes(buffer: Buffer) -> list[web.RouteDef]:
    """/buffer, /buffer/letters?limit=N&before=ID; with {"ids": [...] or null} requeue, discard."""

    async def stat(request: web.Request) -> web.Response:
        query(request)
        return web.json_response(dict(await buffer.stats()))

    async def dead_letters(request: web.Request) -> web.Response:
        asked = query(request, limit=str(LISTED), before=str(NEWEST))
        letters = await buffer.dead_letters(
            whole_number(asked["limit"], "limit", LISTED),
            whole_number(asked["before"], "before", NEWEST),
        )
        return web.json_response([dead_letter_facts(letter) for letter in letters])

    async def requeue(request: web.Request) -> web.Response:
        query(request)
        count = await buffer.requeue(_ids(await json_body(request, "ids")))
        return web.json_response({"requeued": count})

    async def discard(request: web.Request) -> web.Response:
        query(request)
        letters, losses = await buffer.discard(_ids(await json_body(request, "ids")))
        return web.json_response({"discarded": letters, "losses": losses})

    return [
        web.get("/buffer", stat),
        web.get("/buffer/letters", dead_letters),
        web.post("/buffer/requeue", requeue),
        web.post("/buffer/discard", discard),
    ]


def _ids(body: dict[str, Any]) -> list[int] | None:
    ids = body["ids"]
    if ids is None:
        return None
    if not isinstance(ids, list) or not all(type(each) is int for each in ids):
        raise BadRequest("ids must be a list of whole numbers, or null for all")
    if wrong := [each for each in ids if not 0 < each <= NEWEST]:
        raise BadRequest(f"ids must be from 1 to {NEWEST}: {len(wrong):,} of them are not")
    return ids


def dead_letter_facts(letter: DeadLetter) -> dict[str, Any]:
    """A dead letter as plain facts; the line as text, however damaged."""
    return {
        "id": letter.id,
        "sink": letter.sink,
        "class": letter.kind.name.lower(),
        "at": letter.at,
        "why": letter.why,
        "rejected_at": letter.rejected_at,
        "line": letter.body.decode(errors="replace"),
    }
