"""From topics to edge nodes: what to subscribe to, and whose a message is (pure)."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from connectors.mqtt.mailbox import MAX_PAYLOAD, Arrival
from connectors.mqtt.payloads import Row
from connectors.mqtt.sparkplug.node import EdgeNode
from connectors.mqtt.sparkplug.scope import Device, Place

NAMESPACE = "spBv1.0"
KEPT = "$sparkplug/certificates/"
"""Where a Sparkplug-aware broker keeps the births (Sparkplug 3.0, section 10)."""
_OF_NODES, _OF_DEVICES = ("NBIRTH", "NDATA", "NDEATH"), ("DBIRTH", "DDATA", "DDEATH")

Wanted = Mapping[str, Mapping[Device, Mapping[str, Sequence[Place]]]]
"""By edge node, as in group/node, by device and by metric: the tags that are read from it."""


class Address(NamedTuple):
    """Where a message comes from and what it is."""

    node: str
    kind: str
    device: Device


def address_of(topic: str) -> Address | None:
    """The edge node, kind and device that a topic names; None if it is none of Sparkplug's."""
    parts = topic.removeprefix(KEPT).split("/")
    if len(parts) not in (4, 5) or parts[0] != NAMESPACE:
        return None
    kinds = _OF_NODES if len(parts) == 4 else _OF_DEVICES
    if parts[2] not in kinds:
        return None
    return Address(f"{parts[1]}/{parts[3]}", parts[2], parts[4] if len(parts) == 5 else None)


def filters_of(node: str, *, is_aware: bool) -> list[str]:
    """What to subscribe to for an edge node: all of it, because its messages share one sequence."""
    group, _, name = node.partition("/")
    filters = [f"{NAMESPACE}/{group}/{kind}/{name}" for kind in _OF_NODES]
    filters += [f"{NAMESPACE}/{group}/{kind}/{name}/+" for kind in _OF_DEVICES]
    if is_aware:
        births = (each for each in tuple(filters) if "BIRTH/" in each)
        filters = [*(KEPT + each for each in births), *filters]
    return filters


class Nodes:
    """The edge nodes of one session; a new session knows nothing of the one before."""

    def __init__(self, wanted: Wanted, say: Callable[[str], None], *, source_time: bool) -> None:
        if wanted:
            from connectors.mqtt.sparkplug.wire import parse  # loads a library that few lines need

            self._parse = parse
        self._nodes = {
            name: EdgeNode(name, devices, say, source_time=source_time)
            for name, devices in wanted.items()
        }

    def take(self, arrival: Arrival) -> list[Row] | None:
        """The samples that a message brings; None if it is from none of these edge nodes."""
        address = address_of(arrival.topic)
        node = self._nodes.get(address.node) if address else None
        if address is None or node is None:
            return None
        is_whole = arrival.payload is not None and len(arrival.payload) <= MAX_PAYLOAD
        payload = self._parse(arrival.payload) if is_whole and arrival.payload is not None else None
        return node.take(address.kind, address.device, payload, arrival)
