"""The buffer, asked over the daemon's socket: figures, dead letters, and sending them once more.

The daemon holds the only connection to the file, so nobody else may look into it.
"""

from typing import Any

from aiohttp import web

from gateway.buffer import Buffer, BufferRefused
from gateway.buffer.dead_letters import DeadLetter

LISTED = 10_000


def routes(buffer: Buffer) -> list[web.RouteDef]:
    """/buffer, /buffer/letters?limit=N and POST /buffer/requeue {"ids": [...] or null}."""

    async def stat(_request: web.Request) -> web.Response:
        return web.json_response(dict(await buffer.stats()))

    async def dead_letters(request: web.Request) -> web.Response:
        limit = int(request.query.get("limit", LISTED))
        return web.json_response(
            [dead_letter_facts(found) for found in await buffer.dead_letters(limit)]
        )

    async def requeue(request: web.Request) -> web.Response:
        try:
            count = await buffer.requeue((await request.json())["ids"])
        except BufferRefused as refused:
            return web.json_response({"error": str(refused)})
        return web.json_response({"requeued": count})

    return [
        web.get("/buffer", stat),
        web.get("/buffer/letters", dead_letters),
        web.post("/buffer/requeue", requeue),
    ]


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
