"""Browse paths: nodes by the names that lead to them, for servers that renumber their nodes.

Promises
- A path that fits no node, or several, has a reason that names the element where it ends.
- All paths are followed together: one browse of a node serves every path through it.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from connectors.opcua.items import Reference
from gateway.api.visible import brief

OBJECTS = "i=85"
_RIGHT = "write it as in Objects/2:Press/2:Speed or Objects/nsu=urn:plant;Press/nsu=urn:plant;Speed"
_ELEMENT = re.compile(r"(?:nsu=([^;]+);|(\d{1,5}):)?((?:&.|[^/&])+)(?:/|$)", re.DOTALL)

Browse = Callable[[Sequence[str]], Awaitable[Sequence[Sequence[Reference]]]]
"""The nodes below each of these nodes."""


@dataclass(frozen=True, slots=True)
class PathElement:
    """A browse name: its text, and its namespace by URI or index, or in any if both are None."""

    name: str
    uri: str | None = None
    index: int | None = None

    def __str__(self) -> str:
        if self.uri is not None:
            return written(self.name, self.uri)
        return written(self.name) if self.index is None else f"{self.index}:{written(self.name)}"

    def fits(self, node: Reference, namespaces: Sequence[str]) -> bool:
        """True if the node has this name."""
        if self.name != node.name:
            return False
        if self.uri is not None:
            at = node.namespace
            return at < len(namespaces) and namespaces[at] == self.uri
        return self.index is None or self.index == node.namespace


def parse_path(text: str) -> tuple[PathElement, ...]:
    """The elements below Objects; ValueError with what would be right."""
    rest = text.lstrip().removeprefix("/").removeprefix("Root/").removeprefix("0:")
    if not rest.startswith("Objects/"):
        raise ValueError(f"{text!r} does not begin with Objects/: {_RIGHT}")
    rest, elements = rest.removeprefix("Objects/"), list[PathElement]()
    while rest:
        match = _ELEMENT.match(rest)
        if match is None:
            raise ValueError(f"{text!r} has an empty element, or an & at its end: {_RIGHT}")
        uri, index, name = match.groups()
        if uri is None and re.match(r"nsu?=|\d+:$", name):
            raise ValueError(f"{text!r}: {name!r} is not a name with its namespace: {_RIGHT}")
        if uri is not None:
            uri = uri.replace("%3B", ";").replace("%25", "%")
        plain = re.sub("&(.)", r"\1", name)
        elements.append(PathElement(plain, uri, None if index is None else int(index)))
        rest = rest[match.end() :]
    if not elements or (text.rstrip().endswith("/") and not text.rstrip().endswith("&/")):
        raise ValueError(f"{text!r} ends with a /: {_RIGHT}")
    return tuple(elements)


def written(name: str, uri: str | None = None) -> str:
    """A browse name as it is written in a path, with its namespace if `uri` is given."""
    name = re.sub("([&/])", r"&\1", name)
    # What is part of the name must not be read as its namespace.
    name = re.sub(r"^(\d{1,5}|nsu?)([:=])", r"\1&\2", name)
    if uri is None:
        return name
    return f"nsu={uri.replace('%', '%25').replace(';', '%3B')};{name}"


async def find_nodes(
    paths: Mapping[int, tuple[PathElement, ...]], namespaces: Sequence[str], browse: Browse
) -> tuple[dict[int, str], dict[int, str]]:
    """The node ids by key, and for the other keys the reason."""
    found: dict[int, str] = {}
    faults: dict[int, str] = {}
    at = dict.fromkeys(paths, OBJECTS)
    for depth in range(max(map(len, paths.values()), default=0)):
        nodes = list(dict.fromkeys(at.values()))
        below = dict(zip(nodes, await browse(nodes), strict=True))
        for key, node in list(at.items()):
            path = paths[key]
            fits = [each for each in below[node] if path[depth].fits(each, namespaces)]
            if len(fits) != 1:
                faults[key] = _fault(path, depth, fits, below[node], namespaces)
                del at[key]
            elif depth + 1 == len(path):
                found[key] = fits[0].node
                del at[key]
            else:
                at[key] = fits[0].node
    return found, faults


def _fault(
    path: tuple[PathElement, ...],
    depth: int,
    fits: Sequence[Reference],
    below: Sequence[Reference],
    namespaces: Sequence[str],
) -> str:
    name, whole = path[depth].name, "/".join(["Objects", *map(str, path)])
    parent = path[depth - 1].name if depth else "Objects"
    if fits:
        ids = ", ".join(brief(each) for each in sorted(each.node for each in fits)[:3])
        several = f"{len(fits)} nodes named {name!r} below {parent!r} ({ids})"
        return f"browse path {whole}: {several}; {_way_out(fits, namespaces)}"
    others = sorted(_namespace(each, namespaces) for each in below if each.name == name)
    elsewhere = f" in this namespace, but in {others[0]}" if others else ""
    return f"browse path {whole}: {name!r} not found below {parent!r}{elsewhere}"


def _way_out(fits: Sequence[Reference], namespaces: Sequence[str]) -> str:
    """How to name one of several nodes of the same name."""
    uris = {_namespace(each, namespaces) for each in fits}
    if len(uris) < len(fits):
        return "name one of them by `node`"
    elements = " or ".join(written(fits[0].name, uri) for uri in sorted(uris)[:3])
    return f"add the namespace: {elements}"


def _namespace(node: Reference, namespaces: Sequence[str]) -> str:
    at = node.namespace
    return brief(namespaces[at]) if at < len(namespaces) else str(at)
