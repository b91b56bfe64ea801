"""Devices for which a template is expanded, and the placeholders that they fill.

Promises
- A device has a name, a number and any further columns of its list; a problem with the list is
  reported at its own line.
- `{column}` in a text is the device's text; a value that is one placeholder and nothing else keeps
  its type, so that `unit_id: "{n}"` is a number. `{n:03}` pads with zeros, `{{` is a brace.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, get_args

from gateway.api.options import Name
from gateway.config.document import Document, Where
from gateway.config.problems import ConfigProblems, Problem
from gateway.config.table import RowPlace, read_table, typed

MAX_DEVICES = 10_000
PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([A-Za-z_]\w*)(?::(\d{1,2}))?\}")
_RANGE = re.compile(r"(\d{1,9})\s*(?:-|\.\.)\s*(\d{1,9})")
_NAME = re.compile(next(fact.pattern for fact in get_args(Name)[1].metadata))
_SHAPES = "a range (1-300), a list of names, or a list of mappings with a name each"


@dataclass(frozen=True, slots=True)
class Device:
    """One device: the values of its placeholders, and where it is defined."""

    name: str
    facts: Mapping[str, Any]
    where: Where
    place: RowPlace | None = None

    def problem(self, document: Document, message: str, hint: str = "") -> Problem:
        """A problem at the line that defines the device."""
        if self.place is not None:
            return self.place.problem("", message, hint)
        return document.problem(self.where, message, hint)


class UnknownPlaceholderError(ValueError):
    """A placeholder for which the device has no value."""

    def __init__(self, name: str, device: Device) -> None:
        super().__init__(f"unknown placeholder {{{name}}}")
        near = get_close_matches(name, list(device.facts), 1, 0.6)
        known = ", ".join(f"{{{fact}}}" for fact in device.facts)
        self.hint = f"did you mean {{{near[0]}}}?" if near else f"known: {known}"


def fill(text: str, device: Device) -> Any:
    """The text with its placeholders filled in; UnknownPlaceholderError if one has no value."""

    def fact(match: re.Match[str]) -> str:
        name, width = match[1], match[2]
        if name is None:
            return match[0][0]
        if name not in device.facts:
            raise UnknownPlaceholderError(name, device)
        return str(device.facts[name]).zfill(int(width or 0))

    whole = PLACEHOLDER.fullmatch(text)
    if whole and whole[1] in device.facts and not whole[2]:
        value = device.facts[whole[1]]
        return typed(value) if isinstance(value, str) else value
    return PLACEHOLDER.sub(fact, text)


def devices_of(document: Document, source: str, folder: Path) -> list[Device]:
    """The devices of a source that uses a template; ConfigProblems lists everything wrong."""
    where: Where = ("sources", source)
    use = document.mapping(*where)
    if "devices" in use and "devices_file" in use:
        message, hint = "devices and devices_file exclude each other", "keep one of the two"
        raise ConfigProblems([document.problem((*where, "devices_file"), message, hint)])
    if "devices_file" in use:
        devices = list(_from_file(document, source, folder))
    elif "devices" in use:
        devices = list(_from_list(document, source, use["devices"]))
    else:
        devices = [Device(source, {"name": source}, where)]
    flaws = [*_bad_names(document, devices), *_duplicates(document, devices)]
    if flaws:
        raise ConfigProblems(flaws)
    return devices


def _from_file(document: Document, source: str, folder: Path) -> Iterator[Device]:
    where: Where = ("sources", source, "devices_file")
    named = document.get(*where)
    if not isinstance(named, str):
        raise ConfigProblems([document.problem(where, "must be the name of a file", at="value")])
    rows = read_table(folder / named, "name", partial(document.unreadable, where))
    for number, row in enumerate(rows, 1):
        name = row.cells.get("name", "")
        yield Device(name, {"n": number, **row.cells, "name": name}, where, row.place)


def _from_list(document: Document, source: str, devices: Any) -> Iterator[Device]:
    where: Where = ("sources", source, "devices")
    between = _RANGE.fullmatch(devices.strip()) if isinstance(devices, str) else None
    if between:
        first, last = int(between[1]), int(between[2])
        if not first <= last < first + MAX_DEVICES:
            message = f"must run upwards and hold at most {MAX_DEVICES} devices"
            raise ConfigProblems([document.problem(where, message, at="value")])
        for number in range(first, last + 1):
            name = f"{source}-{number}"
            yield Device(name, {"n": number, "name": name}, where)
        return
    if not isinstance(devices, list) or not devices:
        raise ConfigProblems([document.problem(where, f"must be {_SHAPES}", at="value")])
    for number, item in enumerate(devices, 1):
        yield _listed_device(document, (*where, number - 1), number, item)


def _listed_device(document: Document, where: Where, number: int, item: Any) -> Device:
    facts = {"name": item} if isinstance(item, str) else item
    if not isinstance(facts, dict) or not isinstance(facts.get("name"), str):
        message = "a device is a name, or keys and values with a `name`"
        raise ConfigProblems([document.problem(where, message, at="value")])
    for key, value in facts.items():
        if value is None or isinstance(value, dict | list):
            message = "must be text, a number, true or false"
            raise ConfigProblems([document.problem((*where, key), message, at="value")])
    return Device(facts["name"], {"n": number, **facts}, where)


def _bad_names(document: Document, devices: list[Device]) -> Iterator[Problem]:
    for device in devices:
        if not _NAME.fullmatch(device.name):
            hint = "at most 64 letters, digits, '_', '-' and '.', starting with a letter"
            yield device.problem(document, f'"{device.name}" is not a name', hint)


def _duplicates(document: Document, devices: list[Device]) -> Iterator[Problem]:
    seen: set[str] = set()
    for device in devices:
        if device.name in seen:
            message = f"duplicate device {device.name}"
            yield device.problem(document, message, "each device needs a unique name")
        seen.add(device.name)
