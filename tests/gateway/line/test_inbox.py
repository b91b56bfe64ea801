from dataclasses import replace

import numpy as np
from fakes import tag

from gateway.api.model import Quality, SampleBatch
from gateway.line.inbox import Inbox

TAGS = [*(tag(f"t{number}") for number in range(7)), tag("level", low=0.0, high=100.0)]


def batch(*values):
    n = len(values)
    return SampleBatch(
        np.zeros(n, dtype=np.int32),
        np.arange(n, dtype=np.int64),
        np.array(values, dtype=np.float64),
        np.zeros(n, dtype=np.uint8),
    )


def test_it_hands_everything_over_in_order_with_the_lines_tag_numbers():
    inbox = Inbox(TAGS)
    inbox.put(batch(1.0, 2.0), first_tag=0)
    inbox.put(batch(3.0), first_tag=7)
    drained = inbox.drain()
    assert drained.value.tolist() == [1.0, 2.0, 3.0]
    assert drained.tag.tolist() == [0, 0, 7]
    assert drained.tag.dtype == np.int32
    assert inbox.drain() is None


def test_a_batch_of_nothing_is_no_arrival():
    inbox = Inbox(TAGS)
    inbox.put(batch(), first_tag=0)
    assert inbox.drain() is None


def test_when_it_is_full_the_oldest_go_and_are_counted():
    inbox = Inbox(TAGS, limit=3)
    for value in (1.0, 2.0, 3.0, 4.0, 5.0):
        inbox.put(batch(value), first_tag=0)
    assert inbox.drain().value.tolist() == [3.0, 4.0, 5.0]
    assert inbox.dropped == 2


def test_a_value_out_of_the_bounds_of_its_tag_is_bad_from_here_on():
    inbox = Inbox(TAGS)
    put = inbox.put(batch(-0.1, 50.0), first_tag=7)
    assert put.quality.tolist() == [Quality.BAD, Quality.GOOD]
    assert inbox.drain().quality.tolist() == [Quality.BAD, Quality.GOOD]
    inbox.put(batch(-0.1), first_tag=0)
    assert inbox.drain().value.tolist() == [-0.1], "another tag has no such bounds"


def test_one_batch_is_handed_over_as_it_came():
    inbox = Inbox(TAGS)
    columns = (np.array([4], np.int32), np.array([5]), np.array([6.0]), np.array([1], np.uint8))
    given = SampleBatch(*columns, wire_bytes=9)
    put = inbox.put(given, first_tag=3)
    handed = inbox.drain()
    assert handed is put
    assert (handed.tag.tolist(), handed.at.tolist(), handed.wire_bytes) == ([7], [5], 9)
    assert (handed.value.tolist(), handed.quality.tolist()) == ([6.0], [1])
    assert given.tag.tolist() == [4], "what a connector keeps is not written to"


def test_it_knows_how_many_samples_wait():
    inbox = Inbox(TAGS, limit=4)
    inbox.put(batch(1.0, 2.0), first_tag=0)
    inbox.put(batch(3.0), first_tag=0)
    assert len(inbox) == 3
    inbox.put(batch(4.0, 5.0), first_tag=0)
    assert (len(inbox), inbox.dropped) == (3, 2)
    assert repr(inbox) == "<Inbox 3 samples waiting, 2 dropped>"
    inbox.drain()
    assert len(inbox) == 0
    inbox.put(batch(1.0, 2.0, 3.0, 4.0), first_tag=0)
    assert (len(inbox), inbox.dropped) == (4, 2), "exactly the limit fits"


def test_a_batch_beyond_the_limit_is_dropped_whole():
    inbox = Inbox(TAGS, limit=2)
    inbox.put(batch(1.0, 2.0, 3.0), first_tag=0)
    assert (inbox.drain(), inbox.dropped) == (None, 3)


def test_half_a_million_samples_fit():
    inbox = Inbox(TAGS)
    inbox.put(batch(*[0.0] * 250_000), first_tag=0)
    inbox.put(batch(*[0.0] * 250_000), first_tag=0)
    assert inbox.dropped == 0
    inbox.put(batch(1.0), first_tag=0)
    assert (inbox.dropped, len(inbox)) == (250_000, 250_001)


def test_reasons_get_the_lines_tag_numbers_and_the_newest_one_counts():
    inbox = Inbox(TAGS)
    inbox.put(replace(batch(np.nan), reasons={0: "first"}), first_tag=2)
    inbox.put(replace(batch(np.nan), reasons={0: "second"}), first_tag=2)
    inbox.put(replace(batch(np.nan), reasons={0: "another"}), first_tag=3)
    assert inbox.drain().reasons == {2: "second", 3: "another"}


def test_a_reason_is_short_and_visible_whatever_a_device_wrote():
    inbox = Inbox(TAGS)
    told = "the server says \x1b[2J\0\udc80\u202e" + "x" * 1_000_000
    put = inbox.put(replace(batch(1.0), reasons={0: told, 1: "no value"}), first_tag=2)
    assert put.reasons[2].startswith(r"the server says \x1b[2J\x00\udc80\u202exxx")
    assert put.reasons[2].isprintable()
    assert len(put.reasons[2]) == 400
    assert put.reasons[3] == "no value"
