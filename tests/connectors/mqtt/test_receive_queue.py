from types import SimpleNamespace

import pytest

from connectors.mqtt import receive_queue
from connectors.mqtt.receive_queue import ReceiveQueue


def message(payload, topic="t", *, retain=False):
    return SimpleNamespace(topic=SimpleNamespace(value=topic), payload=payload, retain=retain)


@pytest.fixture
def box():
    return ReceiveQueue(lambda topic: {"t": 1, "two": 2}.get(topic, 0))


async def test_messages_are_returned_in_order_with_their_size_and_time(box):
    box.put_nowait(message(b"1"))
    box.put_nowait(message(b"22", "ü", retain=True))
    first, second = box.batch(await box.get())
    assert (first.topic, first.payload, first.size, first.is_retained) == ("t", b"1", 2, False)
    assert (second.topic, second.payload, second.size, second.is_retained) == ("ü", b"22", 4, True)
    assert 0 < first.at <= second.at
    assert box.empty()


async def test_a_full_queue_drops_the_oldest_and_counts_its_samples(box, monkeypatch):
    monkeypatch.setattr(receive_queue, "MAX_MESSAGES", 3)
    for payload in (b"1", b"2", b"3", b"4"):
        box.put_nowait(message(payload, "two"))
    box.put_nowait(message(b"5"))
    kept = box.batch(await box.get())
    assert [arrival.payload for arrival in kept] == [b"3", b"4", b"5"]
    assert (box.take_lost(), box.take_lost()) == (4, 0)


async def test_long_topics_fill_the_queue_too(box, monkeypatch):
    monkeypatch.setattr(receive_queue, "MAX_BYTES", 100)
    for _ in range(5):
        box.put_nowait(message(b"", "x" * 40))
    assert box.qsize() == 2


async def test_long_payloads_fill_the_queue_by_their_bytes(box, monkeypatch):
    monkeypatch.setattr(receive_queue, "MAX_BYTES", 100)
    for _ in range(5):
        box.put_nowait(message(b"x" * 40))
    assert box.qsize() == 2
    assert box.take_lost() == 3
    box.batch(await box.get())
    for _ in range(2):
        box.put_nowait(message(b"x" * 49))
    assert box.take_lost() == 0


async def test_a_payload_too_long_for_a_measurement_is_not_kept(box):
    box.put_nowait(message(b"x" * (receive_queue.MAX_PAYLOAD + 1)))
    arrival = await box.get()
    assert arrival.payload is None
    assert arrival.size == receive_queue.MAX_PAYLOAD + 2


async def test_a_batch_is_no_larger_than_can_be_decoded_quickly(box):
    for _ in range(2500):
        box.put_nowait(message(b"1"))
    assert [len(box.batch(await box.get())) for _ in range(2)] == [2000, 500]
    for _ in range(6):
        box.put_nowait(message(b"x" * 256 * 1024))
    assert [len(box.batch(await box.get())) for _ in range(2)] == [4, 2]
