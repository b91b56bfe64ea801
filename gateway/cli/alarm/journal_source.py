"""Where commands read the alarm journal: from the daemon, or from the buffer if none runs.

Promises
- Entries come page by page; no more than `MOST` are held.
- A line on stderr says that the buffer was read. Nothing is written to it.
"""

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from gateway.api.model import Nanos
from gateway.buffer.journal_file import read_file
from gateway.buffer.journal_query import JournalPage, JournalQuery
from gateway.cli.daemon import understood
from gateway.core.alarms.journal import JournalEntry, decoded, from_json

PAGE = 1_000
"""Entries that the daemon returns at a time, at most."""
MOST = 1_000_000
ENTRIES = 1_000
"""Entries of one alarm that are read, the newest."""
NEWEST = 2**63 - 1
BUFFER = "buffer.db"


@dataclass
class Found:
    """Entries, the newest first, and the alarms that are open now if a daemon says so."""

    entries: list[JournalEntry] = field(default_factory=list)
    more: bool = False
    """Whether there are older ones."""
    open: Sequence[Mapping[str, Any]] = ()


def read_journal(
    file: Path,
    *,
    since: Nanos = 0,
    until: Nanos = NEWEST,
    most: int = MOST,
    alarm: str = "",
    with_open: bool = False,
    keep: Callable[[JournalEntry], JournalEntry] = lambda entry: entry,
) -> Found:
    """The newest entries of a time span, at most so many, and of one alarm if it is named.

    `keep` gives what is to be kept of each entry.
    """
    from gateway.config.load import load
    from gateway.config.state import state_folders

    config = load(file)
    folders = state_folders(config)
    asked = {"since": since, "until": until, "id": alarm}
    for folder in folders:
        found = asyncio.run(_from_daemon(folder, asked, most, keep, with_open=with_open))
        if found is not None:
            return found
    page = _from_file(folders, JournalQuery(most, since, until, alarm=alarm))
    return Found([keep(decoded(*row[:5])) for row in page.rows], page.more)


async def _from_daemon(
    folder: Path,
    asked: Mapping[str, Any],
    most: int,
    keep: Callable[[JournalEntry], JournalEntry],
    *,
    with_open: bool,
) -> Found | None:
    from gateway.control.client import request
    from gateway.control.server import SOCKET

    found, before = Found(), NEWEST
    while len(found.entries) < most:
        limit = min(PAGE, most - len(found.entries))
        words = urlencode({**asked, "before": before, "limit": limit})
        page = await request(folder / SOCKET, f"/journal?{words}")
        if page is None:
            # One that ends meanwhile is read from its file, from the beginning.
            return None
        with understood():
            entries = [keep(from_json(each)) for each in page["entries"]]
            numbers = [before, *(each.seq for each in entries)]
            if any(b >= a for a, b in itertools.pairwise(numbers)):
                raise ValueError("the entries come in no order")
            found.entries += entries
            found.more = bool(page["more"])
        if not (found.more and entries):
            break
        before = entries[-1].seq
    if with_open:
        alarms = await request(folder / SOCKET, "/alarms")
        found.open = alarms if isinstance(alarms, list) else ()
    return found


def read_alarm(file: Path, alarm: str) -> dict[str, Any]:
    """One alarm, its entries with the oldest first, and its clip, as GET /alarms/show answers.

    ControlError if there is no such alarm.
    """
    from gateway.config.load import load
    from gateway.config.state import state_folders
    from gateway.control.client import ControlError, request
    from gateway.control.server import SOCKET

    folders = state_folders(load(file))
    for folder in folders:
        path = f"/alarms/show?{urlencode({'id': alarm})}"
        answer: dict[str, Any] | None = asyncio.run(request(folder / SOCKET, path))
        if answer is not None:
            return answer
    entries = _from_file(folders, JournalQuery(ENTRIES, alarm=alarm)).entries()
    if not entries:
        raise ControlError(404, f"no alarm has the id {alarm!r} in the journal")
    rows = [each.as_json() for each in reversed(entries)]
    return {"alarm": rows[-1]["facts"], "entries": rows, "clip": ""}


def _from_file(folders: Sequence[Path], asked: JournalQuery) -> JournalPage:
    path = next((folder / BUFFER for folder in folders if (folder / BUFFER).exists()), None)
    if path is None:
        raise click.ClickException(
            f"no daemon answers, and there is no buffer in {' or '.join(map(str, folders))}: the "
            "line has never run here"
        )
    click.echo(f"no daemon answers: read from {path}", err=True)
    page = read_file(path, asked)
    if page.damaged:
        click.echo(f"{len(page.damaged):,} entries are damaged, and left out", err=True)
    return page
