"""The line's points and checkpoints until the buffer has taken them.

Promises
- Points, checkpoints and entries of the journal go in one transaction; what is refused is kept and
  offered again.
- On a full disk the alerts go alone, with all entries of the journal; summaries wait.
- A buffer that refuses for days does not fill the memory: clips are dropped first, then summaries,
  counted. So are the oldest entries of the journal, and a note in it says how many.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog

from gateway.api.contracts import AndonError, Fatal
from gateway.api.model import Envelope, Kind, Loss, Nanos
from gateway.buffer.errors import BufferFull
from gateway.core.alarms.journal import JournalEntry, note

log = structlog.get_logger()

LIMIT = 20_000
"""Points kept in memory while the buffer refuses them, some 4 MB."""


class LineStore(Protocol):
    """The part of the buffer that the line uses."""

    async def append(
        self,
        envelopes: Sequence[Envelope],
        checkpoint: Mapping[str, bytes] = ...,
        journal: Sequence[JournalEntry] = ...,
    ) -> None: ...

    async def load_checkpoint(self, name: str) -> bytes | None: ...

    def note(self, loss: Loss) -> None: ...


class Outbox:
    """Points and checkpoints on their way to the store."""

    def __init__(self, store: LineStore) -> None:
        self._store = store
        self._waiting: list[Envelope] = []
        self._entries: list[JournalEntry] = []
        self._entries_dropped = 0
        self._saved: dict[str, bytes] = {}
        self._is_refused = False
        self.failures = 0
        self.dropped = 0
        """Points that neither the buffer nor the memory had room for."""

    async def restore(self, name: str) -> bytes | None:
        """The checkpoint of this name that the last run left."""
        state = await self._store.load_checkpoint(name)
        if state is not None:
            self._saved[name] = state
        return state

    def add(self, points: Sequence[Envelope]) -> None:
        """Points for the next `send`."""
        self._waiting += points

    def note(self, entry: JournalEntry) -> None:
        """An entry of the journal, stored with the next `send`."""
        self._entries.append(entry)

    def lose(self, loss: Loss) -> None:
        """Report points that were given up before they were made."""
        self._store.note(loss)

    @property
    def newest(self) -> Nanos | None:
        """The latest time of what waits."""
        return max((envelope.at for envelope in self._waiting), default=None)

    async def send(self, states: Mapping[str, bytes]) -> bool | None:
        """Store all that waits, and the checkpoints that changed; whether it is stored.

        None if there was nothing to do.
        """
        changed = {name: s for name, s in states.items() if self._stored(name) != s}
        if not (self._waiting or self._entries or changed):
            return None
        try:
            await self._append(changed)
        except Fatal:
            raise
        except AndonError as error:
            self._note_refusal(error)
            return False
        if self._is_refused:
            log.info("buffer.accepts", failures=self.failures)
        self._is_refused = False
        self._saved |= changed
        return True

    def _stored(self, name: str) -> bytes | None:
        """The state of this name on disk; None if that is not known since a refusal."""
        return self._saved.get(name, None if self._is_refused else b"{}")

    async def _append(self, changed: Mapping[str, bytes]) -> None:
        entries = self._entries_and_note()
        try:
            await self._store.append(self._waiting, changed, entries)
        except BufferFull:
            alerts = [e for e in self._waiting if e.kind is Kind.ALERT]
            if len(alerts) == len(self._waiting):
                raise
            await self._store.append(alerts, changed, entries)
            self._waiting = [e for e in self._waiting if e.kind is not Kind.ALERT]
            self._bound()
        else:
            self._waiting.clear()
        self._entries.clear()
        self._entries_dropped = 0

    def _entries_and_note(self) -> list[JournalEntry]:
        """The entries that wait, after a note of those that were dropped."""
        if not self._entries_dropped:
            return self._entries
        count, at = self._entries_dropped, self._entries[0].at
        why = "the buffer took nothing, and the memory was full"
        missing = f"{count:,} entries are missing before this one: {why}"
        return [note(at, missing, lost=count, why="no_room"), *self._entries]

    def _note_refusal(self, error: AndonError) -> None:
        if not self._is_refused:
            log.error("buffer.refused", why=str(error), kept=len(self._waiting))
        self._is_refused = True
        self.failures += 1
        # The store may have been replaced: everything worth keeping is written again.
        self._saved.clear()
        self._bound()

    def _bound(self) -> None:
        too_many = max(len(self._entries) - LIMIT, 0)
        del self._entries[:too_many]
        self._entries_dropped += too_many
        excess = len(self._waiting) - LIMIT
        if excess <= 0:
            return
        alerts = [e for e in self._waiting if e.kind is Kind.ALERT]
        others = [e for e in self._waiting if e.kind is not Kind.ALERT]
        others.sort(key=lambda e: e.kind is not Kind.CLIP)
        # Should there ever be more alerts than that, they are kept: they are few by nature.
        self._waiting = alerts + others[excess:]
        for kind in Kind:
            gone = [envelope.at for envelope in others[:excess] if envelope.kind is kind]
            if gone:
                self._store.note(Loss(kind, "no_room", len(gone), min(gone), max(gone)))
                self.dropped += len(gone)
