"""Per-tag diagnostics for `andon status`: why a tag is not monitored as requested.

Promises
- A change is logged, a repetition is not, across sessions too.
- Tags with the same diagnostic share one text.
"""

from collections.abc import Mapping, Sequence

import structlog

log = structlog.get_logger()
_NAMED = 3


class Diagnostics:
    """The current diagnostic of each tag; `texts` is always the same list, grouped and readable."""

    def __init__(self, source: str, tags: Sequence[str]) -> None:
        self._source, self._tags = source, tags
        self._by_tag: dict[int, str] = {}
        self.texts: list[str] = []

    def note(self, diagnostics: Mapping[int, str]) -> None:
        """Updates the diagnostics of some tags; an empty text clears a tag's."""
        changed = {
            tag: text for tag, text in diagnostics.items() if text != self._by_tag.get(tag, "")
        }
        self._by_tag |= changed
        for text, names in self._grouped(changed).items():
            if text:
                log.warning("opcua.tags_degraded", source=self._source, tags=names, why=text)
            else:
                log.info("opcua.tags_recovered", source=self._source, tags=names)
        if changed:
            current = {tag: text for tag, text in self._by_tag.items() if text}
            self.texts[:] = [f"{names}: {text}" for text, names in self._grouped(current).items()]

    def _grouped(self, diagnostics: Mapping[int, str]) -> dict[str, str]:
        by_text: dict[str, list[int]] = {}
        for tag, text in diagnostics.items():
            by_text.setdefault(text, []).append(tag)
        return {text: self._names(tags) for text, tags in by_text.items()}

    def _names(self, tags: Sequence[int]) -> str:
        names = ", ".join(self._tags[tag] for tag in tags[:_NAMED])
        more = len(tags) - _NAMED
        return f"{names} and {more} more" if more > 0 else names
