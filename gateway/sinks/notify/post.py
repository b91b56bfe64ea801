"""The receivers of one notify sink with what waits for each. No I/O: the time is an argument.

Promises
- An alert that the gateway sends again is offered once, as long as it is sent again in order.
- What is kept for a receiver that is not in the line file any more is left out and reported.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.api.alarms import Transition
from gateway.api.model import Nanos
from gateway.api.wording import counted
from gateway.sinks.alert_news import AlertNews
from gateway.sinks.notify.mailbox import Mailbox
from gateway.sinks.notify.options import NotifyOptions

MOST_RECENT = 16_000
"""Alerts that the gateway may send again; it sends at most 8,000 in one batch."""
MOST_ESCALATED = 1_000


class Post:
    """All mailboxes of a sink, by the name of the receiver."""

    def __init__(self, options: NotifyOptions) -> None:
        self.boxes = {name: Mailbox(each) for name, each in options.targets.items()}
        self._recent: dict[str, None] = {}
        self._steps: dict[str, int] = {}
        """How many times each alarm was escalated, as far as it is known."""

    def take(self, batch: Sequence[AlertNews], now: Nanos) -> bool:
        """Offers to each receiver what is new in the batch; whether anything was."""
        new = [each for each in batch if each.key not in self._recent]
        if len(new) == len(batch):
            # The gateway sends again from the oldest on, so it never sends these again.
            self._recent.clear()
        for each in new:
            if each.key in self._recent:
                continue
            self._recent[each.key] = None
            step = self._step(each)
            for box in self.boxes.values():
                box.offer(each, step)
        for box in self.boxes.values():
            box.trim()
            # Notes which of them must wait, also for a restart.
            box.next(now)
        while len(self._recent) > MOST_RECENT:
            del self._recent[next(iter(self._recent))]
        return bool(new)

    def _step(self, news: AlertNews) -> int:
        if news.transition == Transition.RAISED:
            self._steps.pop(news.id, None)
        if news.transition != Transition.ESCALATED:
            return 0
        step = self._steps.pop(news.id, 0) + 1
        self._steps[news.id] = step
        while len(self._steps) > MOST_ESCALATED:
            del self._steps[next(iter(self._steps))]
        return step

    def facts(self) -> dict[str, Any]:
        """As plain values, to be kept."""
        return {
            "version": 1,
            "recent": list(self._recent),
            "steps": self._steps,
            "targets": {name: box.facts() for name, box in self.boxes.items()},
        }

    def restore(self, facts: Mapping[str, Any]) -> list[str]:
        """What `facts` gave; sentences on what is lost of it."""
        lost = []
        try:
            self._recent = dict.fromkeys(map(str, facts["recent"]))
            self._steps = {str(k): int(v) for k, v in facts["steps"].items()}
            kept = dict(facts["targets"])
        except (KeyError, TypeError, ValueError, AttributeError):
            return ["what waited was kept in another form, and is lost"]
        for name, box in self.boxes.items():
            if name not in kept:
                continue
            try:
                box.restore(kept[name])
            except (KeyError, TypeError, ValueError, AttributeError):
                lost.append(f"{name}: what waited was kept in another form, and is lost")
        for name in sorted(kept.keys() - self.boxes.keys()):
            count = len(kept[name].get("waiting", ())) if isinstance(kept[name], dict) else 0
            if count:
                waited = counted(count, "alert")
                lost.append(f"{name} is no target any more: {waited} that waited left out")
        return lost
