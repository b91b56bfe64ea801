"""A connected, activated session of asyncua, closed again whatever happens.

Promises
- Every error of the library or the network is SourceLost in words that name the server.
- Leaving closes the session on the server if it still answers, and never takes longer than 2 s.
- The library's own reconnect is off: the gateway reopens.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from connectors.opcua.options import OpcUaOptions
from gateway.contracts import ConfigError, SourceLost
from gateway.model import SECOND

CLOSE_S = 2.0
_PROBE_S = 5.0
"""asyncua asks the server's state this often; 1 s, its default, is too tight for slow PLCs."""


@contextlib.asynccontextmanager
async def translated(url: str) -> AsyncIterator[None]:
    """Whatever goes wrong inside is SourceLost."""
    from asyncua.ua.uaerrors import UaError

    try:
        yield
    except (UaError, OSError, ConnectionError) as error:
        raise SourceLost(f"{url}: {_words(error)}") from error
    except TimeoutError as error:
        raise SourceLost(f"{url}: no answer in time") from error


def _words(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text.split("(")[-1].rstrip(")") if text.startswith("The ") else text


@contextlib.asynccontextmanager
async def connected(options: OpcUaOptions, config: Path) -> AsyncIterator[Any]:
    """An `asyncua.Client` with an activated session; `config` is where certificates are."""
    from asyncua.client.client import Client

    # Every hiccup that it logs comes to the gateway as SourceLost, once.
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    timeout = options.timeout / SECOND
    client = Client(options.url, timeout=timeout, watchdog_intervall=max(_PROBE_S, timeout))
    client.application_uri = "urn:andon"
    client.name = client.description = "andon"
    if options.username is not None and options.password is not None:
        client.set_user(options.username)
        client.set_password(options.password.resolve())
    try:
        async with translated(options.url), asyncio.timeout(2 * timeout):
            await _secure(client, options, config)
            await client.connect()
        yield client
    finally:
        await _close(client)


async def _secure(client: Any, options: OpcUaOptions, config: Path) -> None:
    if options.security is None:
        return
    from asyncua import ua
    from asyncua.crypto import security_policies

    wanted = options.security
    try:
        await client.set_security(
            getattr(security_policies, f"SecurityPolicy{wanted.policy.replace('_', '')}"),
            certificate=config / wanted.certificate,
            private_key=config / wanted.private_key,
            server_certificate=str(config / wanted.server_certificate),
            mode=getattr(ua.MessageSecurityMode, wanted.mode),
        )
    except FileNotFoundError as error:
        raise ConfigError(f"{error.filename} does not exist") from error


async def _close(client: Any) -> None:
    # A server that is gone cannot be told; its session times out there.
    with contextlib.suppress(Exception):
        async with asyncio.timeout(CLOSE_S):
            await client.disconnect()
    with contextlib.suppress(Exception):
        client.disconnect_socket()
