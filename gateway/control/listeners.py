"""The sockets on which the HTTP service listens."""

import asyncio
import errno
import os
import socket
from typing import Any

from gateway.api.contracts import ConfigError
from gateway.api.files import FOR_A_PERSON

BACKLOG = 128


async def on_network(host: str, port: int, option: str = "health.port") -> list[socket.socket]:
    """Sockets that listen on the addresses of `host`; ConfigError, with the option, if not."""
    listeners: list[socket.socket] = []
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        addresses = list(dict.fromkeys((family, address) for family, *_, address in found))
        for family, address in addresses:
            is_last = address == addresses[-1][1] and not listeners
            listeners += _listening(family, address, must=is_last)
    except (OSError, UnicodeError) as error:
        for each in listeners:
            each.close()
        # Another program's port, or an address that the machine is yet to get, may become free.
        wrong = ConfigError(
            f"{option} {port} on {host} cannot be used: {_reason(error)}; "
            "give each line of a machine its own port"
        )
        raise wrong.passing(getattr(error, "errno", None) not in FOR_A_PERSON) from error
    return listeners


def _listening(family: int, address: Any, *, must: bool) -> list[socket.socket]:
    """One socket; none where the machine lacks IPv4 or IPv6, unless it must be this one."""
    try:
        listener = socket.create_server(address, family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL) and not must:
            return []
        raise
    listener.setblocking(False)
    return [listener]


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    return getattr(error, "strerror", None) or str(error)
