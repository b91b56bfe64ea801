"""Browses an OPC UA server for variables that can be tags.

Promises
- Reads only references and values; stops at the given depth and count, and says so.
- Nodes are named by namespace URI, tags by their browse paths, each name and each node once.
- Properties and the server's own nodes are left out.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from connectors.discover.opcua_details import HAS_PROPERTY, DataTypes, described
from connectors.discover.opcua_variables import FoundVariable, ProposedTag, proposals
from connectors.opcua.certificates import encoded, fingerprint, first_in
from connectors.opcua.client import OpcUaReadOnlyClient, connected
from connectors.opcua.diagnosis import Diagnosis
from connectors.opcua.endpoints import endpoints_of, offered
from connectors.opcua.items import Reference, Target
from connectors.opcua.nodes import STANDARD
from connectors.opcua.options import OpcUaOptions
from connectors.opcua.paths import OBJECTS, PathElement
from connectors.opcua.structure_types import load
from connectors.opcua.structures import Structures
from connectors.opcua.trust import described as shown_certificate
from gateway.api.contracts import ConfigError, Places, SourceLost

SERVER = "i=2253"
BROWSED_PER_VARIABLE = 50
"""Nodes browsed at most for each wanted variable, so that a huge server ends too."""
Way = tuple[PathElement, ...]
_PART = 100
_LAST_STANDARD = 65_535
"""The highest number of a node that the standard may define in its own namespace."""


@dataclass(slots=True)
class OpcUaSurvey:
    """The tags that a server's variables can become.

    `others` are the paths of variables that become none, and why; `note` is what was left out.
    """

    tags: list[ProposedTag] = field(default_factory=list)
    others: list[tuple[str, str]] = field(default_factory=list)
    nodes: int = 0
    note: str = ""


async def browse(
    options: OpcUaOptions,
    places: Places,
    depth: int,
    most: int,
    progress: Callable[[str], None] = lambda _step: None,
) -> OpcUaSurvey:
    """The variables below Objects, breadth first, each node once; raises AndonError."""
    async with connected(options, places, lambda _why: None) as client:
        browser = _Browser(client, await client.namespaces(), most, progress)
        await browser.run(depth)
        return browser.survey


class _Browser:
    """One survey of one server."""

    def __init__(
        self,
        client: OpcUaReadOnlyClient,
        namespaces: Sequence[str],
        most: int,
        progress: Callable[[str], None],
    ) -> None:
        self.survey = OpcUaSurvey()
        self._client, self._namespaces, self._most = client, namespaces, most
        self._progress = progress
        self._seen = {OBJECTS, SERVER}
        self._types, self._structures = DataTypes(), Structures()

    async def run(self, depth: int) -> None:
        level: list[tuple[Reference, Way]] = [(_ROOT, ())]
        for _ in range(depth + 1):
            below: list[tuple[Reference, Way]] = []
            for at in range(0, len(level), _PART):
                below += await self._look_at(level[at : at + _PART])
                if self._is_enough():
                    return
            level = below
        if level:
            self.survey.note = f"Deeper than {depth} levels, see --depth, nothing was looked for."

    def _is_enough(self) -> bool:
        if len(self.survey.tags) > self._most:
            del self.survey.tags[self._most :]
            self.survey.note = f"The first {self._most:,}; --most writes more."
        elif self.survey.nodes > self._most * BROWSED_PER_VARIABLE:
            self.survey.note = f"The first {self.survey.nodes:,} nodes; --most looks at more."
        return bool(self.survey.note)

    async def _look_at(self, part: Sequence[tuple[Reference, Way]]) -> list[tuple[Reference, Way]]:
        """Adds the variables among these nodes; returns the nodes below all of them."""
        below: list[tuple[Reference, Way]] = []
        variables, properties = [], []
        children = await self._client.children([node.node for node, _ in part])
        for (node, way), found in zip(part, children, strict=True):
            if node.is_variable:
                variables.append((node, way))
                properties.append({e.name: e.node for e in found if e.kind == HAS_PROPERTY})
            namesakes = Counter(name for name, _ in {(e.name, e.namespace) for e in found})
            for each in found:
                is_ours = each.kind == HAS_PROPERTY or _is_standard(each.node)
                if not is_ours and each.node not in self._seen:
                    self._seen.add(each.node)
                    uri = self._uri(each) if namesakes[each.name] > 1 else None
                    below.append((each, (*way, PathElement(each.name, uri))))
        await self._add(variables, properties)
        self.survey.nodes += len(part)
        self._progress(
            f"{self.survey.nodes:,} of {len(self._seen):,} nodes, {len(self.survey.tags):,} numbers"
        )
        return below

    def _uri(self, node: Reference) -> str | None:
        at = node.namespace
        return self._namespaces[at] if at < len(self._namespaces) else None

    async def _add(
        self,
        variables: Sequence[tuple[Reference, Way]],
        properties: Sequence[Mapping[str, str]],
    ) -> None:
        named = [_with_uri(node.node, self._namespaces) for node, _ in variables]
        self.survey.others += [
            ("/".join(("Objects", *map(str, way))), f"the server has no namespace for {node.node}")
            for (node, way), name in zip(variables, named, strict=True)
            if name is None
        ]
        keep = [at for at, name in enumerate(named) if name is not None]
        variables, properties = [variables[at] for at in keep], [properties[at] for at in keep]
        nodes = [node.node for node, _ in variables]
        data = await self._client.read([Target(node) for node in nodes])
        found = [
            FoundVariable(way, str(named[at]), value)
            for at, (_, way), value in zip(keep, variables, data, strict=True)
        ]
        found = await described(self._client, found, nodes, properties, self._types)
        proposed = [proposals(each, self._structures) for each in found]
        if self._structures.wanted:
            await load(self._client, self._structures)
            proposed = [proposals(each, self._structures) for each in found]
        for variable, tags in zip(found, proposed, strict=True):
            if isinstance(tags, str):
                self.survey.others.append((f"{variable.path} ({variable.node})", tags))
            else:
                self.survey.tags += tags


_ROOT = Reference(OBJECTS, 0, "Objects", is_variable=False, kind="")


def _is_standard(node: str) -> bool:
    """True for a node of the standard: the server's own, its types and diagnostics."""
    match = re.fullmatch(r"(?:ns=0;)?i=(\d+)", node)
    return match is not None and int(match[1]) <= _LAST_STANDARD


