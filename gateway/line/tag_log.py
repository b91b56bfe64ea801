"""Logs once which tags are not fresh any more, and why, and which are again."""

import structlog

from gateway.api.model import Nanos
from gateway.core.freshness import Freshness, FreshnessWatch
from gateway.core.tag_changes import TagChanges

log = structlog.get_logger()

LOGGED = 10
"""Tags that a log entry names; the others are counted."""


class TagLog:
    """What was said of the tags of a line."""

    def __init__(self, watch: FreshnessWatch) -> None:
        self._watch, self._changes = watch, TagChanges(watch.tags)

    def note(self, now: Nanos) -> None:
        """Log what has changed by now."""
        watch, states = self._watch, self._watch.states(now)
        conditions = {
            tag: (Freshness(int(states[tag])).name.lower(), why)
            for tag, why in watch.reasons(now).items()
        }
        # What a lost source says was logged as `source.lost`.
        undecided = {*watch.awaited(now).nonzero()[0].tolist(), *watch.tags_away()}
        for change in self._changes.take(conditions, now, undecided):
            facts = {"source": change.source, "count": len(change.tags)}
            names = list(change.tags[:LOGGED])
            if change.state == "fresh":
                log.info("tags.fresh", **facts, tags=names)
            else:
                event = f"tags.{change.state}"
                log.warning(event, **facts, tags=names, why=change.why)
