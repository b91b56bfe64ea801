"""Closes a listener without leaving a client half connected.

asyncio accepts a connection in one iteration of its loop, builds its protocol in the next and
connects it in a third. Both server libraries close only the connections they know at that moment,
so a client that connects just then would be left with a connection that is neither served nor
closed.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

_TURNS = 4


async def stop_accepting(listeners: Iterable[Any]) -> None:
    """Stops accepting on these listening sockets, and waits for connections being accepted."""
    loop = asyncio.get_running_loop()
    for listener in listeners:
        loop.remove_reader(listener.fileno())
    for _ in range(_TURNS):
        await asyncio.sleep(0)
