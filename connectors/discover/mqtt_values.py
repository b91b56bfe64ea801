"""The numbers in a payload, each with how a line file reads it (pure).

Promises
- An element of a list is proposed by a key that tells it from the others, never by its place.
- Times and qualities are not proposed as tags; they belong to the values beside them.
- What cannot be proposed is named.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from connectors.discover.mqtt_elements import condition_of, identity_of, without
from connectors.discover.mqtt_meaning import (
    has_no_zone,
    numbers_as_text,
    quality_in,
    time_format,
    times_in,
)
from connectors.mqtt.paths import EVERY, Every, Key, Path, Where, is_position, write_path
from connectors.mqtt.payloads import number_of
from connectors.mqtt.senml import resolved
from gateway.api.model import Nanos

MAX_DEPTH, MOST_NUMBERS = 6, 50
"""How deep a payload is searched, and how many of its numbers are taken."""
_LONGEST_VECTOR = 16


class Found(NamedTuple):
    """A number, and the options of its tag beside the topic and the path."""

    path: Path
    value: float
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Beside:
    """The time and the quality of the values in an object and below, as paths from the document."""

    time: Path | None = None
    form: str = ""
    quality: Path | None = None
    good: Any = None


@dataclass
class PayloadSurvey:
    """The numbers in one document that came at `now`; `notes` say what was left out and why."""

    now: Nanos
    notes: list[str] = field(default_factory=list)

    def numbers(self, document: Any) -> Iterator[Found]:
        """All numbers that a tag can read."""
        if isinstance(document, list) and any(
            isinstance(each, dict) and each.keys() & {"bn", "bt"} for each in document
        ):
            yield from self._senml(document)
        else:
            yield from self._node(document, (), _Beside())

    def _senml(self, document: list[Any]) -> Iterator[Found]:
        options = {"format": "senml", "time_path": "t", "time_format": "s"}
        for record in resolved(document, self.now):
            if isinstance(record, dict) and "n" in record:
                step = Where((condition_of(record, ("n",)),))
                for key in ("v", "vb"):
                    value = number_of(record.get(key))
                    if value is not None:
                        yield Found((step, key), value, options)

    def _node(self, node: Any, path: Path, beside: _Beside) -> Iterator[Found]:
        if isinstance(node, dict | list) and len(path) >= MAX_DEPTH:
            self.notes.append(f"{write_path(path)} is nested deeper than {MAX_DEPTH} levels")
        elif isinstance(node, dict):
            yield from self._object(node, path, beside)
        elif isinstance(node, list):
            yield from self._list(node, path, beside)
        else:
            yield from self._leaf(node, path, beside)

    def _leaf(self, value: Any, path: Path, beside: _Beside) -> Iterator[Found]:
        number, options = number_of(value), dict[str, Any]()
        if number is None and isinstance(value, str):
            number, options = numbers_as_text(value)
        if number is not None:
            yield Found(path, number, options | _options(path, beside))

    def _object(self, node: dict[str, Any], path: Path, beside: _Beside) -> Iterator[Found]:
        times, quality = times_in(node, self.now), quality_in(node)
        if times:
            key, form = times[0]
            if has_no_zone(node[key], form):
                where = write_path((*path, key))
                self.notes.append(f"{where} is a time without a zone: add `timezone:`")
            beside = _Beside((*path, key), form, beside.quality, beside.good)
        if quality is not None:
            keys, good = quality
            beside = _Beside(beside.time, beside.form, (*path, *keys), good)
        no_tags = {key for key, _ in times} | ({quality[0][0]} if quality else set())
        for name, value in node.items():
            if name not in no_tags:
                key = Key(name) if name.isdecimal() else name
                yield from self._node(value, (*path, key), beside)

    def _list(self, node: list[Any], path: Path, beside: _Beside) -> Iterator[Found]:
        if all(isinstance(each, dict) for each in node):
            yield from self._objects(node, path, beside)
        elif all(number_of(each) is not None for each in node):
            if len(node) > _LONGEST_VECTOR:
                where = write_path(path) or "the payload"
                self.notes.append(f"{where} is a list of {len(node)} numbers")
                return
            for at, each in enumerate(node):
                yield from self._leaf(each, (*path, str(at)), beside)
        elif form := self._form_of_pairs(node):
            inner = _Beside((*path, EVERY, "0"), form, beside.quality, beside.good)
            yield from self._leaf(node[-1][1], (*path, EVERY, "1"), inner)
        else:
            self._leave_out(path)

    def _objects(self, node: list[Any], path: Path, beside: _Beside) -> Iterator[Found]:
        some = node[:MOST_NUMBERS]
        keys = identity_of(some, self.now)
        if keys is not None:
            for element in some:
                conditions = tuple(condition_of(element, each) for each in keys)
                yield from self._node(without(element, keys), (*path, Where(conditions)), beside)
        elif some and all(times_in(each, self.now) for each in some):
            yield from self._node(some[-1], (*path, EVERY), beside)
        elif some:
            self._leave_out(path)

    def _leave_out(self, path: Path) -> None:
        where = write_path(path) or "the payload"
        self.notes.append(f"{where} is a list whose elements have no key to select them by")

    def _form_of_pairs(self, node: list[Any]) -> str | None:
        """The format of the times in a list of [time, value]; None if it is not one."""
        if not all(isinstance(each, list) and len(each) == 2 for each in node):
            return None
        forms = {time_format(each[0], self.now) for each in node}
        return forms.pop() if len(forms) == 1 else None


def _options(path: Path, beside: _Beside) -> dict[str, Any]:
    options: dict[str, Any] = {}
    time = _seen_from(beside.time, path) if beside.time else None
    quality = _seen_from(beside.quality, path) if beside.quality else None
    if time is not None:
        options |= {"time_path": time, "time_format": beside.form}
    if quality is not None:
        options |= {"quality_path": quality, "quality_good": [beside.good]}
    return options


def _seen_from(own: Path, path: Path) -> str | None:
    """The path of a time or quality as it is written beside `path`; None if it cannot be."""
    selections = [at + 1 for at, step in enumerate(path) if isinstance(step, Where | Every)]
    shared = 0
    while shared < min(len(own), len(path)) and own[shared] == path[shared]:
        shared += 1
    within = [depth for depth in selections if depth <= shared]
    if not selections:
        return write_path(own)
    if not within:
        return _pointer(own)
    return write_path(own[within[-1] :] if within[-1] == selections[-1] else own)


def _pointer(path: Path) -> str | None:
    keys = [step for step in path if isinstance(step, str)]
    if any(is_position(key) for key in keys):
        return None
    return "".join(f"/{key.replace('~', '~0').replace('/', '~1')}" for key in keys)
