"""The nouns: what the properties and small methods of them say."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from gateway.api.model import Envelope, Kind, Loss, Quality, SampleBatch, Tag, Window


def batch(*values, first=0):
    n = len(values)
    return SampleBatch(
        np.arange(first, first + n, dtype=np.int32),
        np.arange(n, dtype=np.int64),
        np.array(values, dtype=np.float64),
        np.full(n, Quality.UNCERTAIN, dtype=np.uint8),
        wire_bytes=8,
        lost=1,
        unmatched=2,
    )


def test_the_numbers_of_an_enumeration_have_names():
    tag = Tag("valve", "plc", 1, names={1.0: "open"})
    assert [tag.name_of(value) for value in (1.0, 2.0, None)] == ["open", "", ""]
    assert len({tag, Tag("valve", "plc", 1, names={2.0: "shut"})}) == 2


def test_some_rows_of_a_batch_leave_out_what_the_protocol_carried():
    rows = batch(1.0, 2.0, 3.0, first=4).rows(slice(1, None))
    assert (rows.tag.tolist(), rows.at.tolist(), rows.value.tolist()) == (
        [5, 6],
        [1, 2],
        [2.0, 3.0],
    )
    assert rows.quality.tolist() == [1, 1]
    assert (rows.wire_bytes, rows.lost, rows.unmatched) == (0, 0, 0)
    assert len(batch(1.0, 2.0).rows(np.array([True, False]))) == 1


def test_batches_are_joined_in_their_order():
    joined = SampleBatch.joined([batch(3.0), batch(1.0, 2.0, first=7)])
    assert joined.tag.tolist() == [0, 7, 8]
    assert joined.at.tolist() == [0, 0, 1]
    assert joined.value.tolist() == [3.0, 1.0, 2.0]
    assert joined.quality.tolist() == [1, 1, 1]


def test_a_window_knows_its_end_and_how_much_of_it_was_observed():
    observed = np.array([[True, False], [True, False], [True, True], [True, False]])
    window = Window(100, 10, np.zeros((4, 2)), observed)
    assert window.end == 130
    assert window.coverage == 5 / 8
    assert window.coverage_per_tag.tolist() == [1.0, 0.25]


def test_a_window_without_tags_was_not_observed():
    assert Window(0, 10, np.zeros((4, 0)), np.zeros((4, 0), dtype=np.bool_)).coverage == 0.0


def test_classes_leave_in_the_order_of_their_numbers():
    assert sorted(Kind) == [Kind.ALERT, Kind.SUMMARY, Kind.GATEWAY, Kind.CLIP]


def test_a_loss_is_written_as_plain_values():
    assert Loss(Kind.CLIP, "per_hour", 3, 10, 20).facts() == {
        "kind": "clip",
        "reason": "per_hour",
        "count": 3,
        "since": 10,
        "until": 20,
    }


def test_what_flows_cannot_be_changed_on_its_way():
    with pytest.raises(FrozenInstanceError):
        Envelope(Kind.ALERT, 1, b"x").at = 2
