"""Checks across sections: duplicate names, crossed limits, settings that the site forbids.

Promises
- Every check reads the document, not the validated file, so its problems are reported together
  with those of the schema.
"""

import ipaddress
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import suppress
from importlib.util import find_spec
from itertools import chain
from typing import Any

from gateway.api.addresses import bare_host
from gateway.api.conditions import parse_condition
from gateway.api.contracts import ConfigError
from gateway.api.extras import how_to_install
from gateway.api.masking import REFERENCE
from gateway.api.mistakes import is_secret_key
from gateway.api.nearest import nearest
from gateway.api.options import Secret
from gateway.config import notifications
from gateway.config.document import Document, Where
from gateway.config.problems import Problem
from gateway.config.schema import SecuritySection

_RESOLVABLE_HERE = re.compile(r"\$\{(?:env|file):")
_LOGIN = re.compile(r"^[^\s/:]*+:[^\s/].*@[\w.\[-]+(?::\d+)?(?:/.*)?$", re.DOTALL)
_QUERY = re.compile(r"[?&#;/]\w*(?:password|passwd|token|secret|key)=", re.IGNORECASE)
_PLACES = ("url", "uri", "proxy", "host", "broker", "endpoint", "server")
_ADDRESSES = frozenset(
    (
        *("node", "path", "time_path", "quality_path", "error_path", "member", "topic"),
        *("sparkplug", "metric", "description"),
    )
)
"""Where in a source a tag is: its characters are the device's, and : and @ are common in them."""
_NAMED_BY_PEOPLE = ("sources", "detectors", "sinks", "templates", "tags")
OWN_DETECTORS = ("data", "models", "maintenance", "alarms")
"""Reserved detector names: `DETECTOR` in core/freshness.py, drift.py, alarms/maintenance.py and
alarms/flood.py."""
_PARTS = ("sources", "detectors", "sinks")


def of_line(document: Document, security: SecuritySection) -> list[Problem]:
    """All checks of a line file that need no plugin."""
    return list(
        chain(
            clear_text(document),
            _crossed_limits(document),
            _reserved_names(document),
            _insecure(document, security),
            _remote_health(document, security),
            _history_extra(document),
            notifications.of_line(document),
        )
    )


def version(document: Document) -> list[Problem]:
    """Rejects a file of a later version, so that it is not checked by the rules of this one."""
    written = document.get("version")
    if type(written) is int and written > 1:
        message = f"this file is version {written}, this andon reads version 1"
        return [document.problem(("version",), message, "install a newer andon", at="value")]
    if isinstance(written, bool):
        return [document.problem(("version",), "must be 1", at="value")]
    return []


def clear_text(document: Document) -> Iterator[Problem]:
    """Secrets written in clear text, anywhere in the file."""
    for where, value in _scalars(document.data, ()):
        key = next((str(part) for part in reversed(where) if isinstance(part, str)), "")
        if _is_secret(where) and value is not None and not REFERENCE.fullmatch(str(value)):
            message = "a secret must not be written here in clear text"
            hint = "write ${env:NAME}, ${credential:NAME} or ${file:/path}"
        elif not isinstance(value, str) or key in _ADDRESSES:
            continue
        elif _has_login(value) or (key in _PLACES and "@" in value):
            message = "a password must not be written here in clear text"
            hint = "use `username:` and `password: ${env:NAME}` beside the URL"
        elif _QUERY.search(_behind_scheme(value)):
            message = "a secret must not be written here in clear text"
            hint = "write only the server's URL"
        elif "-----BEGIN" in value and "PRIVATE KEY" in value:
            message = "a private key must not be written here"
            hint = "write the path of its file"
        else:
            continue
        yield document.problem(_outer(where), message, hint, at="value")


def _behind_scheme(text: str) -> str:
    """What is behind the first `://`; a search from each of them would take too long."""
    return text.partition("://")[2]


def _has_login(text: str) -> bool:
    return "@" in _behind_scheme(text) or bool(_LOGIN.search(text))


def _is_secret(where: Where) -> bool:
    return any(
        is_secret_key(part) and (last or where[at - 1] not in _NAMED_BY_PEOPLE)
        for at, part in enumerate(where)
        if isinstance(part, str) and not (at and where[at - 1] == "enumeration")
        for last in [at == len(where) - 1]
    )


def _outer(where: Where) -> Where:
    """The place without keys below the secret's own, of which one may be the secret."""
    for at, part in enumerate(where):
        if isinstance(part, str) and is_secret_key(part) and _is_secret(where[: at + 1]):
            return where[: at + 1]
    return where


def unresolved(document: Document) -> Iterator[Problem]:
    """Warnings for secrets that cannot be resolved here; the daemon may be able to.

    systemd credentials are skipped: they exist only inside their service.
    """
    for where, value in _scalars(document.data, ()):
        if isinstance(value, str) and _RESOLVABLE_HERE.match(value) and REFERENCE.fullmatch(value):
            try:
                Secret(value).resolve()
            except ConfigError as error:
                yield document.problem(where, str(error), at="value", level="warning")


