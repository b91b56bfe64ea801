"""A sample is explained by what was published, or the reason says what is wrong with it."""

import math
import time

import pytest
from fakes import tag

from gateway.api.model import SECOND, Quality
from gateway.api.testing import ConnectorHarness
from gateway.api.testing.source import FilledSource, Received, same, tags_of

TAGS = [tag("speed", low=0, high=100), tag("flow", period=2 * SECOND)]


class Silent(ConnectorHarness):
    """A harness that shows nothing and counts what it is asked for."""

    def __init__(self, *, has_time=True):
        self.has_time, self.is_up, self.published = has_time, False, []

    async def start(self):
        self.is_up = True

    async def stop(self):
        self.is_up = False

    async def publish(self, at, readings):
        self.published.append((at, readings))

    def expect(self, tag, value):
        return round(value)


@pytest.fixture
async def source():
    filled = FilledSource(Silent(), TAGS)
    await filled.publish({"speed": 10.4, "flow": 20.0})
    await filled.publish({"speed": 11.0, "flow": 20.0})
    return filled


def sample(source, name, value, at=None, quality=Quality.GOOD):
    at = source.history[-1].at if at is None else at
    return Received(name, at, value, quality, time.time_ns())


async def test_times_are_the_longest_period_apart_and_past(source):
    first, second = source.history
    assert second.at - first.at == 2 * SECOND
    assert second.at < time.time_ns() - 30 * SECOND
    assert [at for at, _ in source.harness.published] == [first.at, second.at]


async def test_the_value_to_expect_is_what_the_source_holds(source):
    assert source.history[0].expected == {"speed": 10, "flow": 20}


async def test_a_value_out_of_bounds_and_none_at_all_are_expected_bad(source):
    published = await source.publish({"speed": 125.0, "flow": math.nan})
    assert all(map(math.isnan, published.expected.values()))
    assert published.shown("speed") == "125 (out of bounds, so bad)"
    assert published.shown("flow") == "no value"


async def test_what_did_not_change_need_not_arrive(source):
    first, second = source.history
    assert source.changed(first) == ["speed", "flow"]
    assert source.changed(second) == ["speed"]


async def test_the_value_with_its_time_and_one_that_is_still_true_are_explained(source):
    assert source.why_wrong(sample(source, "speed", 11)) == ""
    assert source.why_wrong(sample(source, "speed", 11, time.time_ns())) == ""
    assert source.why_wrong(sample(source, "speed", math.nan, quality=Quality.BAD)) == ""


async def test_a_value_of_another_tag_is_named_with_its_owner(source):
    why = source.why_wrong(sample(source, "speed", 20))
    assert why == "11 was published; 20 is the value of flow: see the order of declared_tags"


async def test_an_older_value_at_a_new_time_is_wrong(source):
    why = source.why_wrong(sample(source, "speed", 10))
    assert why == "11 was published; 10 was its value at another time"


async def test_a_value_at_a_time_of_its_own_making_is_wrong(source):
    hour = 3600 * SECOND
    why = source.why_wrong(sample(source, "speed", 11, source.history[-1].at + hour))
    assert why.startswith("its time is wrong: the value was published at 20")
    why = source.why_wrong(sample(source, "speed", 12, source.history[-1].at + hour))
    assert why == "neither this value nor this time was published"


async def test_without_times_of_the_source_a_sample_has_that_of_its_reading():
    source = FilledSource(Silent(has_time=False), TAGS)
    published = await source.publish({"speed": 10.0, "flow": 20.0})
    assert source.why_wrong(sample(source, "speed", 10, time.time_ns())) == ""
    assert "its time is wrong" in source.why_wrong(sample(source, "speed", 10, published.at))


async def test_it_runs_for_a_block_and_is_shown_again_meanwhile(source):
    async with source.running():
        assert source.harness.is_up
        async with source.repeating():
            pass
    assert not source.harness.is_up
    assert source.harness.published[-1] == source.harness.published[1]


def test_values_are_the_same_but_for_the_rounding_of_a_float32():
    assert same(0.1, 0.10000000149)
    assert same(math.nan, math.nan)
    assert not same(0.1, 0.1001)
    assert not same(0.0, math.nan)


def test_tags_of_a_line_file_have_what_every_protocol_shares():
    [made] = tags_of({"speed": {"address": 3, "unit": "rpm", "high": 9, "period": "2s"}}, "plc")
    assert made == tag("speed", "plc", 2 * SECOND, unit="rpm", high=9)
