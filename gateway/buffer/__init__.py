"""The durable store between a line and its sinks: SQLite, one connection in one thread.

Promises
- When `append` returns, its points survive kill -9, a kernel crash and a power cut.
- Statements never run concurrently: a cancelled await leaves its statement to finish in the single
  thread, and the next one waits for it.
- A full disk raises `BufferFull`: nothing of the call was stored, nothing else is lost, and the
  next call may succeed. A damaged file is set aside and replaced while the daemon runs. Any other
  failure is `Fatal`.
- Before each call and each commit the files are looked for under their paths. While they are not
  there every call is refused, and after some seconds they are put back (`gateway.buffer.place`).
"""

import asyncio
import functools
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

from gateway.api.contracts import Fatal
from gateway.api.durable import make_folder
from gateway.api.model import Envelope, Kind, Loss, Nanos
from gateway.buffer.database import Damaged, is_damage, is_full
from gateway.buffer.dead_letters import NEWEST, DeadLetter
from gateway.buffer.errors import BufferFull, BufferRefused
from gateway.buffer.handling import PointHandling
from gateway.buffer.journal import JournalLimits
from gateway.buffer.journal_query import JournalPage, JournalQuery
from gateway.buffer.open_files import Misplaced
from gateway.buffer.state_folder import StateFolder
from gateway.buffer.store import Store
from gateway.core.alarms.journal import JournalEntry
from gateway.core.wait_limits import BUFFER_S, SALVAGE_S
from gateway.telemetry.heartbeats import Part

__all__ = ["Buffer", "BufferFull", "BufferOptions", "BufferRefused", "Fatal", "open_buffer"]

P = ParamSpec("P")
T = TypeVar("T")


class BufferOptions(Protocol):
    """The options of the line file's `buffer` section that are used here."""

    @property
    def max_bytes(self) -> int: ...

    @property
    def max_age(self) -> Nanos: ...


@asynccontextmanager
async def open_buffer(
    path: Path,
    options: BufferOptions,
    sinks: Mapping[str, frozenset[Kind]],
    clock: Callable[[], Nanos] = time.time_ns,
    handling: PointHandling | None = None,
    folder: StateFolder | None = None,
    part: Part | None = None,
    journal: JournalLimits | None = None,
) -> AsyncIterator["Buffer"]:
    """Opens the buffer at `path`; `sinks` maps each sink to the classes it accepts. Raises Fatal.

    `handling` reads points: without it nothing is merged, and no loss is reported to the cloud.
    `folder` is the daemon's locked state folder, which holds the file.

    A new sink gets everything that is still stored; a removed one no longer holds back points.
    """
    # One thread for the file's whole life serves as the lock.
    thread = ThreadPoolExecutor(1, thread_name_prefix="buffer")
    loop = asyncio.get_running_loop()
    try:
        make_folder(path.parent)
        max_bytes, max_age = options.max_bytes, options.max_age
        opening = thread.submit(
            Store,
            path,
            max_bytes,
            sinks,
            clock,
            max_age=max_age,
            handling=handling,
            folder=folder,
            journal=journal,
        )
        part = part or Part("buffer")
        with part.during("opening", SALVAGE_S):
            store = await asyncio.wrap_future(opening)
        try:
            yield Buffer(store, thread, loop, part)
        finally:
            thread.submit(store.close)
    finally:
        # Blocks for the last commit: an await here could be cancelled and leave the file open.
        thread.shutdown(wait=True)


