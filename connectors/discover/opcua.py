"""Browses an OPC UA server for variables that can be tags.

Promises
- Reads only references and values; stops at the given depth and count.
- Nodes are named by namespace URI, tags by their browse names, each name once.
"""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from connectors.discover import written
from connectors.opcua.certificates import encoded, fingerprint, first_in
from connectors.opcua.client import connected
from connectors.opcua.endpoints import endpoints_of, offered
from connectors.opcua.items import Reference, Target
from connectors.opcua.nodes import STANDARD
from connectors.opcua.options import OpcUaOptions
from connectors.opcua.trust import described
from gateway.api.contracts import ConfigError, Places, SourceLost

OBJECTS, SERVER = "i=85", "i=2253"
BROWSED_PER_VARIABLE = 20
"""Nodes browsed at most for each wanted variable, so that a huge server ends too."""


async def browse(
    options: OpcUaOptions, places: Places, depth: int, most: int
) -> list[tuple[str, str]]:
    """Browse name and node id with namespace URI of the numeric variables; raises AndonError."""
    async with connected(options, places, lambda _why: None) as client:
        namespaces = await client.namespaces()
        variables: list[Reference] = []
        level, seen = [OBJECTS], {OBJECTS, SERVER}
        for _ in range(depth):
            below: list[str] = []
            for node in level:
                if len(variables) >= most or len(seen) > most * BROWSED_PER_VARIABLE:
                    break
                (children,) = await client.children([node])
                new = [child for child in children if child.node not in seen]
                seen |= {child.node for child in new}
                variables += [child for child in new if child.is_variable]
                below += [child.node for child in new]
            level = below
        values = await client.read([Target(child.node) for child in variables]) if variables else []
    numeric = [
        (child.name, _with_uri(child.node, namespaces))
        for child, value in zip(variables, values, strict=True)
        if _is_numeric(value)
    ]
    return numeric[:most]


async def fetch_certificate(options: OpcUaOptions, path: Path) -> str:
    """Stores the server's certificate in a new file; returns its description. Raises AndonError."""
    endpoints = await endpoints_of(options)
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
        f"{path}: {described(certificate)}\n"
        f"SHA-256 {fingerprint(certificate)}\n"
        f"The server offers {offered(endpoints)}.\n"
        "Any server could have sent this certificate: compare the thumbprint with the one in the "
        "server's own tool before you trust it."
    )


def _is_numeric(data: object) -> bool:
    variant = getattr(data, "Value", None)
    value = getattr(variant, "Value", None)
    return isinstance(value, int | float) and not (isinstance(value, float) and math.isinf(value))


def _with_uri(node: str, namespaces: Sequence[str]) -> str:
    """'ns=2;s=Pump' -> 'nsu=urn:plant;s=Pump'."""
    match = re.fullmatch(r"ns=(\d+);(.+)", node, re.DOTALL)
    uri = namespaces[int(match[1])] if match else STANDARD
    if match is None or uri == STANDARD:
        return node.removeprefix("ns=0;")
    return f"nsu={uri.replace('%', '%25').replace(';', '%3B')};{match[2]}"


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


def line_file(settings: Mapping[str, Any], variables: Sequence[tuple[str, str]]) -> str:
    """A line file to edit: a source with these settings and these variables as tags."""
    names = tag_names([name for name, _ in variables])
    tags = "\n".join(
        f"      {written.key(name)}: {{node: {written.value(node)}}}"
        for name, (_, node) in zip(names, variables, strict=True)
    )
    # JSON is YAML, except for how it begins a mapping in a block.
    options = "\n".join(f"    {key}: {written.value(value)}" for key, value in settings.items())
    return f"""\
# Written by `andon discover opcua`. Delete what is not needed; give tags a unit, low and high.
version: 1
line: my-line
site: my-plant
sources:
  server:
{options}
    tags:
{tags}
"""
