"""A share of the event loop for requests that take long to answer, so that the line has the rest.

Promises
- One request of a service is worked on at a time, and as long as that took nothing else is begun:
  however many ask, requests take at most half of the time.
- Who waits for a turn is not closed to make room for others; who has gone gets none.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from aiohttp import web

from gateway.control.connections import Connection


class Turns:
    """The turns of one service, in the order of their requests."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def turn(self, request: web.Request) -> AsyncIterator[None]:
        """Waits for its turn; what is done in it does not wait for anything.

        ConnectionResetError if the client has gone meanwhile.
        """
        with _waiting(request):
            await self._lock.acquire()
            began = time.monotonic()
            try:
                if request.transport is None:
                    raise ConnectionResetError("the client has gone")
                yield
            finally:
                took = time.monotonic() - began
                # The answer of this one need not wait for that.
                asyncio.get_running_loop().call_later(took, self._lock.release)


def _waiting(request: web.Request) -> contextlib.AbstractContextManager[None]:
    connection = request.protocol
    if isinstance(connection, Connection):
        return connection.waiting_for_us()
    return contextlib.nullcontext()


TURNS = web.AppKey("turns", Turns)
