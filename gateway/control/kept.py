"""A local socket that is there as long as the daemon is.

Promises
- A socket that was removed, moved or replaced is noticed within `LOOK_S`, logged once, and made
  anew; what cannot be made is tried again, as while the state folder is gone.
- No socket is made in a folder that is a symbolic link.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

import structlog

from gateway.api.contracts import AndonError
from gateway.api.private import misplaced

log = structlog.get_logger()

LOOK_S = 2.0

Listening = Callable[[], AbstractAsyncContextManager[object]]
"""Listens at the path while its context lasts. OSError or AndonError if it cannot."""


@contextlib.asynccontextmanager
async def kept(path: Path, listening: Listening) -> AsyncIterator[None]:
    """Listens at `path` until the context is left. Raises what the first attempt raises."""
    async with AsyncExitStack() as held:
        await held.enter_async_context(listening())
        keeper = asyncio.create_task(_keep(path, listening, held))
        try:
            yield
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)


async def _keep(path: Path, listening: Listening, held: AsyncExitStack) -> None:
    made = _found(path)
    is_known = False
    while True:
        await asyncio.sleep(LOOK_S)
        why = misplaced(path, made) if made is not None else ""
        if made is not None and not why:
            continue
        if why:
            log.warning("control.misplaced", why=why)
        made = None
        try:
            await held.aclose()
            if path.parent.is_symlink():
                continue
            await held.enter_async_context(listening())
            made = _found(path)
        except (OSError, AndonError) as error:
            if not is_known:
                reason = getattr(error, "strerror", None) or str(error)
                log.warning("control.not_listening", socket=str(path), why=reason)
            is_known = True
        else:
            is_known = False
            log.info("control.listens_again", socket=str(path))


def _found(path: Path) -> os.stat_result | None:
    with contextlib.suppress(OSError):
        return path.lstat()
    return None
