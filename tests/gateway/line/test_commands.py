import asyncio

import pytest
import structlog
from patience import PATIENCE

from gateway.api.contracts import CommandRefused
from gateway.line.commands import Commands

NOW = 1_700_000_000_000_000_000


async def submitted(commands, act):
    task = asyncio.create_task(commands.submit(act))
    await asyncio.sleep(0)
    return task


async def test_an_act_is_done_when_the_line_comes_to_it_and_its_caller_hears_after_the_append():
    commands, times = Commands(), []

    def act(now):
        times.append(now)
        return ["transition"]

    caller = await submitted(commands, act)
    assert times == []
    assert commands.perform(NOW) == ["transition"]
    assert times == [NOW]
    await asyncio.sleep(0)
    assert not caller.done(), "it is not on disk yet"
    commands.confirm()
    assert await caller == ["transition"]


async def test_acts_are_done_once_and_in_the_order_in_which_they_came():
    commands, done = Commands(), []
    callers = [await submitted(commands, lambda _, n=n: done.append(n) or [n]) for n in range(3)]
    assert commands.perform(NOW) == [0, 1, 2]
    assert commands.perform(NOW) == []
    commands.confirm()
    assert [await caller for caller in callers] == [[0], [1], [2]]
    assert done == [0, 1, 2]


async def test_a_refused_act_says_why_at_once_and_the_others_go_on():
    commands = Commands()

    def refuse(_):
        raise CommandRefused("no such alarm")

    wrong = await submitted(commands, refuse)
    right = await submitted(commands, lambda _: ["transition"])
    assert commands.perform(NOW) == ["transition"]
    with pytest.raises(CommandRefused, match="no such alarm"):
        await wrong
    commands.confirm()
    assert await right == ["transition"]


async def test_an_act_whose_caller_gave_up_before_is_not_done():
    commands, done = Commands(), []
    caller = await submitted(commands, lambda _: done.append(1) or [])
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert commands.perform(NOW) == []
    commands.confirm()
    assert done == []


async def test_an_act_whose_caller_gave_up_afterwards_is_stored_all_the_same():
    commands = Commands()
    caller = await submitted(commands, lambda _: ["transition"])
    assert commands.perform(NOW) == ["transition"]
    caller.cancel()
    await asyncio.sleep(0)
    commands.confirm()
    assert commands.perform(NOW) == []


async def test_waiting_ends_when_an_act_comes_and_when_the_time_is_up():
    commands = Commands()
    await commands.wait(0.001)
    waiting = asyncio.create_task(commands.wait(3600))
    await submitted(commands, lambda _: [])
    async with asyncio.timeout(PATIENCE):
        await waiting
    commands.perform(NOW)
    again = asyncio.create_task(commands.wait(3600))
    await asyncio.sleep(0)
    assert not again.done(), "what was done wakes nobody a second time"
    again.cancel()


async def test_a_bug_in_an_act_reaches_its_caller_and_costs_no_other():
    commands = Commands()
    before = await submitted(commands, lambda _: ["before"])
    broken = await submitted(commands, lambda _: 1 / 0)
    after = await submitted(commands, lambda _: ["after"])
    with structlog.testing.capture_logs() as logs:
        assert commands.perform(NOW) == ["before", "after"]
    assert [entry["event"] for entry in logs] == ["command.failed"]
    with pytest.raises(ZeroDivisionError):
        await broken
    commands.confirm()
    assert (await before, await after) == (["before"], ["after"])
