"""Births, deaths, aliases and gaps of one edge node, message by message."""

import math

import pytest

from connectors.mqtt.receive_queue import ReceivedMessage
from connectors.mqtt.sparkplug.host import HostWatch, is_online
from connectors.mqtt.sparkplug.metrics import Metric, Payload
from connectors.mqtt.sparkplug.node import EdgeNode
from connectors.mqtt.sparkplug.reader import address_of, filters_of
from connectors.mqtt.sparkplug.scope import MetricTag
from gateway.api.model import SECOND, Quality

GOOD, UNCERTAIN, BAD = Quality.GOOD, Quality.UNCERTAIN, Quality.BAD
INT32, UINT64, DOUBLE = 3, 8, 10
NOON = 1_767_268_800 * SECOND


def metric(name, raw=None, *, kind="double_value", datatype=DOUBLE, **other):
    given = {"alias": None, "at": None, "quality": None, "is_historical": False, "is_null": False}
    return Metric(name=name, kind=kind, raw=raw, datatype=datatype, **given | other)


def by_alias(alias, raw, **other):
    return metric(None, raw, alias=alias, datatype=0, **other)


def bd_seq(number):
    return metric("bdSeq", number, kind="long_value", datatype=UINT64)


class Sender:
    """An edge node with flow (tag 0) and, on its device pump, speed (1) and count (2)."""

    def __init__(self, **options):
        self.events, self.seq = [], 0
        wanted = {
            None: {"flow": [MetricTag(0)]},
            "pump": {"speed": [MetricTag(1)], "count": [MetricTag(2)]},
        }
        self.node = EdgeNode("g/n", wanted, self.notify, **options)

    def notify(self, event, **fields):
        self.events.append((event.removeprefix("sparkplug."), fields))

    def send(self, kind, *metrics, seq=None, at=NOON, retained=False, arrived=NOON + 5):
        """The samples of a message as (tag, value, quality); a seq of None is the next one."""
        device = "pump" if kind.startswith("D") else None
        self.seq = (self.seq + 1) % 256 if seq is None else seq
        arrival = ReceivedMessage(arrived, "t", b"", 1, retained)
        rows = self.node.handle(kind, device, Payload(at, self.seq, metrics), arrival)
        self.rows = rows
        return [
            (tag, None if math.isnan(value) else value, quality)
            for tag, _, value, quality, _ in rows
        ]

    def garbage(self, kind):
        device = "pump" if kind.startswith("D") else None
        arrival = ReceivedMessage(NOON + 5, "t", b"", 1, False)
        return [
            (tag, quality)
            for tag, _, _, quality, _ in self.node.handle(kind, device, None, arrival)
        ]

    def born(self):
        self.send("NBIRTH", bd_seq(3), metric("flow", 1.0, alias=1), seq=0)
        self.send(
            "DBIRTH",
            metric("speed", 10.0, alias=2),
            metric("count", 7, kind="int_value", datatype=INT32, alias=3),
        )
        self.events.clear()
        return self


@pytest.fixture
def sender():
    return Sender()


def test_a_birth_has_current_values_and_defines_its_aliases(sender):
    assert sender.send("NBIRTH", metric("flow", 1.0, alias=9, at=NOON - 99), seq=0) == [
        (0, 1, GOOD)
    ]
    assert sender.rows[0][1] == NOON  # the birth's own time, not the metric's
    assert sender.send("NDATA", by_alias(9, 2.0, at=NOON + 1)) == [(0, 2, GOOD)]
    assert sender.rows[0][1] == NOON + 1
    assert sender.send("NDATA", metric("flow", 3.0)) == [(0, 3, GOOD)]
    assert sender.events == []


def test_integers_need_the_type_from_their_birth(sender):
    sender.born()
    data = by_alias(3, 2**32 - 1, kind="int_value")
    assert sender.send("DDATA", data) == [(2, -1, GOOD)]
    fresh = Sender()
    named = metric("count", 5, kind="int_value", datatype=0)
    assert fresh.send("DDATA", named) == [(2, None, BAD)]