async def fetch_certificate(options: OpcUaOptions, path: Path) -> str:
    """Stores the server's certificate in a new file; returns its description. Raises AndonError."""
    try:
        endpoints = await endpoints_of(options)
    except SourceLost as lost:
        raise await Diagnosis(options, Places(Path(), Path())).explained(lost) from lost
    shown = next((each.ServerCertificate for each in endpoints if each.ServerCertificate), None)
    try:
        if shown is None:
            raise SourceLost(f"{options.url} shows no certificate; it offers {offered(endpoints)}")
        certificate = first_in(shown)
        with path.open("xb") as stream:
            stream.writelines([encoded(certificate)])
    except ValueError as error:
        raise SourceLost(f"{options.url} shows a certificate that is not readable") from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    return (
        f"{path}: {shown_certificate(certificate)}\n"
        f"SHA-256 {fingerprint(certificate)}\n"
        f"The server offers {offered(endpoints)}.\n"
        "Any server could have sent this certificate: compare the thumbprint with the one in the "
        "server's own tool before you trust it."
    )


def _with_uri(node: str, namespaces: Sequence[str]) -> str | None:
    """'ns=2;s=Pump' -> 'nsu=urn:plant;s=Pump'; None if the server does not name the namespace."""
    match = re.fullmatch(r"ns=(\d+);(.+)", node, re.DOTALL)
    if match is None:
        return node
    index = int(match[1])
    uri = namespaces[index] if index < len(namespaces) else ""
    if uri == STANDARD:
        return match[2]
    return f"nsu={uri.replace('%', '%25').replace(';', '%3B')};{match[2]}" if uri else None


def tag_names(names: Sequence[str]) -> list[str]:
    """Browse names as unique tag names."""
    unique_names: dict[str, None] = {}
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("_.-") or "tag"
        plain = (plain if re.match(r"[A-Za-z_]", plain) else f"tag_{plain}")[:56]
        number, unique = 2, plain
        while unique in unique_names:
            number, unique = number + 1, f"{plain}_{number}"
        unique_names[unique] = None
    return list(unique_names)
