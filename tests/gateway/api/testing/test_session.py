"""A session's batches are columns as the contract has them, and are read up to a limit."""

import asyncio
from dataclasses import replace

import fakes
import numpy as np
import pytest

from gateway.api.contracts import SourceLost
from gateway.api.testing import ConnectorHarness
from gateway.api.testing.session import ComparedSession, check_columns
from gateway.api.testing.source import FilledSource

GOOD = fakes.batch(1, 10.0, np.nan)
TAGS = [fakes.tag("speed"), fakes.tag("flow")]


class Silent(ConnectorHarness):
    async def publish(self, at, readings):
        pass


def session(source, *steps):
    async def batches():
        for each in steps:
            if isinstance(each, Exception):
                raise each
            yield each

    return ComparedSession(batches(), TAGS, source, 30.0)


@pytest.fixture
async def source():
    filled = FilledSource(Silent(), TAGS)
    await filled.publish({"speed": 10.0, "flow": np.nan})
    return filled


def test_good_columns_are_good():
    check_columns(GOOD, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(GOOD, value=GOOD.value.astype(np.float32)),
        replace(GOOD, tag=GOOD.tag[:1]),
        replace(GOOD, tag=GOOD.tag + np.int32(1)),
        replace(GOOD, quality=np.array([0, 3], dtype=np.uint8)),
        replace(GOOD, value=np.array([10.0, 0.0])),
        replace(GOOD, quality=np.zeros(2, dtype=np.uint8)),
        replace(GOOD, wire_bytes=-1),
        replace(GOOD, lost=-1),
    ],
    ids=["type", "length", "tag", "quality", "value of bad", "bad of NaN", "bytes", "lost"],
)
def test_columns_that_break_the_contract_fail(wrong):
    with pytest.raises(AssertionError):
        check_columns(wrong, 2)


async def test_it_reads_until_the_reading_has_arrived(source):
    [published] = source.history
    read = session(source, fakes.batch(published.at, 10.0, np.nan))
    await read.until_seen(published)
    assert [str(each).split(" at ")[0] for each in read.samples] == ["10 (good)", "nan (bad)"]


async def test_a_sample_that_nothing_explains_fails_at_once(source):
    with pytest.raises(pytest.fail.Exception, match=r"speed was read as 10 .* its time is wrong"):
        await session(source, GOOD).until_all_are_good()


async def test_what_does_not_arrive_is_named_with_what_did(source):
    [published] = source.history
    read = ComparedSession(waiting(fakes.batch(published.at, np.nan)), TAGS, source, 0.05)
    with pytest.raises(pytest.fail.Exception, match=r"speed: 10 .* within 0.05 s; .*nan \(bad\)"):
        await read.until_seen(published)


async def waiting(*batches):
    for each in batches:
        yield each
    await asyncio.Event().wait()


async def test_a_session_that_ends_has_failed(source):
    with pytest.raises(pytest.fail.Exception, match="the session ended"):
        await session(source).until_all_are_good()


async def test_a_time_out_of_the_connector_is_not_taken_for_the_limit(source):
    with pytest.raises(TimeoutError):
        await session(source, TimeoutError("its own")).until_all_are_good()
    with pytest.raises(TimeoutError):
        await session(source, TimeoutError("its own")).until_lost()


async def test_it_reads_on_until_the_source_is_lost(source):
    await session(source, SourceLost("gone")).until_lost()
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        await session(source).until_lost()
    with pytest.raises(pytest.fail.Exception, match=r"no SourceLost came within 0.05 s"):
        await ComparedSession(waiting(), TAGS, source, 0.05).until_lost()
