"""Per-tag diagnostics for `andon status`: why a tag is not monitored as requested.

Promises
- A change is logged, a repetition is not, across sessions too.
- Tags with the same diagnostic share one text.
- A value that is used although it is uncertain is shown, with its status.
"""

from collections.abc import Iterable, Mapping, Sequence

import structlog

log = structlog.get_logger()
_NAMED = 3


class Diagnostics:
    """The current diagnostic of each tag; `texts` is always the same list, grouped and readable."""

    def __init__(self, source: str, tags: Sequence[str]) -> None:
        self._source, self._tags = source, tags
        self._by_tag: dict[int, str] = {}
        self._accepted: dict[int, str] = {}
        self._logged: set[tuple[int, str]] = set()
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
            self._show()

    def note_accepted(self, tags: Iterable[int], accepted: Mapping[int, str]) -> None:
        """Updates which of these tags have a value that is used though not all of it is right.

        Logged once for each tag and status: some servers change it with every value.
        """
        if not accepted and not self._accepted:
            return
        before = dict(self._accepted)
        for tag in tags:
            if tag in accepted:
                self._accepted[tag] = accepted[tag]
            else:
                self._accepted.pop(tag, None)
        if self._accepted == before:
            return
        new = self._accepted.items() - self._logged
        self._logged |= new
        for text, names in self._grouped(dict(sorted(new))).items():
            log.warning("opcua.tags_uncertain", source=self._source, tags=names, why=text)
        self._show()

    def _show(self) -> None:
        self.texts[:] = [
            f"{names}: {text}"
            for texts in (self._by_tag, self._accepted)
            for text, names in self._grouped(texts).items()
            if text
        ]

    def _grouped(self, diagnostics: Mapping[int, str]) -> dict[str, str]:
        by_text: dict[str, list[int]] = {}
        for tag, text in diagnostics.items():
            by_text.setdefault(text, []).append(tag)
        return {text: self._names(tags) for text, tags in by_text.items()}

    def _names(self, tags: Sequence[int]) -> str:
        names = ", ".join(self._tags[tag] for tag in tags[:_NAMED])
        more = len(tags) - _NAMED
        return f"{names} and {more} more" if more > 0 else names
