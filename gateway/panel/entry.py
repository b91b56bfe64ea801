"""Coming in and going out: login, logout, the person's name, and how the pages look."""

import math
from urllib.parse import quote

import structlog
from aiohttp import web

from gateway.panel.attempts import Attempts
from gateway.panel.gate import SESSION, Gate, NotAllowed, clean_name, framed
from gateway.panel.render import render
from gateway.panel.tokens import Tokens
from gateway.panel.visit import SCHEMES

log = structlog.get_logger()


YEAR_S = 365 * 86_400


def routes(gate: Gate, tokens: Tokens) -> list[web.RouteDef]:
    """The routes of this subject."""
    login, person = _Login(gate, tokens), _Person(gate)
    return [
        web.get("/login", login.show),
        web.post("/login", login.enter),
        web.post("/logout", login.leave),
        web.get("/name", person.show),
        web.post("/name", person.set),
        web.post("/settings", settings),
    ]


class _Login:
    """In by a token, and out again."""

    def __init__(self, gate: Gate, tokens: Tokens) -> None:
        self._gate, self._tokens, self._attempts = gate, tokens, Attempts()

    async def show(self, request: web.Request) -> web.Response:
        if not self._gate.settings.asks_for_tokens:
            raise web.HTTPSeeOther("/")
        return _login(request, own_path(request.query.get("back", "/")))

    async def enter(self, request: web.Request) -> web.Response:
        form, now = await request.post(), self._gate.clock()
        address, back = request.remote or "", own_path(str(form.get("back", "/")))
        wait = self._attempts.wait_s(address, now)
        if wait > 0:
            why = f"Too many wrong tokens: wait {math.ceil(wait)} s."
            return _login(request, back, why, status=429)
        role = self._tokens.role_of(str(form.get("token", "")))
        if role is None:
            self._attempts.failed(address, now)
            log.warning("panel.login_failed", address=address)
            return _login(request, back, "This is not a token of this panel.", status=403)
        self._attempts.succeeded(address)
        name = clean_name(str(form.get("name", "")))
        secret, session = self._gate.sessions.begin(role, now, name)
        log.info("panel.login", address=address, role=str(role), name=name)
        response = _to(back)
        self._gate.give(response, secret, session)
        return response

    async def leave(self, request: web.Request) -> web.Response:
        self._gate.sessions.end(request.cookies.get(self._gate.cookie, ""))
        response = _to("/login")
        is_tls = self._gate.settings.certificate is not None
        response.del_cookie(self._gate.cookie, path="/", secure=is_tls)
        return response


class _Person:
    """Under which name the acts of a session are stored."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def show(self, request: web.Request) -> web.Response:
        session = request[SESSION]
        back = own_path(request.query.get("back", "/"))
        page = render("name.html", csrf=session.csrf, back=back, name=session.name)
        said, session.said = session.said, ""
        return _page(request, page, "Your name", said=said, failed=session.failed)

    async def set(self, request: web.Request) -> web.Response:
        session, form = request[SESSION], await request.post()
        back, name = own_path(str(form.get("back", "/"))), clean_name(str(form.get("name", "")))
        if session.is_certified:
            raise NotAllowed("the name of this session is the one in the browser's certificate")
        if not name:
            session.said, session.failed = "A name has 1 to 100 printable characters.", True
            raise web.HTTPSeeOther(f"/name?back={quote(back)}")
        session.name = name
        response = _to(back)
        self._gate.give(response, request.cookies.get(self._gate.cookie, ""), session)
        return response


async def settings(request: web.Request) -> web.Response:
    """The colours of the pages, and whether single keys do something."""
    form = await request.post()
    response = _to(own_path(str(form.get("back", "/"))))
    for name, known in (("scheme", SCHEMES), ("keys", ("on", "off"))):
        if form.get(name) in known:
            response.set_cookie(
                f"andon-{name}",
                str(form[name]),
                max_age=YEAR_S,
                httponly=True,
                samesite="Strict",
                secure=request.secure,
            )
    return response


def scheme_of(request: web.Request) -> str:
    """Light, dark, or as the system of the browser."""
    scheme = request.cookies.get("andon-scheme", "")
    return scheme if scheme in SCHEMES else "auto"


def keys_of(request: web.Request) -> bool:
    """Whether single keys do something."""
    return request.cookies.get("andon-keys") != "off"


def own_path(back: str) -> str:
    """An address of the panel itself, to go back to; "/" for everything else.

    >>> own_path("/help"), own_path("//evil.example"), own_path("https://evil.example")
    ('/help', '/', '/')
    """
    is_own = back.startswith("/") and not back.startswith(("//", "/\\"))
    return back if is_own and back.isprintable() and "\\" not in back else "/"


def _login(request: web.Request, back: str, said: str = "", status: int = 200) -> web.Response:
    page = render("login.html", back=back, name="")
    return _page(request, page, "andon", said=said, failed=bool(said), status=status)


def _page(
    request: web.Request, page: str, title: str, *, said: str, failed: bool, status: int = 200
) -> web.Response:
    text = framed(page, title=title, scheme=scheme_of(request), said=said, failed=failed)
    return web.Response(text=text, content_type="text/html", status=status)


def _to(path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": path})
