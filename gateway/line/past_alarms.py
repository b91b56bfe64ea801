"""The alarms of a line that are over, by what the journal knows of them."""

from typing import Protocol

from gateway.api.alarms import Alert
from gateway.buffer.journal_query import JournalPage, JournalQuery
from gateway.core.alarms.journal import EntryKind
from gateway.core.alarms.past import remembered_alert
from gateway.line.line import Line


class KeepsJournal(Protocol):
    """The part of the buffer that is used."""

    async def journal(self, asked: JournalQuery) -> JournalPage: ...


class PastAlarms:
    """Alarms that are over, from the journal; verdicts on them, to the line."""

    def __init__(self, journal: KeepsJournal, line: Line) -> None:
        self._journal, self._line = journal, line

    async def alert(self, alarm_id: str) -> Alert | None:
        """The last transition of an alarm; None if the journal has none of that id."""
        page = await self._journal.journal(JournalQuery(1, alarm=alarm_id))
        newest = next((e for e in page.entries() if e.kind is EntryKind.ALARM), None)
        return remembered_alert(newest.facts) if newest else None

    async def comment(self, past: Alert, verdict: str, by: str, why: str) -> Alert:
        """Note a person's verdict or comment on it."""
        return await self._line.comment_on(past, verdict, by, why)
