"""How a local service reports an error: a status code, and one sentence as {"error": ...}.

400 the request is malformed, 403 it comes from a foreign page, 404 the thing does not exist, 409 a
person's act is refused, 503 the daemon cannot do it now, 500 a bug. A bug is logged with its
traceback, the same one again at its 2nd, 4th, 8th … time without.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.api.contracts import AndonError, CommandRefused
from gateway.telemetry.services import LocalService
from gateway.telemetry.tap import TooManySubscribers

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class BadRequest(AndonError):  # noqa: N818 - an answer to a client, not a fault of ours
    """The request is malformed; the message says what would be right."""


class Foreign(AndonError):  # noqa: N818 - as above
    """The request comes from the page of another site; the message says what would be right."""


_COUNTED: Mapping[type[AndonError], tuple[str, int]] = {
    Foreign: ("foreign", 403),
    TooManySubscribers: ("taps", 503),
}
"""What is also counted and logged: its reason and its status code."""


def report_errors(service: LocalService) -> Middleware:
    """Turns whatever a route raises into a status code and a sentence, and ends the connection."""
    bugs = Counter[tuple[str, str]]()

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except web.HTTPException as raised:
            response = error(raised.status, _http_reason(request, raised))
            response.headers.update({k: v for k, v in raised.headers.items() if k == "Allow"})
        except BadRequest as refused:
            response = error(400, str(refused))
        except tuple(_COUNTED) as refused:
            reason, status = _COUNTED[type(refused)]
            service.note(reason, str(refused))
            response = error(status, str(refused))
        except CommandRefused as refused:
            response = error(409, str(refused))
        except AndonError as failed:
            response = error(503, str(failed))
        except ConnectionError:
            raise  # the client has gone
        except Exception as bug:  # noqa: BLE001 - logged by `_say`
            service.count("failed")
            _say(bug, request, bugs)
            response = error(500, "an unexpected error; the log of the daemon has its traceback")
        if not response.prepared:
            response.headers["X-Content-Type-Options"] = "nosniff"
            response.force_close()
        return response

    return answer


def _say(bug: Exception, request: web.Request, bugs: Counter[tuple[str, str]]) -> None:
    resource = request.match_info.route.resource
    path = resource.canonical if resource else "an unknown path"
    facts = {"path": path, "error_type": type(bug).__name__}
    bugs[path, facts["error_type"]] += 1
    times = bugs[path, facts["error_type"]]
    if times == 1:
        log.error("control.failed", **facts, exc_info=bug)
    elif times & (times - 1) == 0:
        log.error("control.failed", **facts, why=str(bug), times=times)


def _http_reason(request: web.Request, raised: web.HTTPException) -> str:
    if raised is request.match_info.http_exception and raised.status == 404:
        return f"this daemon has no {request.path[:100]}: is it of another version?"
    if raised is request.match_info.http_exception and raised.status == 405:
        allowed = raised.headers.get("Allow", "another method").replace(",", ", ")
        return f"{request.path[:100]} does not take {request.method[:20]}, but {allowed}"
    return raised.text or raised.reason


def error(status: int, message: str) -> web.Response:
    """The answer to a request that failed."""
    headers = {"X-Content-Type-Options": "nosniff"}
    return web.json_response({"error": message}, status=status, headers=headers)
