"""What is to be said of tags: why one is not monitored, or not as it was asked for.

Promises
- A change is logged, a repetition is not, across sessions too.
- Many tags with the same remark share a line.
"""

import logging
from collections.abc import Mapping, Sequence

log = logging.getLogger(__name__)
_NAMED = 3


class Diagnostics:
    """By tag; `lines` is what stands, for people."""

    def __init__(self, source: str, tags: Sequence[str]) -> None:
        self._source, self._tags = source, tags
        self._said: dict[int, str] = {}
        self.lines: list[str] = []

    def note(self, found: Mapping[int, str]) -> None:
        """What is to be said of some tags now; empty when nothing is."""
        news = {tag: text for tag, text in found.items() if text != self._said.get(tag, "")}
        self._said |= news
        for line in self._in_lines({tag: text for tag, text in news.items() if text}):
            log.warning("%s: %s", self._source, line)
        for line in self._in_lines({tag: "is as asked for" for tag in news if not news[tag]}):
            log.info("%s: %s", self._source, line)
        if news:
            self.lines[:] = self._in_lines({tag: text for tag, text in self._said.items() if text})

    def _in_lines(self, texts: Mapping[int, str]) -> list[str]:
        by_text: dict[str, list[int]] = {}
        for tag, text in texts.items():
            by_text.setdefault(text, []).append(tag)
        return [f"{self._names(tags)}: {text}" for text, tags in by_text.items()]

    def _names(self, tags: Sequence[int]) -> str:
        names = ", ".join(self._tags[tag] for tag in tags[:_NAMED])
        more = len(tags) - _NAMED
        return f"{names} and {more} more" if more > 0 else names
