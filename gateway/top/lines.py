"""The lines that `andon top` shows: what each daemon answered last, and since when it does not.

Promises
- A daemon that does not answer, or answers otherwise than expected, is a sentence; what was known
  stays, and the next answer ends it.
- A daemon is asked at most half of the time: the more its status takes, the less often.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gateway.api.contracts import AndonError
from gateway.api.model import SECOND, Nanos
from gateway.api.visible import visible
from gateway.control.client import ControlError, request
from gateway.control.server import SOCKET
from gateway.top.facts import Facts, amount, every, of

JOURNAL = 50
"""Entries of the journal that are shown."""
SPAN: Nanos = 3600 * SECOND
"""The time of a trend, and the shortest one, of a line that has just started."""
SHORTEST: Nanos = 60 * SECOND


class Watched:
    """One line, by the folders that may hold its daemon's socket."""

    def __init__(self, name: str, folders: Sequence[Path]) -> None:
        self.name = name
        self._sockets = [folder / SOCKET for folder in folders]
        self.status: Facts = {}
        self.alarms: list[Facts] = []
        self.journal: list[Facts] = []
        self.no_journal = ""
        self.since: Nanos = 0
        """Since when it answers, or does not; 0 until it was asked."""
        self.answered_at: Nanos = 0
        self.why = "not asked yet"
        """Why there is no answer; empty while there is one."""

    async def refresh(self) -> float:
        """Asks for everything that is shown; how many seconds that took."""
        began = time.monotonic()
        try:
            status = await self._ask("/status")
            alarms = await self._ask("/alarms")
            journal = await self._journal()
        except AndonError as error:
            self._note(str(error))
        else:
            self.status, self.alarms, self.journal = of(status), every(alarms), journal
            self.answered_at = time.time_ns()
            self._note("")
        return time.monotonic() - began

    def _note(self, why: str) -> None:
        if not self.since or bool(why) != bool(self.why):
            self.since = time.time_ns()
        self.why = visible(why)

    async def _journal(self) -> list[Facts]:
        try:
            entries = every(of(await self._ask(f"/journal?limit={JOURNAL}")).get("entries"))
        except ControlError as error:
            # A daemon of an earlier version has none.
            self.no_journal = visible(str(error))
            return []
        self.no_journal = ""
        return entries

    async def act(self, body: Mapping[str, Any]) -> Facts:
        """Has the daemon do an act on an alarm; its answer. AndonError if it refuses."""
        return of(await self._ask("/alarms/act", dict(body)))

    async def show(self, alarm_id: str) -> Facts:
        """An alarm with its entries in the journal; empty if the daemon cannot say."""
        try:
            return of(await self._ask(f"/alarms/show?id={quote(alarm_id, safe='')}"))
        except AndonError:
            return {}

    async def trend(self, tag: str, points: int) -> Facts:
        """The trend of a tag over `SPAN`, or since the start: {"since", "trend", "why"}."""
        now = time.time_ns()
        since = max(now - SPAN, min(int(amount(self.status, "started") or 0), now - SHORTEST))
        path = f"/trend?tag={quote(tag, safe='')}&since={since}&until={now}&points={points}"
        try:
            answer = of(await self._ask(path))
        except AndonError as error:
            return {"since": since, "trend": {}, "why": str(error)}
        return {
            "since": since,
            "trend": of(of(answer.get("tags")).get(tag)),
            "why": answer.get("why"),
        }

    async def _ask(self, path: str, body: Any = None) -> Any:
        for socket in self._sockets:
            answer = await request(socket, path, body)
            if answer is not None:
                return answer
        raise AndonError(f"no daemon answers for {self.name}")
