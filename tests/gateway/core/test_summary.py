import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.model import SECOND, Quality, SampleBatch, Tag
from gateway.core.summary import Summariser

S = SECOND
MINUTE = 60 * S
START = 1_700_000_040 * S  # a whole minute
TAGS = [Tag("flow", "plc", S), Tag("level", "plc", 10 * S)]
VALVE = Tag("valve", "plc", S, names={1.0: "open", 2.0: "jammed"})


def batch(*rows):
    tags, at, values, quality = zip(*[(*row, Quality.GOOD)[:4] for row in rows], strict=True)
    return SampleBatch(
        np.array(tags, dtype=np.int32),
        np.array([START + round(a * S) for a in at], dtype=np.int64),
        np.array(values, dtype=np.float64),
        np.array(quality, dtype=np.uint8),
    )


def summariser():
    return Summariser(TAGS, MINUTE, S // 2, START)


@pytest.mark.parametrize(("last", "name"), [(2.0, "jammed"), (7.0, "")])
def test_the_last_state_of_an_interval_has_its_name_where_it_has_one(last, name):
    sums = Summariser([VALVE], MINUTE, 0, START)
    sums.push(batch((0, 1, 1.0), (0, 2, last)))
    assert [summary.last_name for summary in sums.advance(START + MINUTE)] == [name]


def test_an_interval_is_summed_up_once_it_is_over_and_the_late_have_come():
    sums = summariser()
    sums.push(batch((0, 1, 2.0), (0, 2, 4.0), (0, 3, 9.0), (0, 4, np.nan, Quality.BAD)))
    assert sums.advance(START + MINUTE) == []
    flow, level = sums.advance(START + MINUTE + S // 2)
    assert (flow.tag, flow.count, flow.bad) == ("flow", 3, 1)
    assert flow.end == START + MINUTE
    assert (flow.mean, flow.min, flow.max, flow.last) == (5.0, 2.0, 9.0, 9.0)
    assert flow.std == pytest.approx(np.std([2, 4, 9]))
    assert flow.coverage == pytest.approx(3 / 60)
    assert (level.count, level.coverage, level.mean) == (0, 0.0, None)


def test_silence_is_a_summary_without_values():
    flow, _ = summariser().advance(START + 2 * MINUTE)
    assert (flow.count, flow.bad, flow.coverage, flow.last) == (0, 0, 0.0, None)


def test_every_interval_gets_its_summary_also_after_a_pause():
    found = summariser().advance(START + 5 * MINUTE + S)
    assert [(s.end - START) // MINUTE for s in found if s.tag == "flow"] == [1, 2, 3, 4, 5]


def test_a_sample_of_a_closed_interval_is_counted_as_late():
    sums = summariser()
    sums.advance(START + 2 * MINUTE)
    sums.push(batch((0, 1, 5.0)))
    assert sums.late == 1


def test_a_sample_of_the_next_interval_waits_for_it():
    sums = summariser()
    sums.push(batch((0, 59, 1.0), (0, 61, 7.0)))
    assert sums.advance(START + MINUTE + S)[0].max == 1.0
    assert sums.advance(START + 2 * MINUTE + S)[0].min == 7.0


def test_a_high_level_keeps_its_small_spread():
    values = 1e6 + 1e-3 * np.sin(np.arange(50))
    sums = summariser()
    sums.push(batch(*((0, k, value) for k, value in enumerate(values))))
    assert sums.advance(START + 2 * MINUTE)[0].std == pytest.approx(values.std(), rel=1e-5)


def test_a_clock_that_steps_back_starts_anew():
    sums = summariser()
    sums.advance(START + MINUTE - 3600 * S)
    sums.push(batch((0, -3530, 3.0)))
    assert sums.advance(START - 3600 * S + 2 * MINUTE + S)[0].mean == 3.0


@given(
    st.lists(
        st.tuples(st.floats(0, 59), st.floats(-1e9, 1e9), st.booleans()), min_size=1, max_size=40
    ),
    st.integers(0, 40),
)
def test_batches_do_not_matter(rows, cut):
    rows = [
        (0, at, value if good else np.nan, Quality.GOOD if good else Quality.BAD)
        for at, value, good in rows
    ]
    whole, parts = summariser(), summariser()
    whole.push(batch(*rows))
    for part in (rows[:cut], rows[cut:]):
        if part:
            parts.push(batch(*part))
    one, other = (s.advance(START + 2 * MINUTE)[0] for s in (whole, parts))
    assert (one.count, one.bad, one.min, one.max) == (other.count, other.bad, other.min, other.max)
    if one.count:
        values = [value for _, _, value, quality in rows if quality == Quality.GOOD]
        assert one.mean == pytest.approx(np.mean(values), rel=1e-9, abs=1e-3)
        assert one.std == pytest.approx(np.std(values), rel=1e-4, abs=10)
