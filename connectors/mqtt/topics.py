"""From the options to what is asked of the broker, and whose samples a message brings (pure).

Promises
- Each tag is read from exactly one topic; wildcards are what is subscribed to, never what is read.
- No two subscriptions cover the same topic where one of them covers all of the other: a broker may
  deliver a message once for each.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from connectors.mqtt.options import PERIOD, MqttOptions
from connectors.mqtt.payloads import Field, steps

Subscriptions = Mapping[str, int]
"""Topic filters, with the QoS that is asked for."""


def fields_of(options: MqttOptions) -> dict[str, list[Field]]:
    """What is read from each topic; tags are numbered in the order in which they are declared."""
    fields: dict[str, list[Field]] = {}
    number = 0
    for name, tag in options.tags.items():
        common: dict[str, Any] = {
            "path": steps(tag.path),
            "time_path": None if tag.time_path is None else steps(tag.time_path),
            "time_format": tag.time_format or "ns",
            "period": tag.period or PERIOD,
            "quality_path": None if tag.quality_path is None else steps(tag.quality_path),
            "quality_good": tuple(tag.quality_good or ()),
            "texts": tag.enumeration or None,
        }
        limits = {key: value for key in ("low", "high") if (value := getattr(tag, key)) is not None}
        for _, topic in tag.topics(name):
            fields.setdefault(topic, []).append(Field(number, **common, **limits))
            number += 1
    return fields


def subscriptions_of(options: MqttOptions) -> dict[str, int]:
    """The topic filters to subscribe to, in the order of the file."""
    asked: dict[str, int] = {}
    for tag in options.tags.values():
        qos = options.qos if tag.qos is None else tag.qos
        asked[tag.topic] = max(qos, asked.get(tag.topic, 0))
    return without_overlap(asked)


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


def refused_topics(refused: Iterable[str], topics: Iterable[str]) -> list[str]:
    """The topics of which nothing will come, because the broker refused these filters."""
    refused = list(refused)
    return [topic for topic in topics if any(covers(each, topic) for each in refused)]
