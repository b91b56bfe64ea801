"""The buffer: its figures, its dead letters, sending them once more, and giving them up.

The daemon has the only connection to the file, so every question about it comes through here.
"""

from typing import Any

from aiohttp import web

from gateway.buffer import Buffer
from gateway.buffer.dead_letters import DeadLetter
from gateway.control.errors import BadRequest, json_body

LISTED = 10_000


def routes(buffer: Buffer) -> list[web.RouteDef]:
    """/buffer, /buffer/letters?limit=N, and with {"ids": [...] or null}: requeue and discard."""

    async def stat(_request: web.Request) -> web.Response:
        return web.json_response(dict(await buffer.stats()))

    async def dead_letters(request: web.Request) -> web.Response:
        letters = await buffer.dead_letters(_limit(request.query.get("limit", str(LISTED))))
        return web.json_response([dead_letter_facts(letter) for letter in letters])

    async def requeue(request: web.Request) -> web.Response:
        count = await buffer.requeue(_ids(await json_body(request)))
        return web.json_response({"requeued": count})

    async def discard(request: web.Request) -> web.Response:
        letters, losses = await buffer.discard(_ids(await json_body(request)))
        return web.json_response({"discarded": letters, "losses": losses})

    return [
        web.get("/buffer", stat),
        web.get("/buffer/letters", dead_letters),
        web.post("/buffer/requeue", requeue),
        web.post("/buffer/discard", discard),
    ]


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 7):
        raise BadRequest(f"limit must be a whole number of at most six digits, not {text[:20]!r}")
    return int(text)


def _ids(body: dict[str, Any]) -> list[int] | None:
    ids = body.get("ids", ())
    if ids is None:
        return None
    if not isinstance(ids, list) or not all(type(each) is int for each in ids):
        raise BadRequest("ids must be a list of whole numbers, or null for all")
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
