"""Node ids by namespace URI, because a server may renumber its namespace indices (pure).

Promises
- A node id that `parse_node` accepts can be resolved on any server; a refusal says what would be
  right.
"""

import base64
import binascii
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

STANDARD = "http://opcfoundation.org/UA/"
"""The standard's own namespace, always index 0."""
_NODE = re.compile(r"(?:(nsu|ns)=([^;]*);)?([isgb])=(.+)", re.DOTALL)
_RIGHT = (
    "write it as in nsu=urn:plant;s=Pump.Speed (identifiers: s= text, i= number, g= GUID, b= bytes)"
)


@dataclass(frozen=True, slots=True)
class NodeName:
    """A node by namespace URI and identifier, the latter as in 's=Pump.Speed' or 'i=2258'."""

    uri: str
    identifier: str

    def on(self, namespaces: Sequence[str]) -> str | None:
        """The node id for a server with this namespace array; None if it lacks the namespace."""
        if self.uri == STANDARD:
            return self.identifier
        if self.uri not in namespaces:
            return None
        return f"ns={namespaces.index(self.uri)};{self.identifier}"


def parse_node(text: str) -> NodeName:
    """'nsu=urn:plant;s=Pump.Speed' as a name; ValueError with what would be right."""
    match = _NODE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a node id: {_RIGHT}")
    form, namespace, kind, identifier = match.groups()
    if form == "ns" and namespace.strip() != "0":
        raise ValueError(
            f"'ns={namespace}' may be another namespace after the server's next restart: "
            "name it by its URI, as in nsu=urn:plant;s=Pump.Speed"
        )
    if form == "nsu" and not namespace:
        raise ValueError(f"the namespace URI is missing: {_RIGHT}")
    _check(kind, identifier)
    # OPC UA part 6 escapes these two in a URI.
    uri = namespace.replace("%3B", ";").replace("%25", "%") if form == "nsu" else STANDARD
    return NodeName(uri, f"{kind}={identifier}")


def _check(kind: str, identifier: str) -> None:
    if kind == "i" and not (
        identifier.isascii() and identifier.isdigit() and int(identifier) < 2**32
    ):
        raise ValueError(f"'i={identifier}': a numeric identifier is 0 to 4294967295")
    if kind == "g":
        try:
            uuid.UUID(identifier)
        except ValueError as error:
            raise ValueError(f"'g={identifier}' is not a GUID") from error
    if kind == "b":
        if identifier.startswith("0x"):
            raise ValueError(f"'b={identifier}' looks like hexadecimal: write it as base64")
        try:
            base64.b64decode(identifier, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError(f"'b={identifier}' is not base64") from error
