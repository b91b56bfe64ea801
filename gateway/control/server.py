"""The daemon's two services: HTTP on loopback for machines, a local socket for people.

Promises
- /healthz says that the process lives, /readyz that the whole line works or what does not,
  /metrics are Prometheus's. All are read-only, and no page of another site reads them (origin.py).
- The socket (`control.sock` in the line's state folder, for its owner and root) answers the rest.
  Each subject has its module of routes; an error is a status code and a sentence.
- Neither can be held or flooded at the line's expense (connections.py).
"""

import asyncio
import contextlib
import socket as sockets
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from gateway.api.model import Nanos
from gateway.control import listeners, status_routes
from gateway.control.arguments import BODY_BYTES
from gateway.control.connections import Admit, Connections
from gateway.control.errors import report_errors
from gateway.control.origin import own_names, refuse_foreign
from gateway.control.place import Place, stranger
from gateway.control.turns import TURNS, Turns
from gateway.telemetry.health import Health
from gateway.telemetry.services import LocalService

SOCKET = "control.sock"


def _for_machines(
    health: Health, service: LocalService, metrics: Callable[[], bytes], names: frozenset[str]
) -> web.Application:
    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"line": health.line, "health": health.overall})

    async def readyz(_request: web.Request) -> web.Response:
        why = health.unready()
        return web.json_response({"ready": not why, "not_ready": why}, status=503 if why else 200)

    async def show_metrics(request: web.Request) -> web.Response:
        async with request.app[TURNS].turn(request):
            body = metrics()
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    application = web.Application(middlewares=[report_errors(service), refuse_foreign(names)])
    application[TURNS] = Turns()
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", readyz)
    application.router.add_get("/metrics", show_metrics)
    return application


def _for_people(
    health: Health,
    service: LocalService,
    clock: Callable[[], Nanos],
    routes: Sequence[web.RouteDef],
) -> web.Application:
    application = web.Application(middlewares=[report_errors(service)], client_max_size=BODY_BYTES)
    application[TURNS] = Turns()
    application.router.add_routes(status_routes.routes(health, clock))
    application.router.add_routes(routes)
    return application


@contextlib.asynccontextmanager
async def serve(
    health: Health,
    metrics: Callable[[], bytes],
    clock: Callable[[], Nanos],
    *,
    host: str,
    port: int,
    socket: Path,
    routes: Sequence[web.RouteDef] = (),
    hosts: Sequence[str] = (),
    misplaced: Callable[[], str] = str,
) -> AsyncIterator[int]:
    """Serve until the context is left; yields the HTTP port. Raises ConfigError.

    `routes` are for the socket; `misplaced` says why its folder is not in its place. `hosts` are
    names of this machine beside `host`.
    """
    own = own_names(host, hosts)
    machines, people = health.services["health"], health.services["control"]
    async with contextlib.AsyncExitStack() as stack:
        network = await listeners.on_network(host, port)
        for each in network:
            stack.enter_context(each)
        place = stack.enter_context(Place(socket, misplaced))
        for_machines = _for_machines(health, machines, metrics, own)
        for_people = _for_people(health, people, clock, routes)
        accepting = [partial(Connections.accept, listener=each) for each in network]
        await stack.enter_async_context(_serving(for_machines, machines, _everybody, accepting))
        at_place = [partial(_accept_at, place=place)]
        await stack.enter_async_context(_serving(for_people, people, stranger, at_place))
        yield network[0].getsockname()[1]


async def _accept_at(connections: Connections, place: Place) -> None:
    """Accept at a path for ever; what was removed from there is made again."""
    while True:
        async with _running(connections.accept(place.listener)):
            await place.removed()
        await place.make_again()


@contextlib.asynccontextmanager
async def _running(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Tasks that run until the context is left."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _everybody(_peer: sockets.socket) -> str:
    return ""


@contextlib.asynccontextmanager
async def _serving(
    application: web.Application,
    service: LocalService,
    admit: Admit,
    accepting: Sequence[Callable[[Connections], Coroutine[Any, Any, None]]],
) -> AsyncIterator[None]:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    assert runner.server is not None  # noqa: S101 - it was set up
    connections = Connections(service, runner.server, admit)
    try:
        async with _running(*(accept(connections) for accept in accepting)):
            yield
    finally:
        connections.end_streams()
        await runner.cleanup()
