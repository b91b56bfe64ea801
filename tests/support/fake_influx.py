"""A fake server with /api/v2/write, for faults that a real one shows too rarely.

It is honest (`FakeInflux`), follows a script, or lies at random (`LyingInflux`). `stored` holds one
point for each measurement, tag set and time, as InfluxDB does.
"""

import contextlib
import gzip
import math
import random
from types import SimpleNamespace

from aiohttp import web

from gateway.sinks.influx_bisect import COMMENT


class FakeInflux:
    """Stores whole bodies, and nothing of a body with a wrong point.

    `script` holds the first responses, or functions of the request. Points that contain `poison`
    are rejected with `words`, or named; bodies above `most_bytes` are too large.
    """

    def __init__(self):
        self.script, self.requests, self.stored = [], [], {}
        self.poison, self.words, self.most_bytes, self.url = b"poison", "", math.inf, ""

    @contextlib.asynccontextmanager
    async def serving(self, port=0, **site):
        """On loopback, until the block is left; `site` are aiohttp's options. 0 is a free port."""
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", self._take)
        runner = web.AppRunner(app, auto_decompress=False, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, **site).start()
        scheme = "https" if "ssl_context" in site else "http"
        self.url = f"{scheme}://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    @property
    def lines(self):
        """The stored points, oldest arrival first."""
        return list(self.stored.values())

    async def _take(self, request):
        wire = await request.read()
        zipped = request.headers.get("Content-Encoding") == "gzip"
        body = gzip.decompress(wire) if zipped else wire
        self.requests.append(SimpleNamespace(request=request, wire=wire, body=body, zipped=zipped))
        return await self.answer(request, body)

    async def answer(self, request, body):
        if self.script:
            step = self.script.pop(0)
            return step if isinstance(step, web.Response) else await step(request)
        return self.honest(body)

    def honest(self, body):
        if len(body) > self.most_bytes:
            return web.Response(status=413)
        for line in body.split(b"\n"):
            if self.poison in line:
                words = self.words or f"bad: {line.decode()}"
                return web.json_response({"message": words}, status=400)
        self.store(body)
        return web.Response(status=204)

    def store(self, body, share=1.0):
        """Stores the good points of the first part of a body."""
        lines = body.split(b"\n")
        for line in lines[: math.ceil(share * len(lines))]:
            if line and line != COMMENT and self.poison not in line:
                self.stored[line.split(b" ")[0], line.split(b" ")[-1]] = line


class LyingInflux(FakeInflux):
    """Injects a seeded random fault into `share` of the responses; `faults` counts them.

    It may store before it fails, store a part, reject correct points, or not respond at all. Two
    faults that no client can detect are left out: acknowledging points without storing them, and
    rejecting correct points twice in a row.
    """

    def __init__(self, seed, share=0.3):
        super().__init__()
        self._draw, self.share = random.Random(seed), share
        self.faults, self._has_refused = {}, False

    async def answer(self, request, body):
        if self._draw.random() >= self.share:
            self._has_refused = False
            return self.honest(body)
        faults = [fault for fault in FAULTS if not (self._has_refused and fault in REFUSALS)]
        fault = self._draw.choice(faults)
        self._has_refused = fault in REFUSALS
        self.faults[fault.__name__] = self.faults.get(fault.__name__, 0) + 1
        self.store(body, self._draw.choice((0, 0.5, 1)))
        return await fault(self, request)


async def drops_the_reply(_server, request):
    request.transport.abort()
    return web.Response(status=204)


async def cuts_the_reply(_server, request):
    response = web.StreamResponse(status=400, headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"message": "partial wri')
    request.transport.close()
    return response


def _responds(status, **options):
    async def fault(_server, _request):
        return web.Response(status=status, **options)

    fault.__name__ = f"responds_{status}"
    return fault


async def redirects(_server, request):
    return web.Response(status=307, headers={"Location": f"http://elsewhere.invalid{request.path}"})


REFUSALS = tuple(_responds(code) for code in (400, 413, 422))
FAULTS = (
    drops_the_reply,
    cuts_the_reply,
    redirects,
    *REFUSALS,
    *(_responds(code) for code in (200, 401, 403, 404, 408, 500, 502, 504)),
    *(_responds(code, headers={"Retry-After": "0"}) for code in (429, 503)),
)
