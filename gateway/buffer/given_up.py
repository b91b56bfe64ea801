"""Points that were given up and that a person should know of. Pure.

Promises
- Alerts that were given up are reported until a person has requeued or discarded them.
- Other points are reported until nothing of their kind was given up for `RECENT`.
- Clips that were limited as the line file says are not reported: that is what it asks for.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.api.local_time import local_time
from gateway.api.model import SECOND, Kind, Nanos

RECENT: Nanos = 15 * 60 * SECOND
"""How long after the last one refused summaries, reports and clips are called a fault."""
INTENDED = ("per_hour", "no_history")
"""Reasons that the options of clips bring about."""
IN_DEAD_LETTERS = ("rejected", "corrupt")
"""Reasons whose points are dead letters, and are reported as such."""
_NAMES = {
    Kind.ALERT: "alert",
    Kind.SUMMARY: "summary",
    Kind.GATEWAY: "report",
    Kind.CLIP: "clip sample",
}
_WHY = {
    "evicted": "no room in the buffer",
    "expired": "older than buffer.max_age",
    "damaged": "not recovered from a damaged buffer",
    "lost_tail": "missing at the end of the buffer's log",
    "no_sink": "no sink accepts them any more",
    "no_room": "the disk and the memory were full",
}
_LONGEST = 160


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Points of one class with one fate; `sink` is empty if no sink refused them.

    `since` and `until` are the times at which the first and the last were given up.
    """

    sink: str
    kind: Kind
    count: int
    since: Nanos
    until: Nanos
    why: str

    def is_news(self, now: Nanos) -> bool:
        """Whether a person should still be told."""
        return self.kind is Kind.ALERT or now - self.until < RECENT

    def facts(self, now: Nanos) -> dict[str, object]:
        """As plain values."""
        return {
            "sink": self.sink,
            "class": self.kind.name.lower(),
            "count": self.count,
            "since": self.since,
            "until": self.until,
            "why": self.why,
            "is_news": self.is_news(now),
        }


def reason(code: str) -> str:
    """The reason of a loss in words."""
    return _WHY.get(code, code.replace("_", " "))


def sentences(given_up: Iterable[GivenUp], now: Nanos) -> list[str]:
    """One sentence for each sink, and one for each way in which the buffer lost points."""
    news = sorted((each for each in given_up if each.is_news(now)), key=lambda each: each.kind)
    fates: dict[tuple[str, str], list[GivenUp]] = {}
    for each in news:
        fates.setdefault((each.sink, "" if each.sink else each.why), []).append(each)
    return [_sentence(sink, group) for (sink, _), group in fates.items()]


def _sentence(sink: str, group: Sequence[GivenUp]) -> str:
    counts = " and ".join(_counted(each.count, each.kind) for each in group)
    since, why = min(each.since for each in group), group[0].why
    short = why if len(why) <= _LONGEST else f"{why[:_LONGEST]}…"
    what, where = ("refused", f"sink {sink}") if sink else ("lost", "buffer")
    command = "list" if sink else "stat"
    fate = f"{counts} {what} since {_clock(since)} ({short})"
    return f"{where}: {fate}: andon buffer LINE.yaml {command}"


def _counted(count: int, kind: Kind) -> str:
    name = _NAMES[kind]
    if count != 1:
        name = "summaries" if kind is Kind.SUMMARY else f"{name}s"
    return f"{count:,} {name}"


def _clock(at: Nanos) -> str:
    is_today = local_time(at, "%Y%m%d") == local_time(time.time_ns(), "%Y%m%d")
    return local_time(at, "%H:%M" if is_today else "%Y-%m-%d %H:%M")
