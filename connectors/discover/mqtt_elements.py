"""What tells the elements of a list of objects from each other (pure)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connectors.discover.mqtt_meaning import times_in
from connectors.mqtt.paths import Condition, Token, token_of
from gateway.api.model import Nanos

Keys = tuple[str, ...]
"""A key of an object, or keys one within the other."""
_NAMES = (
    *("id", "nodeid", "tagid", "tag", "tagname", "name", "n", "key", "alias", "propertyalias"),
    *("channel", "code", "address", "sensor", "sensorid", "device", "deviceid", "variable"),
    *("symbol", "signal", "point", "metric", "displayname", "mac", "uuid", "topic", "label"),
)
"""Keys that name a thing, the most telling first."""


def condition_of(element: Mapping[str, Any], keys: Keys) -> Condition:
    """The condition that this element meets at these keys."""
    token = token_of(_at(element, keys))
    if token is None:
        raise ValueError(f"{keys} is not a plain value")
    return Condition(keys, (token,))


def identity_of(elements: Sequence[Mapping[str, Any]], now: Nanos) -> tuple[Keys, ...] | None:
    """The keys, at most two, whose values differ from element to element; None if there are none.

    Elements that have the same values and times of their own are samples of one thing.
    """
    if not elements:
        return None
    are_samples = all(times_in(each, now) for each in elements)
    shared = list(_shared(elements, now))
    named = [keys for keys in shared if keys[-1].lower() in _NAMES]
    named.sort(key=lambda keys: (_NAMES.index(keys[-1].lower()), len(keys)))
    for keys in named:
        if _are_unique(elements, (keys,)):
            return (keys,)
    for first in named:
        for second in shared:
            if second != first and _are_unique(elements, (first, second)):
                return first, second
    if named and are_samples:
        return (named[0],)
    texts = [keys for keys in shared if isinstance(_at(elements[0], keys), str)]
    unique = (keys for keys in texts if len(elements) > 1 and _are_unique(elements, (keys,)))
    return next(((keys,) for keys in unique), None)


def _shared(elements: Sequence[Mapping[str, Any]], now: Nanos) -> Iterator[Keys]:
    """The keys at which every element has a text or a whole number that is not its time."""
    for keys in _plain(elements[0], now):
        values = [_at(each, keys) for each in elements]
        if all(isinstance(v, str | int) and not isinstance(v, bool) for v in values):
            yield keys


def _plain(element: Mapping[str, Any], now: Nanos) -> Iterator[Keys]:
    times = {key for key, _ in times_in(element, now)}
    for key, value in element.items():
        if isinstance(value, dict):
            yield from ((key, inner) for inner in value)
        elif key not in times:
            yield (key,)


def _are_unique(elements: Sequence[Mapping[str, Any]], keys: tuple[Keys, ...]) -> bool:
    seen: set[tuple[Token | None, ...]] = {
        tuple(token_of(_at(each, key)) for key in keys) for each in elements
    }
    return len(seen) == len(elements)


def _at(element: Any, keys: Keys) -> Any:
    for key in keys:
        element = element.get(key) if isinstance(element, dict) else None
    return element


def without(element: Mapping[str, Any], keys: tuple[Keys, ...]) -> dict[str, Any]:
    """The element without what it is selected by."""
    names = {key[0] for key in keys if len(key) == 1}
    rest = {key: value for key, value in element.items() if key not in names}
    for outer, inner in (key for key in keys if len(key) == 2):
        nested = rest.get(outer)
        if isinstance(nested, dict):
            rest[outer] = {key: value for key, value in nested.items() if key != inner}
    return rest
