"""Who gets in: the checks before every page and every act, and the headers of every answer.

Promises
- A request under a foreign name, or made by a page of another site, is refused (control/origin.py).
- Without a session nothing is shown but the login and its style.
- An act needs the role *operate*, and the session's own token in the form (CSRF).
- A form that cannot be read is an answer to its sender, and no traceback.
- No answer is kept in a cache, framed, or may fetch or run anything but the panel's own files.
"""

import hmac
import time
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import quote, unquote

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.api.contracts import AndonError
from gateway.api.visible import SENTENCE, brief
from gateway.control.errors import Foreign
from gateway.panel.listeners import TooMany
from gateway.panel.render import render, safe
from gateway.panel.sessions import Session, Sessions
from gateway.panel.settings import Settings
from gateway.panel.tokens import Role

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SESSION = web.RequestKey("session", Session)

BODY_BYTES = 16_384
FIELDS = 12
NAME_COOKIE = "andon-name"
LONGEST_NAME = 100
PUBLIC = ("/login", "/static/")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer, which makes browsers send "Origin: null" with forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}


class NotAllowed(AndonError):  # noqa: N818 - an answer to a browser
    """The session may not do this; the message says why."""


class Gate:
    """The sessions of one panel, and how they are begun and found."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings, self.sessions, self.clock = settings, Sessions(), clock
        prefix = "__Host-" if settings.certificate else ""
        # Cookies do not keep the ports of a machine apart.
        self.cookie = f"{prefix}andon-{settings.port}"

    def session_of(self, request: web.Request) -> Session | None:
        """The session that a request belongs to; None if it must log in first."""
        secret = request.cookies.get(self.cookie, "")
        return self.sessions.find(secret, self.clock()) if secret else None

    def begun_for(self, request: web.Request) -> tuple[str, Session] | None:
        """A session for who needs no login: everybody on loopback, or who has a certificate."""
        if self.settings.is_open:
            name = unquote(request.cookies.get(NAME_COOKIE, ""))
            return self.sessions.begin(Role.OPERATE, self.clock(), clean_name(name))
        name = certified_name(request) if self.settings.client_ca else ""
        if name:
            shown = brief(name, LONGEST_NAME)
            return self.sessions.begin(Role.OPERATE, self.clock(), shown, is_certified=True)
        return None

    def give(self, response: web.StreamResponse, secret: str, session: Session) -> None:
        """Have the browser keep its session's secret, and the name for the next session."""
        self._set(response, self.cookie, secret, None)
        if session.name:
            self._set(response, NAME_COOKIE, quote(session.name), 365 * 86_400)

    def _set(
        self, response: web.StreamResponse, name: str, value: str, max_age: int | None
    ) -> None:
        is_tls = self.settings.certificate is not None
        response.set_cookie(
            name, value, max_age=max_age, httponly=True, samesite="Strict", secure=is_tls
        )


def admit(gate: Gate) -> Middleware:
    """Finds or begins the session of a request; sends to the login who has none."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(PUBLIC):
            if request.method == "POST":
                await _read_form(request)
            return await handler(request)
        session, secret = gate.session_of(request), ""
        if session is None and not request.path.startswith("/events"):
            secret, session = gate.begun_for(request) or ("", None)
        if session is None:
            return _refused(request)
        request[SESSION] = session
        if request.method == "POST":
            await _check_form(request, session)
        response = await handler(request)
        if secret and not response.prepared:
            gate.give(response, secret, session)
        return response

    return check


def _refused(request: web.Request) -> web.Response:
    if request.method != "GET" or request.path.startswith("/events"):
        return web.Response(status=401, text="the session is over: load the page again")
    raise web.HTTPSeeOther(f"/login?back={quote(request.path_qs)}")


async def _read_form(request: web.Request) -> Mapping[str, object]:
    """The form of a request, which the request keeps; NotAllowed and 400 for what is none."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise NotAllowed("only forms of the panel's own pages are accepted")
    try:
        form = await request.post()
    except (ValueError, LookupError) as error:
        raise web.HTTPBadRequest(reason="the form is no text that can be read") from error
    if len(form) > FIELDS:
        raise NotAllowed("the form has more fields than any of the panel's own")
    return form


async def _check_form(request: web.Request, session: Session) -> None:
    form = await _read_form(request)
    token = str(form.get("csrf", ""))
    if not hmac.compare_digest(token.encode("utf-8", "surrogatepass"), session.csrf.encode()):
        raise NotAllowed("the form is not from this session: load the page again, then repeat it")


def protect() -> Middleware:
    """Adds the headers to every answer, and turns every error into a page with a sentence."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        response: web.StreamResponse
        try:
            response = await handler(request)
        except web.HTTPException as raised:
            response = _raised(raised)
        except (Foreign, NotAllowed) as refused:
            log.warning("panel.refused", why=str(refused), address=request.remote)
            response = _problem(403, str(refused))
        except TooMany as refused:
            response = _problem(503, str(refused))
        except ConnectionError:
            raise  # the browser has gone
        except Exception as bug:
            log.exception("panel.failed", path=request.path, error_type=type(bug).__name__)
            response = _problem(500, "an unexpected error; the log of the panel has its traceback")
        if not response.prepared:
            response.headers.update(HEADERS)
            response.headers["Server"] = "andon"
            response.force_close()
        return response

    return answer


def _raised(raised: web.HTTPException) -> web.Response:
    """The answer that a route raised: to another address, or a page that says what is wrong."""
    kept = {name: raised.headers[name] for name in ("Location", "Allow") if name in raised.headers}
    if raised.status < 400:
        return web.Response(status=raised.status, headers=kept)
    response = _problem(raised.status, _reason(raised))
    response.headers.update(kept)
    return response


def _reason(raised: web.HTTPException) -> str:
    known = {404: "there is no such page", 405: "this page does not take that", 413: "too large"}
    return known.get(raised.status, raised.reason)


def _problem(status: int, why: str) -> web.Response:
    words = brief(why, SENTENCE)
    page = render("problem.html", heading="This was refused" if status == 403 else "Not possible",
                  why=words)  # fmt: skip
    return web.Response(status=status, text=framed(page, title="andon"), content_type="text/html")


def framed(
    page: str, *, title: str, scheme: str = "auto", keys: bool = True, events: str = "",
    said: str = "", failed: bool = False,
) -> str:  # fmt: skip
    """A whole document around a page."""
    values = {"title": title, "scheme": scheme, "keys": keys, "events": events}
    return render("layout.html", page=safe(page), said=said, failed=failed, **values)


def clean_name(name: str) -> str:
    """A person's name as it can be stored; empty if it cannot be."""
    name = name.strip()
    return name if name.isprintable() and len(name) <= LONGEST_NAME else ""


def certified_name(request: web.Request) -> str:
    """The common name in the browser's certificate, which TLS has checked; empty without one."""
    certificate: Mapping[str, object] | None = None
    if request.transport is not None:
        certificate = request.transport.get_extra_info("peercert")
    if not certificate:
        return ""
    subject = certificate.get("subject", ())
    names = {key: value for part in subject for key, value in part}  # type: ignore[attr-defined]
    return str(names.get("commonName") or "a browser with a certificate")
