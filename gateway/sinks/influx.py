"""Writes points to InfluxDB 1, 2, 3 or Cloud, or any other server with their write endpoint.

Promises
- Points are sent as they were stored; the same batch is the same bytes.
- A point that the server will never accept is identified (sinks/influx_bisect.py); the others are
  stored.
- Redirects are not followed, and no token or password appears in a message.
- Nothing is retried here; sinks/influx_responses.py classifies each response.
- Compression waits for nothing that may take long, such as a name server.
"""

import asyncio
import contextlib
import functools
import gzip
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any, ClassVar

from gateway.api.contracts import Places, SinkRejected, SinkUnavailable
from gateway.api.going_on import made_progress
from gateway.api.model import Envelope, Kind, Probe
from gateway.sinks.influx_bisect import COMMENT, Bisector
from gateway.sinks.influx_http import InfluxHttp, Reply
from gateway.sinks.influx_options import InfluxOptions
from gateway.sinks.influx_responses import (
    WriteResponse,
    WriteStatus,
    classify,
    describe,
    hint,
    is_influx,
    named_lines,
    retry_after,
    says_it_is_empty,
)

_OUTSIDE = ThreadPoolExecutor(1, thread_name_prefix="influx")
"""For all sinks: compression, which takes milliseconds, and before it the library's import."""


class InfluxSink:
    """Keeps one HTTP client, created by the first write and again after each failure."""

    Options: ClassVar[type[InfluxOptions]] = InfluxOptions
    accepts = frozenset(Kind)

    def __init__(self, name: str, options: Any, places: Places) -> None:
        self.name, self._options = name, options
        self._http = InfluxHttp(options, places)
        self._bisector = Bisector(self._send)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Imports the library, which takes a second; closes the client at the end."""
        load = functools.partial(import_module, "influxdb_client.client.influxdb_client_async")
        await asyncio.get_running_loop().run_in_executor(_OUTSIDE, load)
        try:
            yield
        finally:
            await self._http.close()

    async def write(self, batch: Sequence[Envelope]) -> int:
        """Stores all points; the compressed bytes sent. SinkUnavailable or SinkRejected."""
        before = self._http.sent_bytes
        try:
            wrong = await self._bisector.store([envelope.body for envelope in batch])
        except SinkUnavailable as error:
            error.sent_bytes = self._http.sent_bytes - before
            raise
        sent = self._http.sent_bytes - before
        if wrong:
            raise SinkRejected(list(wrong), next(iter(wrong.values())), sent_bytes=sent)
        return sent

    async def _send(self, points: Sequence[bytes]) -> WriteResponse:
        """Sends one request; SinkUnavailable unless the server decided about these points."""
        body = b"\n".join(points)
        if self._options.gzip:
            # mtime=0: the same points are the same bytes. In a thread: it takes milliseconds.
            compress = functools.partial(gzip.compress, body, 6, mtime=0)
            body = await asyncio.get_running_loop().run_in_executor(_OUTSIDE, compress)
        try:
            reply = await self._http.post(body)
            made_progress()
            return _decided(self._response(reply) if isinstance(reply, Reply) else reply)
        except SinkUnavailable:
            # The token or a certificate may have changed: read them again next time.
            await self._http.close()
            raise

    def _response(self, reply: Reply) -> WriteResponse:
        message = describe(reply.status, reply.reason, reply.body, self._http.secrets())
        status = classify(reply.status, message)
        if status is WriteStatus.STORED:
            return WriteResponse(status, is_influx=is_influx(reply.headers))
        message += self._http.masked(hint(reply.status, message, reply.headers, self._options))
        wait = retry_after(reply.headers.get("Retry-After"), time.time())
        return WriteResponse(status, message, wait, named_lines(reply.body))

    async def probe(self) -> Probe:
        """Sends a comment, which checks token, bucket and path but stores nothing."""
        try:
            response = await self._send([COMMENT])
        except SinkUnavailable as error:
            return Probe(ok=False, message=str(error))
        finally:
            await self._http.close()
        target = self._options.target
        if response.status is not WriteStatus.STORED:
            # Some servers refuse a request without points, which is all that is wrong with it.
            ok = says_it_is_empty(response.message)
            answers = f"{target} answers: {response.message}"
            return Probe(ok=ok, message=answers if ok else response.message)
        if not response.is_influx:
            return Probe(ok=True, message=f"{target} answers, but not as InfluxDB does: check url")
        return Probe(ok=True, message=f"{target} answers")


def _decided(response: WriteResponse) -> WriteResponse:
    """The response, unless it says nothing about the points: then SinkUnavailable."""
    if response.status is WriteStatus.NEEDS_HUMAN:
        raise SinkUnavailable(response.message, needs_human=True)
    if response.status is WriteStatus.LATER:
        raise SinkUnavailable(response.message, wait=response.wait)
    return response
