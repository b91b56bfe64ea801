"""An event loop in which a name server that does not answer holds nothing up.

Promises
- Name look-ups wait for nothing, and nothing waits for them: each name has a thread of its own, and
  so has each job of `asyncio.to_thread`. The end of the program does not wait for them either.
- At most one thread looks up a name at a time, however often it is asked for.
- Whoever asks is answered within `answer_within`: with addresses, or with NameNotResolved, whose
  text stays the same from one attempt to the next.
"""

import asyncio
import contextlib
import functools
import ipaddress
import socket
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

ANSWER_S = 0.8
"""Shorter than the time limit of any connection by default, so that the name is what is blamed."""
PATIENT_S = 4.0
"""For commands that try once: the second of two name servers is asked after that of the first."""
KEPT_S = 60.0
"""How long an answer is kept that came too late for everybody who asked."""
NO_ANSWER = "no answer from a name server"
_REASONS = {
    socket.EAI_AGAIN: NO_ANSWER,
    socket.EAI_NONAME: "no name server knows it",
    socket.EAI_NODATA: "it has no address",
}


class NameNotResolved(socket.gaierror):
    """A name has no address just now; the text says so in a sentence."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(socket.EAI_AGAIN, why)
        self._text = f"the name {name} cannot be resolved: {why}"

    def __str__(self) -> str:
        return self._text


def run(work: Coroutine[Any, Any, T], *, answer_within: float = PATIENT_S) -> T:
    """As asyncio.run, in such a loop; the daemon, which tries again, waits for `ANSWER_S`."""
    with asyncio.Runner(loop_factory=lambda: EventLoop(answer_within)) as runner:
        return runner.run(work)


def unresolved(host: str | None) -> NameNotResolved | None:
    """Why a connection that came to nothing in time did: its name is still being looked up."""
    loop = asyncio.get_running_loop()
    return loop.unresolved(host) if isinstance(loop, EventLoop) and host else None


@dataclass(slots=True)
class _LookUp:
    """A look-up: its addresses or its error, once it is done."""

    began: float
    done: "asyncio.Future[None]"
    addresses: list[Any] | None = None
    error: OSError | None = None


class EventLoop(asyncio.SelectorEventLoop):
    """The loop of the daemon and of the commands."""

    def __init__(self, answer_within: float = ANSWER_S) -> None:
        super().__init__()
        self._answer_within = answer_within
        self._pending: dict[tuple[Any, ...], _LookUp] = {}
        self._late: dict[tuple[Any, ...], _LookUp] = {}
        self._reasons: dict[str, str] = {}

    def run_in_executor(  # type: ignore[override] # its types need Python 3.12
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> Any:
        """As in asyncio, but without a default executor, whose threads could all be taken."""
        if executor is not None:
            return super().run_in_executor(executor, func, *args)
        future: asyncio.Future[T] = self.create_future()
        self._start_thread(functools.partial(func, *args), functools.partial(_settle, future))
        return future

    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - the name is asyncio's
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        """As socket.getaddrinfo; NameNotResolved if there is no address in time."""
        if _is_numeric(host):
            return socket.getaddrinfo(host, port, family, type, proto, flags)
        # The port changes nothing: sources behind one gateway share a look-up.
        wanted = host, 0 if isinstance(port, int) else port, family, type, proto, flags
        addresses = await self._resolved(wanted)
        if not isinstance(port, int):
            return addresses
        return [(*each[:4], (each[4][0], port, *each[4][2:])) for each in addresses]

    async def _resolved(self, wanted: tuple[Any, ...]) -> list[Any]:
        host = wanted[0]
        late = self._late.get(wanted)
        if late is not None and self.time() - late.began < KEPT_S and late.addresses is not None:
            return late.addresses
        look_up = self._pending.get(wanted) or self._look_up(wanted)
        left = self._answer_within - (self.time() - look_up.began)
        if not look_up.done.done() and left > 0:
            # Not wait_for: the look-up goes on when whoever asked has given up.
            await asyncio.wait([look_up.done], timeout=left)
        if look_up.addresses is not None:
            return look_up.addresses
        raise NameNotResolved(str(host), self._reasons.get(host, NO_ANSWER)) from look_up.error

    def _look_up(self, wanted: tuple[Any, ...]) -> _LookUp:
        look_up = self._pending[wanted] = _LookUp(self.time(), self.create_future())

        def finish(addresses: list[Any] | None, error: Exception | None) -> None:
            del self._pending[wanted]
            look_up.addresses = addresses
            if error is not None:
                look_up.error = error if isinstance(error, OSError) else OSError(str(error))
                code = getattr(error, "errno", None) or 0
                self._reasons[wanted[0]] = _REASONS.get(code, str(error))
            else:
                self._reasons.pop(wanted[0], None)
                if self.time() - look_up.began > self._answer_within:
                    look_up.began = self.time()
                    self._late[wanted] = look_up
            look_up.done.set_result(None)

        self._start_thread(functools.partial(socket.getaddrinfo, *wanted), finish)
        return look_up

    def unresolved(self, host: str) -> NameNotResolved | None:
        """The error of a look-up that is still in progress; None if there is none."""
        is_pending = any(wanted[0] == host for wanted in self._pending)
        return NameNotResolved(host, self._reasons.get(host, NO_ANSWER)) if is_pending else None

    @property
    def is_looking_up(self) -> bool:
        """Whether a look-up is in progress."""
        return bool(self._pending)

    async def look_ups_ended(self) -> None:
        """Waits for the look-ups in progress."""
        if self._pending:
            await asyncio.wait([look_up.done for look_up in self._pending.values()])

    def _start_thread(
        self, work: Callable[[], T], finish: Callable[[T | None, Exception | None], None]
    ) -> None:
        def run_work() -> None:
            result, error = None, None
            try:
                result = work()
            except Exception as failure:  # noqa: BLE001 - handed to whoever waits
                error = failure
            # A closed loop: no one waits any more.
            with contextlib.suppress(RuntimeError):
                self.call_soon_threadsafe(finish, result, error)

        threading.Thread(target=run_work, name="andon.worker", daemon=True).start()


def _settle(future: "asyncio.Future[T]", result: T | None, error: Exception | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)  # type: ignore[arg-type] # the result of work that may be None


def _is_numeric(host: Any) -> bool:
    if not host:
        return True
    try:
        ipaddress.ip_address(host.partition("%")[0] if isinstance(host, str) else host)
    except ValueError:
        return False
    return True
