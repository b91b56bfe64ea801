"""How the control socket reports an error: a status code, and one sentence as {"error": ...}.

400 the request is malformed, 404 the thing does not exist, 409 a person's act is refused, 503 the
daemon cannot do it now, 500 a bug, which is in the log with its traceback.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiohttp import web

from gateway.api.contracts import AndonError, CommandRefused

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class BadRequest(AndonError):  # noqa: N818 - an answer to a client, not a fault of ours
    """The request is malformed; the message says what would be right."""


@web.middleware
async def report_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a route raises into a status code and a sentence."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _error(error.status, _http_reason(request, error))
    except BadRequest as error:
        return _error(400, str(error))
    except CommandRefused as error:
        return _error(409, str(error))
    except AndonError as error:
        return _error(503, str(error))
    except ConnectionResetError:
        raise  # the client has gone
    except Exception as error:
        log.exception("control.failed", path=request.path, error_type=type(error).__name__)
        return _error(500, "an unexpected error; the log of the daemon has its traceback")


def _http_reason(request: web.Request, error: web.HTTPException) -> str:
    if error is request.match_info.http_exception and error.status == 404:
        return f"this daemon has no {request.path}: is it of another version?"
    return error.text or error.reason


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)


async def json_body(request: web.Request) -> dict[str, Any]:
    """The JSON object in the body; BadRequest if it is something else."""
    try:
        body = await request.json()
    except (ValueError, LookupError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise BadRequest("the body is not a JSON object")
    return body


def text_field(body: dict[str, Any], name: str) -> str:
    """A field that must be a non-empty text; BadRequest otherwise."""
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise BadRequest(f"{name} must be a text that is not empty")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadRequest(f"{name} is not valid Unicode") from error
    return value.strip()