class Buffer:
    """The open buffer; made by `open_buffer`."""

    def __init__(
        self,
        store: Store,
        thread: ThreadPoolExecutor,
        loop: asyncio.AbstractEventLoop,
        part: Part,
    ) -> None:
        self._store, self._thread, self._loop, self._part = store, thread, loop, part
        self._news: dict[str, set[Kind]] = {sink: set() for sink in store.sinks}
        self._events = {sink: asyncio.Event() for sink in store.sinks}
        self.trouble = ""
        """Why the state folder or its disk is not as it should be; empty if it is."""

    async def append(
        self,
        envelopes: Sequence[Envelope],
        checkpoint: Mapping[str, bytes] | None = None,
        journal: Sequence[JournalEntry] = (),
    ) -> None:
        """Stores points, named states and entries of the alarm journal, durable on return.

        In one transaction: all of them are stored, or none.

        Raises BufferRefused or BufferFull (nothing was stored), or Fatal.
        """
        await self._run(self._append, tuple(envelopes), dict(checkpoint or {}), tuple(journal))

    def _append(
        self,
        envelopes: Sequence[Envelope],
        checkpoint: Mapping[str, bytes],
        journal: Sequence[JournalEntry],
    ) -> None:
        kinds = self._store.append(envelopes, checkpoint, journal)
        self._store.refused = ""
        # Not after the await, which may have been cancelled.
        self._loop.call_soon_threadsafe(self._announce, kinds)

    def _announce(self, kinds: set[Kind]) -> None:
        for sink, accepted in self._store.sinks.items():
            if kinds & accepted:
                self._news[sink] |= kinds & accepted
                self._events[sink].set()

    async def lease(
        self, sink: str, limit_rows: int, limit_bytes: int, *, lowest: Kind = Kind.CLIP
    ) -> Sequence[Envelope]:
        """The next points for a sink, alerts first, without removing them.

        At most `limit_rows` points and `limit_bytes` of bodies, but at least one point if there is
        any. No point of a class below `lowest`.
        """
        return await self._run(self._store.lease, sink, limit_rows, limit_bytes, lowest=lowest)

    async def merge(self) -> bool:
        """Merges the oldest summaries that no sink can have received; whether there were any."""
        return await self._run(self._store.merge)

    async def ack(
        self,
        sink: str,
        envelopes: Sequence[Envelope],
        checkpoint: Mapping[str, bytes] | None = None,
    ) -> None:
        """Acknowledges points that a sink has stored, and saves named states with that."""
        await self._run(self._store.ack, sink, envelopes, dict(checkpoint or {}))

    async def reject(self, sink: str, envelopes: Sequence[Envelope], why: str) -> None:
        """Moves points that a sink will never take to the dead letters, with the reason."""
        await self._run(self._store.reject, sink, envelopes, why)

    async def load_checkpoint(self, name: str) -> bytes | None:
        """The state last stored under this name; None if it is missing or damaged."""
        return await self._run(self._store.load_checkpoint, name)

    async def detectors(self) -> Sequence[str]:
        """The detectors that ever had a checkpoint."""
        return await self._run(self._store.detectors)

    def note(self, loss: Loss) -> None:
        """Counts and reports points that were lost before they reached the buffer."""
        self._thread.submit(self._store.note, loss)

    async def maintain(self, *, expire: bool = True) -> None:
        """Maintains the file; to be called every few seconds. Raises BufferRefused.

        `expire` is False while the clock is not trusted: then nothing expires.
        """
        await self._run(self._maintain, expire=expire)

    def _maintain(self, *, expire: bool) -> None:
        kinds = self._store.maintain(expire=expire)
        self._loop.call_soon_threadsafe(self._announce, kinds)

    async def dead_letters(self, limit: int, before: int = NEWEST) -> Sequence[DeadLetter]:
        """The newest dead letters."""
        return await self._run(self._store.dead_letters, limit, before)

    async def requeue(self, wanted: Sequence[int] | None) -> int:
        """Sends these dead letters, or all, again to the sinks that rejected them; their number."""
        count = await self._run(self._store.requeue, wanted)
        self._announce(set(Kind))
        return count

    async def discard(self, wanted: Sequence[int] | None) -> tuple[int, int]:
        """Deletes these dead letters, or all and takes note of losses; how many of both."""
        return await self._run(self._store.discard, wanted)

    async def journal(self, asked: JournalQuery) -> JournalPage:
        """Entries of the alarm journal."""
        return await self._run(self._store.journal, asked)

    async def stats(self) -> Mapping[str, object]:
        """Points by class, bytes, the oldest point's time, and losses since the start."""
        # Also while the buffer's files are not in their place.
        return await asyncio.wrap_future(
            self._thread.submit(self._timed, "stats", self._store.stats)
        )

    async def wait_for_news(self, sink: str) -> frozenset[Kind]:
        """Waits until points for this sink were appended since the last call; their classes."""
        await self._events[sink].wait()
        self._events[sink].clear()
        news, self._news[sink] = self._news[sink], set()
        return frozenset(news)

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        job = functools.partial(work, *args, **kwargs)
        what = work.__name__.strip("_").replace("_", " ")
        return await asyncio.wrap_future(self._thread.submit(self._guard, what, job))

    def _timed(self, what: str, job: Callable[[], T]) -> T:
        with self._part.during(what, BUFFER_S):
            return job()

    def _stand_and(self, job: Callable[[], T]) -> T:
        self._store.stand()
        return job()

    def _guard(self, what: str, job: Callable[[], T]) -> T:
        try:
            return self._timed(what, lambda: self._stand_and(job))
        except Misplaced as error:
            raise BufferRefused(str(error)) from error
        except (sqlite3.Error, Damaged) as error:
            with self._part.during("recovering", SALVAGE_S):
                raise self._recover(error) from error
        finally:
            self.trouble = self._store.trouble()

    def _recover(self, error: Exception) -> Exception:
        """Makes the store usable again; returns the error to raise for the failed call."""
        code = getattr(error, "sqlite_errorcode", 0)
        if is_damage(error):
            self._store.start_over()
            return BufferRefused(
                f"the buffer was damaged ({error}); sound points were salvaged to a fresh file"
            )
        if is_full(error):
            self._store.refused = f"the disk accepts no writes: {error}"
            return BufferFull(self._store.refused)
        if code & 0xFF == sqlite3.SQLITE_IOERR:
            self._store.refused = f"the disk failed: {error}"
            self._store.reopen()
            return BufferRefused(self._store.refused)
        return Fatal(f"the buffer cannot be used: {error}")
