import asyncio

import pytest

from gateway.api.contracts import Fatal
from gateway.core.backoff import Backoff
from gateway.line.supervise import supervise


async def test_a_task_that_fails_is_counted_and_started_again():
    runs, failures = [], []
    steady = asyncio.Event()

    async def work():
        runs.append(1)
        if len(runs) < 3:
            raise RuntimeError("a bug")
        steady.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(supervise("work", work, lambda: failures.append(1)))
    await asyncio.wait_for(steady.wait(), 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (len(runs), len(failures)) == (3, 2)


async def test_what_is_fatal_goes_through():
    async def work():
        raise Fatal("the disk is gone")

    with pytest.raises(Fatal, match="the disk is gone"):
        await supervise("work", work, lambda: None)


def test_the_back_off_grows_to_its_cap_with_full_jitter():
    highest = Backoff(first=0.5, cap=5.0, draw=lambda: 1.0)
    assert [highest.next() for _ in range(6)] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    highest.reset()
    assert highest.next() == 0.5
    lowest = Backoff(first=0.5, cap=5.0, draw=lambda: 0.0)
    assert lowest.next() == 0.1


def test_the_back_off_survives_days_of_failures():
    backoff = Backoff(first=0.5, cap=5.0, draw=lambda: 1.0)
    for _ in range(5000):
        delay = backoff.next()
    assert delay == 5.0
