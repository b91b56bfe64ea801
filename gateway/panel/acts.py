"""What people do at the panel: acts on alarms, and maintenance.

Promises
- Every act carries a person's name; without one the panel asks for it first.
- The answer says what the daemon made of it, in the daemon's words. A refusal is shown as one.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import structlog
from aiohttp import web

from gateway.api.contracts import AndonError
from gateway.api.visible import SENTENCE, brief
from gateway.panel.entry import own_path
from gateway.panel.gate import SESSION, NotAllowed
from gateway.panel.sessions import Session
from gateway.panel.watch import Watch

log = structlog.get_logger()

LONGEST = 200


def routes(watches: Mapping[str, Watch]) -> list[web.RouteDef]:
    """The routes of this subject."""

    async def act(request: web.Request) -> web.Response:
        form, session = await request.post(), request[SESSION]
        body = {name: str(form.get(name, ""))[:LONGEST] for name in ("id", "act")}
        body |= _optional(form)
        return await _do(request, session, "/alarms/act", body)

    async def maintenance(request: web.Request) -> web.Response:
        form, session = await request.post(), request[SESSION]
        body = {"on": form.get("on") == "yes"} | _optional(form)
        return await _do(request, session, "/maintenance", body)

    async def _do(
        request: web.Request, session: Session, path: str, body: Mapping[str, Any]
    ) -> web.Response:
        if not session.may_operate:
            raise NotAllowed("this session may only look: log in with the token to operate")
        line, form = request.match_info["line"], await request.post()
        if line not in watches:
            raise web.HTTPNotFound
        back = own_path(str(form.get("back", "/")))
        if not session.name:
            session.said, session.failed = "Give your name first, then repeat what you did.", False
            return _answer(request, session, f"/name?back={quote(back)}")
        try:
            done = await watches[line].act(path, {**body, "by": session.name})
        except AndonError as refused:
            session.said, session.failed = brief(str(refused), SENTENCE), True
        else:
            said = done.get("message") if isinstance(done, dict) else None
            session.said = brief(said, SENTENCE) if isinstance(said, str) else _done(body)
            session.failed = False
        log.info("panel.act", line=line, by=session.name, failed=session.failed, why=session.said,
                 act=body.get("act", "maintenance"))  # fmt: skip
        return _answer(request, session, back)

    return [
        web.post("/line/{line}/act", act),
        web.post("/line/{line}/maintenance", maintenance),
    ]


def _done(body: Mapping[str, Any]) -> str:
    return f"Maintenance is {'on' if body['on'] else 'off'}." if "on" in body else "Done."


def _optional(form: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that an act may have; a shelf until the alarm returns has no time."""
    given = {name: str(form.get(name, "")).strip()[:LONGEST] for name in ("why", "verdict")}
    body: dict[str, Any] = {name: value for name, value in given.items() if value}
    for_s = str(form.get("for_s", ""))
    if for_s.isascii() and for_s.isdecimal() and len(for_s) < 10:
        body["for_s"] = int(for_s)
    return body


def _answer(request: web.Request, session: Session, back: str) -> web.Response:
    if "application/json" not in request.headers.get("Accept", ""):
        return web.Response(status=303, headers={"Location": back})
    facts = {"said": session.said, "failed": session.failed}
    if back.startswith("/name?"):
        return web.json_response({**facts, "go": back})
    session.said = ""
    return web.json_response(facts)
