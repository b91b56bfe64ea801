"""Lines on their way to a server that may refuse some of them: sends runs, finds the wrong ones.

Promises
- A line is given up only when the server refused it alone, twice, and takes others; or when it
  says that it dropped every line of the request.
- Among `MOST_LINES` lines, one that is wrong costs at most 13 requests more.
- What was settled before the link failed is not sent again: the next attempt goes on from there,
  however short the link's good moments are.
"""

import math
from collections.abc import Awaitable, Callable, Sequence

from gateway.api.contracts import SinkUnavailable
from gateway.sinks.influx_responses import Answer, Verdict

MOST_LINES = 1_000
"""In one request: ten halvings, two questions, one to be sure, and the rest make 13."""
COMMENT = b"# andon asks whether it may write here"
"""Line protocol that stores nothing."""
PATIENCE = 8
"""After so many bodies that were not too large, twice as much is tried."""
_MOST_PATIENCE = 256

Send = Callable[[Sequence[bytes]], Awaitable[Answer]]
"""One request; raises SinkUnavailable unless the server decided about these lines."""


class Sorter:
    """Remembers what of an unfinished batch is settled, and how much the server takes at once."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._limit = _Limit()
        self._reach = MOST_LINES
        """How many lines to send at once, after what was refused last."""
        self._settled: dict[bytes, str] = {}
        """Lines of a batch on its way, with the server's words about a wrong one, "" if stored."""
        self._is_open = False
        """Whether the server has shown, in this attempt, that it takes what is right."""

    async def store(self, lines: Sequence[bytes]) -> dict[int, str]:
        """Store all; the indices of those that the server will never take, with its words.

        Raises SinkUnavailable as `send` does.
        """
        known = self._settled
        self._settled = {line: known[line] for line in lines if line in known} if known else {}
        self._is_open = False
        await self._store([line for line in lines if line not in self._settled])
        found = {n: said for n, line in enumerate(lines) if (said := self._settled[line])}
        self._settled = {}
        return found

    async def _store(self, lines: Sequence[bytes]) -> None:
        start = 0
        while start < len(lines):
            end = self._limit.fits(lines, start, min(len(lines), start + self._reach))
            run = lines[start:end]
            answer = await self._send(run)
            if answer.verdict is Verdict.STORED:
                self._note(run)
                start, self._reach = end, min(self._reach * 2, MOST_LINES)
            elif len(run) == 1:
                await self._question(lines, start, answer)
                start = end
            elif answer.verdict is Verdict.TOO_LARGE:
                self._limit.refused(run)
            elif answer.dropped == len(run):
                # Points beyond the bucket's retention come by the thousand after an outage.
                self._note(run, answer.said)
                start = end
            else:
                start = await self._find_wrong(lines, start, end)
                # Neighbours are often wrong for the same reason: then ask one by one for a while.
                self._reach = 1 if self._is_wrong(lines, start - 2) else MOST_LINES

    async def _find_wrong(self, lines: Sequence[bytes], start: int, end: int) -> int:
        """Settle the first wrong line of [start, end), which was refused; the index to go on from.

        Only first halves are sent: when one is stored the wrong line is in the second, which need
        not be asked. That is one request for each halving, not two.
        """
        refusal = None
        while end - start > 1:
            middle = (start + end) // 2
            self._reach = middle - start
            answer = await self._send(lines[start:middle])
            if answer.verdict is Verdict.STORED:
                self._note(lines[start:middle])
                start, refusal = middle, None
            elif answer.verdict is Verdict.TOO_LARGE:
                return start
            else:
                end, refusal = middle, answer
        # Good lines are not given up by inference: where the other half was stored, ask.
        await self._question(lines, start, refusal or await self._send(lines[start:end]))
        return end

    async def _question(self, lines: Sequence[bytes], index: int, answer: Answer) -> None:
        """Settle a line that was sent alone: one refusal may be a moment's.

        The words that its neighbour was refused with twice need not be heard twice.
        """
        line = lines[index]
        known = self._settled.get(lines[index - 1]) if index else None
        if answer.verdict is not Verdict.STORED and answer.said != known:
            answer = await self._send([line])
        if answer.verdict is not Verdict.STORED and not self._is_open:
            await self._suspect_the_request(answer)
        self._note([line], "" if answer.verdict is Verdict.STORED else answer.said)

    async def _suspect_the_request(self, answer: Answer) -> None:
        """Nothing was stored yet: if a mere comment is refused as well, no line is to blame."""
        comment = await self._send([COMMENT])
        if comment.said == answer.said:
            raise SinkUnavailable(answer.said, needs_human=True)
        self._is_open = True

    def _note(self, lines: Sequence[bytes], said: str = "") -> None:
        self._settled.update(dict.fromkeys(lines, said))
        self._is_open |= not said
        self._limit.taken()

    def _is_wrong(self, lines: Sequence[bytes], index: int) -> bool:
        return index >= 0 and bool(self._settled.get(lines[index]))


class _Limit:
    """How many bytes the server takes at once. Remembered, and doubted: each time more patiently.

    The proxy that set the limit may be gone, or it was said in error.
    """

    def __init__(self) -> None:
        self._bytes: float = math.inf
        self._taken, self._patience = 0, PATIENCE

    def refused(self, run: Sequence[bytes]) -> None:
        """These were too large together."""
        self._bytes = _size(run) // 2
        # Nothing was taken since the last time: the doubt was wrong.
        self._patience = PATIENCE if self._taken else min(2 * self._patience, _MOST_PATIENCE)
        self._taken = 0

    def taken(self) -> None:
        """A body was not too large."""
        self._taken += 1
        if self._taken >= self._patience:
            self._bytes, self._taken = 2 * self._bytes, 0

    def fits(self, lines: Sequence[bytes], start: int, end: int) -> int:
        """The end of the longest run of lines that the server may take; at least one."""
        size = 0
        for index in range(start, end):
            size += len(lines[index]) + 1
            if size > self._bytes and index > start:
                return index
        return end


def _size(lines: Sequence[bytes]) -> int:
    return sum(len(line) + 1 for line in lines)
