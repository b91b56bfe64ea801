"""The daemon's two servers: HTTP on loopback for machines, a local socket for people.

Promises
- /healthz says that the process lives, /readyz that the whole line works or what does not,
  /metrics are Prometheus's. All are read-only.
- The socket (`control.sock` in the line's state folder, for its owner alone) answers the rest. Each
  subject has its module of routes; an error is a status code and a sentence.
"""

import contextlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from aiohttp import web
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from gateway.api.contracts import ConfigError
from gateway.api.model import Nanos
from gateway.control import status_routes
from gateway.control.errors import report_errors
from gateway.telemetry.health import Health

SOCKET = "control.sock"
_LONGEST = 100
"""A Unix socket's path may not be longer than 107 bytes."""


def _for_machines(health: Health, metrics: Callable[[], bytes]) -> web.Application:
    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"line": health.line, "health": health.overall})

    async def readyz(_request: web.Request) -> web.Response:
        why = health.unready()
        return web.json_response({"ready": not why, "not_ready": why}, status=503 if why else 200)

    async def show_metrics(_request: web.Request) -> web.Response:
        return web.Response(body=metrics(), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    application = web.Application()
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", readyz)
    application.router.add_get("/metrics", show_metrics)
    return application


def _for_people(
    health: Health, clock: Callable[[], Nanos], routes: Sequence[web.RouteDef]
) -> web.Application:
    application = web.Application(middlewares=[report_errors])
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
) -> AsyncIterator[int]:
    """Serve until the context is left; yields the HTTP port. `routes` are for the socket."""
    machines, people = _for_machines(health, metrics), _for_people(health, clock, routes)
    async with _runner(machines) as runner, _runner(people) as local:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise ConfigError(
                f"health.port {port} on {host} cannot be used: {error.strerror}; "
                "give each line of a machine its own port"
            ) from error
        await _listen_locally(local, socket)
        yield runner.addresses[0][1]
    socket.unlink(missing_ok=True)


async def _listen_locally(runner: web.AppRunner, socket: Path) -> None:
    if len(os.fsencode(socket)) > _LONGEST:
        raise ConfigError(
            f"{socket} is too long for a local socket ({_LONGEST} bytes): choose a shorter `state`"
        )
    socket.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        await web.UnixSite(runner, str(socket)).start()
    finally:
        os.umask(before)


@contextlib.asynccontextmanager
async def _runner(application: web.Application) -> AsyncIterator[web.AppRunner]:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        yield runner
    finally:
        await runner.cleanup()
