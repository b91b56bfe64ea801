"""Topics of edge nodes: subscriptions, and the edge node of each message (pure)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from connectors.mqtt.notices import Notify
from connectors.mqtt.payloads import Row
from connectors.mqtt.receive_queue import ReceivedMessage
from connectors.mqtt.sparkplug.node import EdgeNode
from connectors.mqtt.sparkplug.scope import Device, MetricTag

NAMESPACE = "spBv1.0"
KEPT = "$sparkplug/certificates/"
"""Where a Sparkplug-aware broker keeps the births (Sparkplug 3.0, section 10)."""
_OF_NODES, _OF_DEVICES = ("NBIRTH", "NDATA", "NDEATH"), ("DBIRTH", "DDATA", "DDEATH")

Wanted = Mapping[str, Mapping[Device, Mapping[str, Sequence[MetricTag]]]]
"""The tags by edge node (group/node), device and metric."""


class Address(NamedTuple):
    """The sender and kind of a message."""

    node: str
    kind: str
    device: Device


def address_of(topic: str) -> Address | None:
    """The edge node, kind and device in a topic; None if it is not a Sparkplug topic."""
    parts = topic.removeprefix(KEPT).split("/")
    if len(parts) not in (4, 5) or parts[0] != NAMESPACE:
        return None
    kinds = _OF_NODES if len(parts) == 4 else _OF_DEVICES
    if parts[2] not in kinds:
        return None
    return Address(f"{parts[1]}/{parts[3]}", parts[2], parts[4] if len(parts) == 5 else None)


def filters_of(node: str, *, is_aware: bool) -> list[str]:
    """The filters of an edge node: all its topics, because its messages share one sequence."""
    group, _, name = node.partition("/")
    filters = [f"{NAMESPACE}/{group}/{kind}/{name}" for kind in _OF_NODES]
    filters += [f"{NAMESPACE}/{group}/{kind}/{name}/+" for kind in _OF_DEVICES]
    if is_aware:
        births = (each for each in tuple(filters) if "BIRTH/" in each)
        filters = [*(KEPT + each for each in births), *filters]
    return filters


class EdgeNodes:
    """The edge nodes of one session; a new session starts without any state."""

    def __init__(self, wanted: Wanted, notify: Notify, *, source_time: bool) -> None:
        if wanted:
            from connectors.mqtt.sparkplug.wire import parse  # loads a library that few lines need

            self._parse = parse
        self.unborn: set[str] = set()
        """Edge nodes that send aliases whose birth was not received."""
        self._nodes = {
            name: EdgeNode(name, devices, notify, self.unborn, source_time=source_time)
            for name, devices in wanted.items()
        }

    def handle(self, received: ReceivedMessage) -> list[Row] | None:
        """The samples in a message; None if it is not from one of these edge nodes."""
        address = address_of(received.topic)
        node = self._nodes.get(address.node) if address else None
        if address is None or node is None:
            return None
        payload = None if received.payload is None else self._parse(received.payload)
        return node.handle(address.kind, address.device, payload, received)
