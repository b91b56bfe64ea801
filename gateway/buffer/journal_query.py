"""Reading the alarm journal, in the daemon and from a buffer that no daemon has open.

Promises
- A query returns at most its limit, and reads an index instead of the whole table.
- A damaged row is not shown, and named.
"""
# ruff: noqa: S608 - only conditions of this module are put into a statement

import sqlite3
from dataclasses import dataclass, field

from gateway.api.model import Nanos
from gateway.buffer.rows import ALL, checksum
from gateway.core.alarms.journal import JournalEntry, decoded

NAME = "journal"
JournalRow = tuple[int, Nanos, Nanos, str, bytes, int]
"""A row as it is stored: seq, at, recorded_at, alarm, body, crc."""

_SELECT = (
    "SELECT seq, CAST(at AS INTEGER), CAST(recorded_at AS INTEGER), CAST(alarm AS TEXT), "
    "CAST(body AS BLOB), CAST(crc AS INTEGER) FROM journal"
)


def journal_checksum(seq: int, at: Nanos, recorded_at: Nanos, alarm: str, body: bytes) -> int:
    """The CRC that the last column of a row must have."""
    return checksum(NAME, seq, at, recorded_at, alarm, body)


@dataclass(frozen=True, slots=True)
class JournalQuery:
    """Entries with times in [since, until) and numbers below `before`; of one alarm, or of all."""

    limit: int
    since: Nanos = 0
    until: Nanos = ALL
    before: int = ALL
    alarm: str = ""


@dataclass(slots=True)
class JournalPage:
    """The rows of the newest entries that a query asks for, newest first."""

    rows: list[JournalRow] = field(default_factory=list)
    more: bool = False
    damaged: list[int] = field(default_factory=list)
    """The numbers of damaged rows, which are not among them."""

    def entries(self) -> list[JournalEntry]:
        """The entries; a thousand take a hundredth of a second."""
        return [decoded(*row[:5]) for row in self.rows]


def query(db: sqlite3.Connection, asked: JournalQuery) -> JournalPage:
    """The answer to a query."""
    where: list[str] = ["seq < ?"]
    values: list[int | str] = [asked.before]
    index = ""
    if asked.since > 0 or asked.until < ALL:
        where, values = [*where, "at >= ?", "at < ?"], [*values, asked.since, asked.until]
        index = "INDEXED BY journal_at"
    if asked.alarm:
        where, values = [*where, "alarm = ?"], [*values, asked.alarm]
        index = "INDEXED BY journal_alarm"
    chosen = f"SELECT seq FROM journal {index} WHERE {' AND '.join(where)}"
    rows = db.execute(
        f"{_SELECT} WHERE seq IN ({chosen} ORDER BY seq DESC LIMIT ?) ORDER BY seq DESC",
        (*values, asked.limit + 1),
    ).fetchall()
    page = JournalPage(more=len(rows) > asked.limit)
    for row in rows[: asked.limit]:
        if row[5] == journal_checksum(*row[:5]):
            page.rows.append(row)
        else:
            page.damaged.append(row[0])
    return page
