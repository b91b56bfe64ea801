"""Finds the nodes that tags name, by node id or by browse path."""

from collections.abc import Mapping

from connectors.opcua.client import OpcUaReadOnlyClient
from connectors.opcua.nodes import NodeName
from connectors.opcua.paths import PathElement, find_nodes

Place = NodeName | tuple[PathElement, ...]


async def find_places(
    client: OpcUaReadOnlyClient, places: Mapping[int, Place]
) -> tuple[dict[int, str], dict[int, str]]:
    """The node ids by key, and for keys without a node the reason; SourceLost if it breaks."""
    namespaces = await client.namespaces()
    found: dict[int, str] = {}
    faults: dict[int, str] = {}
    paths: dict[int, tuple[PathElement, ...]] = {}
    for key, place in places.items():
        if isinstance(place, tuple):
            paths[key] = place
        elif (node := place.on(namespaces)) is None:
            faults[key] = f"the server has no namespace {place.uri}"
        else:
            found[key] = node
    by_path, unfound = await find_nodes(paths, namespaces, client.children)
    return found | by_path, faults | unfound
