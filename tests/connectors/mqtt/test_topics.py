import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mqtt import MqttConnector, MqttOptions
from connectors.mqtt.payloads import PayloadField, RelativePath
from connectors.mqtt.times import TimeForm
from connectors.mqtt.topics import covers, plan_of, without_overlap


def source(tags, **options):
    return MqttOptions.model_validate({"type": "mqtt", "host": "h", "tags": tags} | options)


def names(options):
    return [tag.name for tag in MqttConnector.declared_tags("broker", options)]


def test_tags_are_numbered_by_their_order_in_the_file():
    options = source(
        {
            "a": {"topic": "x", "path": "p.q"},
            "b": {"topic": "y", "path": "", "period": "1s"},
            "c": {"topic": "x", "time_path": "at", "time_format": "ms"},
        }
    )
    assert plan_of(options).fields == {
        "x": [
            PayloadField(0, ("p", "q")),
            PayloadField(2, ("value",), RelativePath(("at",)), TimeForm("ms")),
        ],
        "y": [PayloadField(1, period=10**9)],
    }


def test_one_entry_with_a_wildcard_makes_a_tag_for_each_of_its_levels():
    options = source(
        {
            "first": {"topic": "x"},
            "temperature": {"topic": "plant/+/t", "levels": ["north", "south"], "unit": "°C"},
            "flow": {"topic": "+/+/f", "levels": {"boiler": "hall 1/00:1A", "pump": "hall 2/7"}},
        }
    )
    assert names(options) == [
        "first",
        "north.temperature",
        "south.temperature",
        "boiler.flow",
        "pump.flow",
    ]
    numbers = {
        topic: [field.tag for field in read] for topic, read in plan_of(options).fields.items()
    }
    assert numbers == {
        "x": [0],
        "plant/north/t": [1],
        "plant/south/t": [2],
        "hall 1/00:1A/f": [3],
        "hall 2/7/f": [4],
    }
    assert list(plan_of(options).subscriptions) == ["x", "plant/+/t", "+/+/f"]


def test_each_filter_is_subscribed_to_once_with_the_highest_quality_of_service_it_needs():
    options = source(
        {
            "a": {"topic": "p/a", "qos": 2},
            "b": {"topic": "q/b", "qos": 0},
            "wide": {"topic": "p/+", "levels": ["c"]},
            "again": {"topic": "q/b", "path": "x"},
        },
        qos=0,
    )
    assert plan_of(options).subscriptions == {"p/+": 2, "q/b": 0}


@pytest.mark.parametrize(
    ("wide", "narrow", "does"),
    [
        ("a/+", "a/b", True),
        ("a/+", "a", False),
        ("a/+", "a/b/c", False),
        ("a/#", "a", True),
        ("a/#", "a/b/+", True),
        ("#", "a/b", True),
        ("#", "$SYS/a", False),
        ("+/a", "$SYS/a", False),
        ("$SYS/#", "$SYS/a", True),
        ("+/b", "a/+", False),
        ("a/+", "a/#", False),
        ("a/+/c", "a/b/c", True),
        ("a/b", "a/b", True),
        ("a/b", "a/+", False),
        ("a/+", "a/", True),
    ],
)
def test_a_filter_covers_another_as_in_the_standard(wide, narrow, does):
    assert covers(wide, narrow) is does


def matches(topic, each):
    """The library's own matching."""
    from paho.mqtt.client import topic_matches_sub

    return topic_matches_sub(each, topic)


_level = st.sampled_from(["a", "b", "+"])
_filter = st.tuples(st.lists(_level, min_size=1, max_size=3), st.booleans()).map(
    lambda made: "/".join([*made[0], "#"] if made[1] else made[0])
)
_topic = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4).map("/".join)


@given(st.dictionaries(_filter, st.integers(0, 2), min_size=1, max_size=5), _topic)
def test_leaving_out_covered_filters_loses_no_message(requested, topic):
    kept = without_overlap(requested)
    before = [qos for each, qos in requested.items() if matches(topic, each)]
    after = [qos for each, qos in kept.items() if matches(topic, each)]
    assert bool(before) is bool(after)
    assert max(after, default=0) >= max(before, default=0)
    assert not any(a != b and covers(a, b) for a in kept for b in kept)


@given(_filter, _topic)
def test_covering_a_topic_is_matching_it(wide, topic):
    assert covers(wide, topic) is matches(topic, wide)


def test_a_refused_filter_names_the_tags_without_messages():
    plan = plan_of(
        source(
            {
                "a": {"topic": "p/+", "levels": ["x", "y"]},
                "b": {"topic": "q"},
                "c": {"sparkplug": "g/n/d", "metric": "m"},
                "e": {"sparkplug": "g/o", "metric": "m"},
            }
        )
    )
    for refused, tags in (
        (["p/+"], [0, 1]),
        (["spBv1.0/g/DDATA/n/+"], [3]),
        (["$sparkplug/certificates/spBv1.0/g/NBIRTH/o"], []),
        ([], []),
    ):
        assert [each.tag for each in plan.refused_tags(refused)] == tags
