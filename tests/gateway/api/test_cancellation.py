import asyncio

import pytest

from gateway.api.cancellation import heed_cancellation


async def test_a_task_that_was_cancelled_and_went_on_is_ended():
    async def work():
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            heed_cancellation()
        return "went on"

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_task_that_was_not_cancelled_goes_on():
    heed_cancellation()
