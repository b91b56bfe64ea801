"""The alarms that were open in the last run and are not in the line file any more."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from gateway.api.alarms import (
    Alert,
)
from gateway.buffer.journal_query import JournalPage, JournalQuery
from gateway.core.alarms.journal import EntryKind
from gateway.core.alarms.past import remembered_alert
from gateway.core.alarms.removed import last_known, left_behind


class KeepsPast(Protocol):
    """The part of the buffer that is used."""

    async def detectors(self) -> Sequence[str]: ...

    async def load_checkpoint(self, name: str) -> bytes | None: ...

    async def journal(self, asked: JournalQuery) -> JournalPage: ...


async def removed_alarms(
    store: KeepsPast, known: Mapping[str, Collection[str]]
) -> Mapping[str, Sequence[Alert]]:
    """By detector, the last alert of each alarm that is not `known`."""
    removed: dict[str, Sequence[Alert]] = {}
    for detector in await store.detectors():
        state = await store.load_checkpoint(detector)
        left = left_behind(state, known.get(detector, ())) if state else {}
        lasts = [last_known(detector, name, kept) for name, kept in left.items()]
        if lasts:
            removed[detector] = [await _told(store, last) for last in lasts]
    return removed


async def _told(store: KeepsPast, last: Alert) -> Alert:
    """The same as the journal has it, which knows more, if it has it."""
    page = await store.journal(JournalQuery(1, alarm=last.id))
    newest = next((each for each in page.entries() if each.kind is EntryKind.ALARM), None)
    return (remembered_alert(newest.facts) if newest else None) or last
