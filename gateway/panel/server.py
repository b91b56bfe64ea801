"""The panel: one process that asks the daemons of some lines, and answers browsers.

Promises
- It needs no daemon to start, and ends with none.
- It only reads line files and talks to control sockets; it opens nothing else of a line.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path

from aiohttp import web

from gateway.control import listeners as network
from gateway.control.origin import own_names, refuse_foreign
from gateway.panel import acts, entry, gate, tls
from gateway.panel.connections import serving
from gateway.panel.gate import BODY_BYTES, Gate, Handler
from gateway.panel.listeners import Listeners
from gateway.panel.settings import Settings, check
from gateway.panel.stream import Shown
from gateway.panel.tokens import Tokens
from gateway.panel.watch import Watch

STATIC = Path(__file__).with_name("static")
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@contextlib.asynccontextmanager
async def panel(lines: Mapping[str, Sequence[Path]], settings: Settings) -> AsyncIterator[int]:
    """Serve until the context is left; yields the port. Raises ConfigError.

    `lines` are the possible control sockets of each line, by its name.
    """
    check(settings)
    tokens = Tokens(settings.view_token, settings.operate_token)
    context = tls.context(settings)
    looking = Listeners()
    watches = {name: Watch(name, sockets, looking) for name, sockets in lines.items()}
    application = _application(watches, looking, settings, tokens)
    sockets = await network.on_network(settings.host, settings.port, "--port")
    async with contextlib.AsyncExitStack() as stack:
        for each in sockets:
            stack.enter_context(each)
        await stack.enter_async_context(_polling(watches.values()))
        await stack.enter_async_context(serving(application, sockets, context))
        yield sockets[0].getsockname()[1]


def _application(
    watches: Mapping[str, Watch], looking: Listeners, settings: Settings, tokens: Tokens
) -> web.Application:
    entrance = Gate(settings)
    names = own_names(settings.host, settings.hosts)
    application = web.Application(
        middlewares=[gate.protect(), refuse_foreign(names, "--name"), gate.admit(entrance)],
        client_max_size=BODY_BYTES,
    )
    application.router.add_routes(Shown(watches, looking, entrance).routes())
    application.router.add_routes(entry.routes(entrance, tokens))
    application.router.add_routes(acts.routes(watches))
    application.router.add_routes([web.get("/static/{name}", _static())])
    return application


def _static() -> Handler:
    files = {each.name: each.read_bytes() for each in STATIC.iterdir() if each.suffix in TYPES}

    async def send(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in files:
            raise web.HTTPNotFound
        kind = TYPES[Path(name).suffix]
        return web.Response(body=files[name], content_type=kind, charset="utf-8")

    return send


@contextlib.asynccontextmanager
async def _polling(watches: Iterable[Watch]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(watch.run(), name=f"watch {watch.line}") for watch in watches]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
