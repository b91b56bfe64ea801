"""Lookup of the tags that a detector names, among the tags of its line."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from gateway.api.contracts import ConfigError
from gateway.api.model import Tag


def known_tags(detector: str, wanted: Iterable[str], tags: Mapping[str, Tag]) -> list[Tag]:
    """Returns the line's tags of these names, in order; ConfigError names all that are missing."""
    names = list(wanted)
    missing = [_not_found(name, tags) for name in names if name not in tags]
    if missing:
        raise ConfigError(f"detector {detector}: " + "; ".join(missing))
    return [tags[name] for name in names]


def _not_found(name: str, tags: Mapping[str, Tag]) -> str:
    close = get_close_matches(name, tags, n=1)
    if close:
        return f"no tag {name!r} in this line, did you mean {close[0]!r}?"
    return f"no tag {name!r} in this line, it has {', '.join(sorted(tags)) or 'none'}"
