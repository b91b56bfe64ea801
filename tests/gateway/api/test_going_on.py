import asyncio

from gateway.api.going_on import made_progress, reporting_to


def test_progress_goes_to_whoever_wants_to_know_and_else_nowhere():
    told = []
    made_progress()
    with reporting_to(lambda: told.append("outer")):
        with reporting_to(lambda: told.append("inner")):
            made_progress()
        made_progress()
    made_progress()
    assert told == ["inner", "outer"]


async def test_two_calls_at_a_time_report_apart():
    told = []

    async def call(name):
        with reporting_to(lambda: told.append(name)):
            await asyncio.sleep(0)
            made_progress()

    await asyncio.gather(call("a"), call("b"))
    assert sorted(told) == ["a", "b"]