def test_before_a_birth_a_metric_with_its_name_is_read_and_an_alias_means_nothing(sender):
    assert sender.send("DDATA", metric("speed", 4.0), by_alias(2, 5.0), seq=77) == [(1, 4, GOOD)]
    assert sender.send("DDATA", by_alias(2, 6.0)) == []
    assert [event for event, _ in sender.events] == ["aliases_unknown"]


def test_a_death_makes_all_its_tags_bad_until_the_next_birth(sender):
    sender.born()
    assert sender.send("NDEATH", bd_seq(3), arrived=NOON + 9) == [
        (0, None, BAD),
        (1, None, BAD),
        (2, None, BAD),
    ]
    assert {row[1] for row in sender.rows} == {NOON + 9}
    assert sender.send("NDATA", metric("flow", 2.0)) == [(0, 2, UNCERTAIN)]
    assert sender.send("NBIRTH", metric("flow", 3.0), seq=0) == [(0, 3, GOOD)]
    assert sender.send("DDATA", metric("speed", 3.0)) == [(1, 3, UNCERTAIN)]
    assert sender.send("DBIRTH", metric("speed", 4.0), metric("count", 1.0)) == [
        (1, 4, GOOD),
        (2, 1, GOOD),
    ]


def test_the_death_of_an_earlier_birth_is_ignored(sender):
    sender.born()
    assert sender.send("NDEATH", bd_seq(2)) == []
    assert sender.send("NDATA", by_alias(1, 5.0), seq=2) == [(0, 5, GOOD)]


def test_the_death_of_a_device_leaves_its_node_alone(sender):
    sender.born()
    assert sender.send("DDEATH") == [(1, None, BAD), (2, None, BAD)]
    assert sender.send("NDATA", by_alias(1, 5.0)) == [(0, 5, GOOD)]
    assert sender.events == [("device_dead", {"device": "g/n/pump"})]


def test_after_a_gap_the_last_values_are_uncertain_and_only_names_are_good_again(sender):
    sender.born()
    assert sender.send("DDATA", by_alias(2, 11.0), seq=3) == [
        (0, 1, UNCERTAIN),
        (2, 7, UNCERTAIN),
        (1, 11, UNCERTAIN),
    ]
    assert "received number 3, expected 2" in sender.events[0][1]["why"]
    assert sender.send("DDATA", by_alias(2, 12.0)) == [(1, 12, UNCERTAIN)]
    assert sender.send("DDATA", metric("speed", 13.0)) == [(1, 13, GOOD)]
    untyped = metric("count", 8, kind="int_value", datatype=0)
    assert sender.send("DDATA", untyped) == [(2, 8, UNCERTAIN)]
    assert len(sender.events) == 1
    sender.born()
    assert sender.send("DDATA", by_alias(2, 14.0)) == [(1, 14, GOOD)]


def test_a_device_that_is_born_again_after_a_gap_is_good_again(sender):
    sender.born()
    sender.send("NDATA", seq=99)
    born = sender.send("DBIRTH", metric("speed", 1.0, alias=5), metric("count", 2.0))
    assert born == [(1, 1, GOOD), (2, 2, GOOD)]
    assert sender.send("DDATA", by_alias(5, 2.0)) == [(1, 2, GOOD)]
    assert sender.send("NDATA", by_alias(1, 2.0)) == [(0, 2, UNCERTAIN)]


def test_the_values_of_a_birth_after_a_gap_are_good(sender):
    sender.born()
    born = sender.send("DBIRTH", metric("speed", 1.0), metric("count", 2.0), seq=50)
    assert born == [(0, 1, UNCERTAIN), (1, 1, GOOD), (2, 2, GOOD)]


def test_the_sequence_goes_from_255_to_0(sender):
    sender.born()
    for seq in range(2, 256):
        sender.send("NDATA", seq=seq)
    assert sender.send("DDATA", by_alias(2, 1.0), seq=0) == [(1, 1, GOOD)]
    assert sender.events == []


