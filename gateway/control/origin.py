"""Keeps the pages of other sites out of the HTTP service.

Promises
- A request under a name that is not this gateway's is refused. Otherwise a foreign page could have
  its own name point to this machine, and read what loopback alone may (DNS rebinding).
- A browser's request on behalf of another site is refused, unless a person follows a link.
- Prometheus and other programs, which say nothing of an origin, are answered.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable

from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.control.errors import Foreign, Handler

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]/@\s]+)(?::\d{1,5})?")


def own_names(host: str, more: Iterable[str]) -> frozenset[str]:
    """The names under which a machine that listens on `host` may be asked."""
    machine = socket.gethostname()
    names = "localhost", host, machine, machine.partition(".")[0], *more
    return frozenset(_plain(name) for name in names if name)


def refuse_foreign(names: frozenset[str], option: str = "health.hosts") -> Middleware:
    """Raises Foreign for requests that a page of another site has made.

    `option` is where a further name of this machine is given.
    """

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        for host in request.headers.getall("Host", []):
            if not _is_own(host, names):
                raise Foreign(
                    f"{host[:100]!r} is no name of this gateway: ask it by its address, or add the "
                    f"name to {option}"
                )
        _check_browser(request)
        return await handler(request)

    return check


def _is_own(host: str, names: frozenset[str]) -> bool:
    match = _HOST.fullmatch(host.strip())
    if match is None:
        return False
    name = _plain(match[1])
    return name in names or name.endswith(".localhost") or _is_address(name)


def _plain(name: str) -> str:
    return name.strip("[]").lower().removesuffix(".")


def _is_address(name: str) -> bool:
    # A page cannot have an address point elsewhere.
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _check_browser(request: web.Request) -> None:
    """Raises Foreign by what browsers say of a request (Fetch Metadata, Origin)."""
    headers = request.headers
    origin = headers.get("Origin")
    if origin is not None and origin.lower() != f"{request.scheme}://{request.host}".lower():
        raise Foreign("a page of another site may not ask this gateway")
    site = headers.get("Sec-Fetch-Site", "none")
    follows_a_link = (
        request.method == "GET"
        and headers.get("Sec-Fetch-Mode") == "navigate"
        and headers.get("Sec-Fetch-Dest") == "document"
    )
    if site not in ("none", "same-origin") and not follows_a_link:
        raise Foreign("a page of another site may not ask this gateway")
