"""From the options to what is asked of the broker, and whose samples a message brings (pure).

Promises
- Each tag is read from exactly one topic, or one metric; wildcards are what is subscribed to,
  never what is read.
- No two subscriptions cover the same topic where one of them covers all of the other: a broker may
  deliver a message once for each.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from connectors.mqtt.options import PERIOD, MqttOptions
from connectors.mqtt.payloads import Field, steps
from connectors.mqtt.sparkplug.host import filters_of_host
from connectors.mqtt.sparkplug.reader import KEPT, filters_of
from connectors.mqtt.sparkplug.scope import Device, Place
from connectors.mqtt.tags import MqttTag

Subscriptions = Mapping[str, int]
"""Topic filters, with the QoS that is asked for."""


@dataclass
class Plan:
    """What is read: fields by topic, metrics by edge node and device; tags numbered as declared."""

    subscriptions: Subscriptions = field(default_factory=dict)
    fields: dict[str, list[Field]] = field(default_factory=dict)
    nodes: dict[str, dict[Device, dict[str, list[Place]]]] = field(default_factory=dict)
    tags: int = 0

    def samples_of(self, topic: str) -> int:
        """How many samples a message on this topic would be; of a metric's, one is known."""
        return len(self.fields.get(topic, ())) or int(bool(self.nodes))

    def silenced(self, refused: Iterable[str]) -> Iterator[Field | Place]:
        """What nothing will come of, because the broker refused these filters."""
        refused = [each for each in refused if not each.startswith(KEPT)]
        for topic, fields in self.fields.items():
            if any(covers(each, topic) for each in refused):
                yield from fields
        for node, devices in self.nodes.items():
            asked = filters_of(node, is_aware=False)
            if any(covers(each, own) for each in refused for own in asked):
                for metrics in devices.values():
                    yield from (place for places in metrics.values() for place in places)


def plan_of(options: MqttOptions) -> Plan:
    """What to subscribe to and to read."""
    plan, asked = Plan(), dict[str, int]()
    for name, tag in options.tags.items():
        qos = options.qos if tag.qos is None else tag.qos
        filters = [tag.topic] if tag.topic else []
        for _, address in tag.addresses(name):
            if tag.topic:
                plan.fields.setdefault(address, []).append(_field(plan.tags, tag))
            else:
                filters += _add_metric(plan, tag, address, is_aware=options.sparkplug_aware)
            plan.tags += 1
        for each in filters:
            asked[each] = max(qos, asked.get(each, 0))
    if options.primary_host:
        asked |= dict.fromkeys(filters_of_host(options.primary_host), options.qos)
    plan.subscriptions = without_overlap(asked)
    return plan


def _add_metric(plan: Plan, tag: MqttTag, address: str, *, is_aware: bool) -> list[str]:
    group, name, *device = address.split("/")
    node = f"{group}/{name}"
    metrics = plan.nodes.setdefault(node, {}).setdefault(device[0] if device else None, {})
    place = Place(plan.tags, texts=tag.enumeration or None, period=tag.period or PERIOD)
    metrics.setdefault(tag.metric or "", []).append(place)
    return filters_of(node, is_aware=is_aware)


def _field(number: int, tag: MqttTag) -> Field:
    return Field(
        number,
        path=steps(tag.path),
        time_path=None if tag.time_path is None else steps(tag.time_path),
        time_format=tag.time_format or "ns",
        period=tag.period or PERIOD,
        quality_path=None if tag.quality_path is None else steps(tag.quality_path),
        quality_good=tuple(tag.quality_good or ()),
        texts=tag.enumeration or None,
    )


def without_overlap(asked: Subscriptions) -> dict[str, int]:
    """The filters that no other covers, each with the highest QoS of what it covers."""
    wide = [each for each in asked if set(each) & set("+#")]
    widest = [each for each in wide if not any(covers(o, each) for o in wide if o != each)]
    kept: dict[str, int] = {}
    for each, qos in asked.items():
        over = next((other for other in widest if covers(other, each)), each)
        kept[over] = max(qos, asked[over], kept.get(over, 0))
    return kept


def covers(wide: str, narrow: str) -> bool:
    """Whether every topic that matches `narrow` matches `wide`; both may hold + and #."""
    here, there = wide.split("/"), narrow.split("/")
    if here[0] in ("+", "#") and there[0].startswith("$"):
        return False  # MQTT 4.7.2: topics of the broker itself are asked for by name
    for at, level in enumerate(here):
        if level == "#":
            return True
        if at >= len(there) or there[at] == "#" or level not in ("+", there[at]):
            return False
    return len(here) == len(there)