def test_messages_of_devices_that_are_not_read_count_in_the_sequence(sender):
    sender.born()
    arrival = ReceivedMessage(NOON, "t", b"", 1, False)
    assert sender.node.handle("DDATA", "other", Payload(NOON, 2, ()), arrival) == []
    assert sender.send("DDATA", by_alias(2, 1.0), seq=3) == [(1, 1, GOOD)]


def test_a_rebirth_of_the_node_forgets_the_aliases_of_its_devices(sender):
    sender.born()
    sender.send("NBIRTH", metric("flow", 1.0), seq=0)
    assert sender.send("DDATA", by_alias(2, 1.0)) == []


def test_an_alias_that_is_not_in_the_birth_makes_values_uncertain(sender):
    sender.born()
    assert sender.send("DDATA", by_alias(44, 1.0)) == [
        (0, 1, UNCERTAIN),
        (1, 10, UNCERTAIN),
        (2, 7, UNCERTAIN),
    ]


def test_an_alias_that_is_given_twice_is_ignored(sender):
    sender.send("DBIRTH", metric("speed", 1.0, alias=5), metric("count", 2.0, alias=5))
    assert (1, 9, GOOD) not in sender.send("DDATA", by_alias(5, 9.0))


def test_a_metric_that_its_birth_does_not_have_is_bad_and_reported(sender):
    assert sender.send("DBIRTH", metric("speed", 1.0)) == [(2, None, BAD), (1, 1, GOOD)]
    assert sender.events == [("metrics_missing", {"born": "g/n/pump", "metrics": "count"})]


def test_a_metric_that_a_later_birth_does_not_have_stays_bad_after_a_gap(sender):
    sender.send("DBIRTH", metric("speed", 1.0), metric("count", 2.0), seq=1)
    assert (2, None, BAD) in sender.send("DBIRTH", metric("speed", 1.0))
    assert sender.send("NDATA", seq=9) == [(1, 1, UNCERTAIN)]


def test_a_payload_that_cannot_be_decoded_is_a_lost_message(sender):
    sender.born()
    assert sender.garbage("NDATA") == [(0, UNCERTAIN), (1, UNCERTAIN), (2, UNCERTAIN)]
    assert sender.send("NDATA", by_alias(1, 5.0)) == [(0, 5, UNCERTAIN)]


def test_a_death_that_cannot_be_decoded_is_a_death(sender):
    sender.born()
    assert sender.garbage("NDEATH") == [(0, BAD), (1, BAD), (2, BAD)]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (metric("flow", None, kind=None, is_null=True), [(0, None, BAD)]),
        (metric("flow", 2.0, quality=0), [(0, None, BAD)]),
        (metric("flow", 2.0, quality=500), [(0, 2, UNCERTAIN)]),
        (metric("flow", 2.0, is_historical=True), []),
        (metric("other", 2.0), []),
    ],
)
def test_null_quality_and_history(sender, sent, expected):
    sender.born()
    assert sender.send("NDATA", sent) == expected


def test_two_values_of_a_metric_in_one_message_are_two_samples(sender):
    sender.born()
    both = (by_alias(1, 2.0, at=NOON + 1), by_alias(1, 3.0, at=NOON + 2))
    assert sender.send("NDATA", *both) == [(0, 2, GOOD), (0, 3, GOOD)]


def test_a_birth_that_the_broker_kept_defines_aliases_but_is_not_current(sender):
    old = NOON + 60 * SECOND
    kept = metric("flow", 1.0, alias=1)
    assert sender.send("NBIRTH", kept, retained=True, arrived=old) == [(0, 1, UNCERTAIN)]
    assert sender.send("NDATA", by_alias(1, 2.0), seq=123) == [(0, 2, GOOD)]
    assert sender.send("NDATA", by_alias(1, 3.0), seq=124) == [(0, 3, GOOD)]
    assert sender.send("NBIRTH", metric("flow", 9.0, alias=2), retained=True) == []
    assert sender.send("NDATA", by_alias(1, 4.0), seq=125) == [(0, 4, GOOD)]