def declared(document: Document) -> dict[str, list[str]]:
    """The tag names of each source as written in the file."""
    sources = document.mapping("sources")
    return {name: list(document.mapping("sources", name, "tags")) for name in sources}


def duplicate_tags(document: Document, tags: Mapping[str, Iterable[str]]) -> Iterator[Problem]:
    """Tag names that two sources share; `tags` are the names by source."""
    owners: dict[str, str] = {}
    for source, names in tags.items():
        for name in names:
            first = owners.setdefault(name, source)
            if first != source:
                line = document.mark(("sources", first, "tags", name))[0]
                message = f"tag {name} is already read by source {first}, at line {line}"
                hint = "tag names are unique over the whole line"
                yield document.problem(("sources", source, "tags", name), message, hint)


def unknown_tags(
    document: Document, known: Iterable[str], *, may_be_made: bool = False
) -> Iterator[Problem]:
    """Detectors that name a tag which no source reads.

    With `may_be_made`, north.flow is accepted where an entry flow is known, which may create it.
    """
    known = dict.fromkeys(known)
    for detector in document.mapping("detectors"):
        place = ("detectors", detector)
        for where, tag in chain(
            _named_tags(document, (*place, "tags")), _gate_tags(document, (*place, "when"))
        ):
            if tag not in known and not (may_be_made and _ends_with_one_of(known, tag)):
                hint = nearest(tag, list(known))
                if where[-2] == "tags" and where[-1] in known:
                    hint = f'write the model\'s name first, then the tag: "{tag}": {where[-1]}'
                yield document.problem(where, f"no source reads a tag {tag}", hint)


def _ends_with_one_of(names: Container[str], tag: str) -> bool:
    steps = tag.split(".")
    return any(".".join(steps[at:]) in names for at in range(1, len(steps)))


def _named_tags(document: Document, where: Where) -> Iterator[tuple[Where, str]]:
    named = document.get(*where)
    if isinstance(named, dict):
        # A name that is given another one is a model's; the tag is the other one.
        for name, given in named.items():
            yield (*where, name), given if isinstance(given, str) else name
    elif isinstance(named, list):
        yield from (((*where, at), tag) for at, tag in enumerate(named) if isinstance(tag, str))


def _gate_tags(document: Document, where: Where) -> Iterator[tuple[Where, str]]:
    """The tags that gate conditions name; invalid conditions are left to the schema."""
    given = document.get(*where)
    several = isinstance(given, list)
    for at, text in enumerate(given if several else [given]):
        with suppress(ValueError):
            yield ((*where, at) if several else where), parse_condition(text).tag


def _crossed_limits(document: Document) -> Iterator[Problem]:
    for source, tags in declared(document).items():
        for tag in tags:
            where: Where = ("sources", source, "tags", tag)
            low, high = document.get(*where, "low"), document.get(*where, "high")
            if _is_number(low) and _is_number(high) and low >= high:
                message = f"low {low:g} must be below high {high:g}"
                yield document.problem((*where, "low"), message, at="value")


def _reserved_names(document: Document) -> Iterator[Problem]:
    for name in document.mapping("detectors"):
        if name in OWN_DETECTORS:
            message = f"{name} is reserved for andon's own alarms"
            hint = f"choose a name other than {', '.join(OWN_DETECTORS)}"
            yield document.problem(("detectors", name), message, hint)


def _insecure(document: Document, security: SecuritySection) -> Iterator[Problem]:
    if security.allow_insecure:
        return
    for part in _PARTS:
        for name in document.mapping(part):
            if document.get(part, name, "insecure") is True:
                message = "the site file forbids insecure connections"
                hint = "set up security for this connection, or change security.allow_insecure"
                where = (part, name, "insecure")
                yield document.problem(where, message, f"{hint} in the site file", at="value")


def _remote_health(document: Document, security: SecuritySection) -> Iterator[Problem]:
    host = document.get("health", "host")
    if not isinstance(host, str):
        return
    try:
        bare_host(host)
    except ValueError as error:
        yield document.problem(("health", "host"), str(error), at="value")
        return
    if not (security.allow_remote_health or _is_loopback(host)):
        message = f"{host} is reachable from the network"
        hint = "use 127.0.0.1, or set security.allow_remote_health in the site file"
        yield document.problem(("health", "host"), message, hint, at="value")


def _history_extra(document: Document) -> Iterator[Problem]:
    if document.get("history") is not None and find_spec("pyarrow") is None:
        hint = f"{how_to_install('history')}, or leave history out"
        yield document.problem(("history",), "history needs pyarrow, which is not installed", hint)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _scalars(value: Any, where: Where) -> Iterator[tuple[Where, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _scalars(inner, (*where, key))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _scalars(inner, (*where, at))
    else:
        yield where, value
