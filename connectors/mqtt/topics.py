"""From the options to subscriptions, and to the tags of each topic and metric (pure).

Promises
- Each tag is read from exactly one topic or one metric; wildcards are only subscribed to.
- No subscription is covered by another: a broker may deliver a message once for each.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from connectors.mqtt.options import PERIOD, MqttOptions
from connectors.mqtt.payloads import PayloadField
from connectors.mqtt.sparkplug.host import filters_of_host
from connectors.mqtt.sparkplug.reader import KEPT, filters_of
from connectors.mqtt.sparkplug.scope import Device, MetricTag
from connectors.mqtt.tags import MqttTag

Subscriptions = Mapping[str, int]
"""Topic filters, each with the requested QoS."""


@dataclass
class Plan:
    """Fields by topic, metrics by edge node and device; tags are numbered as declared."""

    subscriptions: Subscriptions = field(default_factory=dict)
    fields: dict[str, list[PayloadField]] = field(default_factory=dict)
    nodes: dict[str, dict[Device, dict[str, list[MetricTag]]]] = field(default_factory=dict)
    tags: int = 0

    def samples_of(self, topic: str) -> int:
        """How many samples a message on this topic has; at least one if it is Sparkplug's."""
        return len(self.fields.get(topic, ())) or int(bool(self.nodes))

    def refused_tags(self, refused: Iterable[str]) -> Iterator[PayloadField | MetricTag]:
        """The fields and metrics that get no messages because the broker refused these filters."""
        refused = [each for each in refused if not each.startswith(KEPT)]
        for topic, fields in self.fields.items():
            if any(covers(each, topic) for each in refused):
                yield from fields
        for node, devices in self.nodes.items():
            needed = filters_of(node, is_aware=False)
            if any(covers(each, own) for each in refused for own in needed):
                for metrics in devices.values():
                    yield from (tag for tags in metrics.values() for tag in tags)

    def tags_of(self, topics: Iterable[str]) -> Iterator[PayloadField | MetricTag]:
        """The fields and metrics that get no messages without these topics."""
        topics = list(topics)
        for topic in topics:
            yield from self.fields.get(topic, ())
        for node, devices in self.nodes.items():
            needed = filters_of(node, is_aware=False)
            if any(covers(own, topic) for own in needed for topic in topics):
                for metrics in devices.values():
                    yield from (tag for tags in metrics.values() for tag in tags)

    def subscriptions_without(self, topics: Iterable[str]) -> Subscriptions:
        """The subscriptions, where a filter that covers one of these topics is replaced by the
        other topics that it covers and that have a tag.
        """
        topics, kept = set(topics), dict[str, int]()
        for each, qos in self.subscriptions.items():
            if any(covers(each, topic) for topic in topics):
                others = {topic for topic in self._topics() if covers(each, topic)}
                kept |= dict.fromkeys(sorted(others - topics), qos)
            else:
                kept[each] = qos
        return kept

    def _topics(self) -> Iterator[str]:
        """Every topic that a tag is read from, without wildcards."""
        yield from self.fields
        for node, devices in self.nodes.items():
            for each in filters_of(node, is_aware=True):
                names = devices if each.endswith("/+") else [None]
                yield from (
                    each if name is None else f"{each[:-1]}{name}"
                    for name in names
                    if not each.endswith("/+") or name is not None
                )


def plan_of(options: MqttOptions) -> Plan:
    """The subscriptions, fields and metrics of a source."""
    plan, requested = Plan(), dict[str, int]()
    for name, tag in options.tags.items():
        qos = options.qos if tag.qos is None else tag.qos
        filters = [tag.topic] if tag.topic else []
        for _, address in tag.addresses(name):
            if tag.topic:
                plan.fields.setdefault(address, []).append(_field(plan.tags, tag, options.timezone))
            else:
                filters += _add_metric(plan, tag, address, is_aware=options.sparkplug_aware)
            plan.tags += 1
        for each in filters:
            requested[each] = max(qos, requested.get(each, 0))
    if options.primary_host:
        requested |= dict.fromkeys(filters_of_host(options.primary_host), options.qos)
    plan.subscriptions = without_overlap(requested)
    return plan


def _add_metric(plan: Plan, tag: MqttTag, address: str, *, is_aware: bool) -> list[str]:
    group, name, *device = address.split("/")
    node = f"{group}/{name}"
    metrics = plan.nodes.setdefault(node, {}).setdefault(device[0] if device else None, {})
    entry = MetricTag(plan.tags, texts=tag.text_numbers(), period=tag.period or PERIOD)
    metrics.setdefault(tag.metric or "", []).append(entry)
    return filters_of(node, is_aware=is_aware)


def _field(number: int, tag: MqttTag, zone: str | None) -> PayloadField:
    return PayloadField(
        number,
        path=tag.steps,
        time=tag.beside_value(tag.time_path),
        time_form=tag.time_form(zone),
        period=tag.period or PERIOD,
        quality=tag.beside_value(tag.quality_path),
        quality_good=tuple(tag.quality_good or ()),
        error=tag.beside_value(tag.error_path),
        texts=tag.text_numbers(),
        format=tag.format,
        separator=tag.separator,
        is_bad_if_absent=tag.absent == "bad",
    )


def without_overlap(requested: Subscriptions) -> dict[str, int]:
    """The filters that no other covers, each with the highest QoS of the filters it covers."""
    wide = [each for each in requested if set(each) & set("+#")]
    widest = [each for each in wide if not any(covers(o, each) for o in wide if o != each)]
    kept: dict[str, int] = {}
    for each, qos in requested.items():
        over = next((other for other in widest if covers(other, each)), each)
        kept[over] = max(qos, requested[over], kept.get(over, 0))
    return kept


def covers(wide: str, narrow: str) -> bool:
    """True if every topic that matches `narrow` matches `wide`; both may contain + and #."""
    here, there = wide.split("/"), narrow.split("/")
    if here[0] in ("+", "#") and there[0].startswith("$"):
        return False  # MQTT 4.7.2: a wildcard does not match the broker's own topics
    for at, level in enumerate(here):
        if level == "#":
            return True
        if at >= len(there) or there[at] == "#" or level not in ("+", there[at]):
            return False
    return len(here) == len(there)