def test_without_a_reliable_clock_samples_have_the_time_of_reception():
    sender = Sender(source_time=False)
    sender.send("NBIRTH", metric("flow", 1.0, at=5), seq=0, at=7, arrived=NOON)
    assert sender.rows[0][1] == NOON


def test_a_payload_without_any_time_has_the_time_of_reception(sender):
    sender.send("NBIRTH", metric("flow", 1.0), seq=0, at=None, arrived=NOON + 3)
    assert sender.rows[0][1] == NOON + 3


@pytest.mark.parametrize(
    ("topic", "address"),
    [
        ("spBv1.0/g/NDATA/n", ("g/n", "NDATA", None)),
        ("spBv1.0/g/DBIRTH/n/d", ("g/n", "DBIRTH", "d")),
        ("$sparkplug/certificates/spBv1.0/g/NBIRTH/n", ("g/n", "NBIRTH", None)),
        ("spBv1.0/g/NCMD/n", None),
        ("spBv1.0/g/NDATA/n/d", None),
        ("spBv1.0/g/DDATA/n", None),
        ("spBv1.0/STATE/scada", None),
        ("spAv1.0/g/NDATA/n", None),
        ("a", None),
    ],
)
def test_a_topic_names_the_sender_of_a_message(topic, address):
    assert address_of(topic) == address


def test_all_topics_of_an_edge_node_are_subscribed_to_because_they_share_a_sequence():
    assert filters_of("g/n", is_aware=True) == [
        "$sparkplug/certificates/spBv1.0/g/NBIRTH/n",
        "$sparkplug/certificates/spBv1.0/g/DBIRTH/n/+",
        "spBv1.0/g/NBIRTH/n",
        "spBv1.0/g/NDATA/n",
        "spBv1.0/g/NDEATH/n",
        "spBv1.0/g/DBIRTH/n/+",
        "spBv1.0/g/DDATA/n/+",
        "spBv1.0/g/DDEATH/n/+",
    ]
    assert not any("CMD" in each for each in filters_of("g/n", is_aware=True))


@pytest.mark.parametrize(
    ("payload", "online"),
    [
        (b'{"online": true, "timestamp": 1}', True),
        (b'{"online": false, "timestamp": 1}', False),
        (b"ONLINE", True),
        (b"OFFLINE", False),
        (b'{"online": 1}', None),
        (b"[" * 100_000, None),
        (b"\xff", None),
        (b"", None),
        (None, None),
    ],
)
def test_a_state_is_read_in_the_format_of_both_versions(payload, online):
    assert is_online(payload) is online


def test_each_change_of_the_primary_hosts_state_is_reported_once():
    events = []
    watch = HostWatch("scada", lambda event, **fields: events.append((event, fields["host"])))
    for topic, payload in (
        ("spBv1.0/STATE/scada", b'{"online": true}'),
        ("STATE/scada", b"ONLINE"),
        ("STATE/scada", b"OFFLINE"),
        ("STATE/scada", b"?"),
    ):
        assert watch.handle(ReceivedMessage(1, topic, payload, 1, True))
    assert not watch.handle(ReceivedMessage(1, "STATE/other", b"ONLINE", 1, True))
    assert events == [("sparkplug.host_online", "scada"), ("sparkplug.host_offline", "scada")]


def test_a_birth_of_the_node_alone_makes_the_values_of_its_devices_uncertain():
    sender = Sender()
    sender.send("NBIRTH", metric("flow", 1.0), bd_seq(1))
    sender.send("DBIRTH", metric("speed", 2.0), metric("count", 3.0))
    rows = sender.send("NBIRTH", metric("flow", 4.0), bd_seq(2), seq=0)
    assert rows == [(1, 2.0, UNCERTAIN), (2, 3.0, UNCERTAIN), (0, 4.0, GOOD)]
    assert sender.rows[0][4] == (
        "Sparkplug: no birth was received of pump since that of its edge node"
    )
    rows = sender.send("DBIRTH", metric("speed", 5.0), metric("count", 6.0))
    assert rows == [(1, 5.0, GOOD), (2, 6.0, GOOD)]
