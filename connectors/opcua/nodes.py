"""Node ids as the server numbers them today: namespaces are named by URI."""

from collections.abc import Sequence
from typing import Any

from connectors.opcua.options import OpcUaTag


async def resolve(client: Any, tags: Sequence[OpcUaTag]) -> list[Any]:
    """A `ua.NodeId` for each tag, or None where the server has no such namespace."""
    namespaces = {uri: index for index, uri in enumerate(await client.get_namespace_array())}
    return [_node_id(tag, namespaces) for tag in tags]


def _node_id(tag: OpcUaTag, namespaces: dict[str, int]) -> Any:
    from asyncua import ua

    uri, kind, identifier = tag.parts
    index = 0 if uri is None else namespaces.get(uri)
    return None if index is None else ua.NodeId.from_string(f"ns={index};{kind}={identifier}")
