"""Closing a listener without leaving a client half connected.

asyncio accepts a connection in one turn of its loop, builds its protocol in the next and tells it
so in a third. Both server libraries close only what they know of at that moment, so a client that
comes just then would be left with a connection that nobody serves or closes.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

_TURNS = 4


async def stop_accepting(listeners: Iterable[Any]) -> None:
    """Accept no more on these listening sockets, and wait for what is being accepted."""
    loop = asyncio.get_running_loop()
    for listener in listeners:
        loop.remove_reader(listener.fileno())
    for _ in range(_TURNS):
        await asyncio.sleep(0)
