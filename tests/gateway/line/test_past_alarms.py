"""A verdict on an alarm that is over, which only the journal knows."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import LastValue, MemoryJournal, MemoryStore, batch, tag

from gateway.api import line_protocol
from gateway.api.contracts import CommandRefused, Places
from gateway.api.model import SECOND as S
from gateway.config.load import LineConfig
from gateway.config.schema import LineFileBase, SecuritySection
from gateway.core.alarms.acts import acknowledge
from gateway.line.line import Line
from gateway.line.past_alarms import PastAlarms

T0 = 1_700_000_040 * S


@pytest.fixture
async def press():
    """A line whose first alarm is over, and its past; `tick` makes a second pass."""
    file = LineFileBase.model_validate({"version": 1, "line": "l", "site": "s", "sources": {}})
    places = Places(Path(), Path())
    tags = (tag("flow"),)
    config = LineConfig(Path("l.yaml"), "l", "s", file, SecuritySection(), tags, places, "")
    store = MemoryStore()
    line = Line(config, {"pump": LastValue("flow")}, store, T0, clock=lambda: T0)
    second = [0]

    async def tick(*values):
        for value in values:
            line.inbox.put(batch(T0 + second[0] * S + S // 2, value), 0)
            second[0] += 1
            await line.tick(T0 + second[0] * S + S // 2)

    async def done(asked):
        task = asyncio.create_task(asked)
        await asyncio.sleep(0)
        await tick(5)
        return await task

    await tick(20, 5)
    (alarm,) = line.health.open
    await done(line.act(alarm.id, acknowledge("anna"), "anna"))
    assert line.health.open == []
    return line, store, PastAlarms(MemoryJournal(store), line), alarm.id, tick, done


async def test_it_is_an_entry_and_a_point_with_the_verdict(press):
    line, store, past, alarm_id, _, done = press
    alert = await past.alert(alarm_id)
    said = await done(past.comment(alert, "false", "ben", "valve test"))
    assert said.message == "L unlike its normal running: a false alarm, says ben: valve test"
    entry = store.journal[-1]
    assert (entry.id, entry.transition, entry.state) == (alarm_id, "commented", "normal")
    assert (entry.facts["verdict"], entry.by, entry.reason) == ("false", "ben", "valve test")
    point = line_protocol.decode(store.rows[-1].body)
    assert (point.fields["transition"], point.fields["active"]) == ("commented", False)
    assert line.health.open == []


async def test_the_newest_verdict_counts_and_two_have_two_times(press):
    _, store, past, alarm_id, _, done = press
    for verdict in ("false", "real"):
        await done(past.comment(await past.alert(alarm_id), verdict, "ben", ""))
    assert (await past.alert(alarm_id)).verdict == "real"
    assert len({entry.at for entry in store.journal}) == len(store.journal)


async def test_the_alarm_that_came_again_meanwhile_is_as_it_was(press):
    line, _, past, alarm_id, tick, done = press
    await tick(20, 20)
    (again,) = line.health.open
    await done(past.comment(await past.alert(alarm_id), "real", "ben", ""))
    (still,) = line.health.open
    assert (still.id, still.verdict) == (again.id, "")
    assert still.id != alarm_id


async def test_an_id_that_never_was_and_a_detector_that_is_gone_are_refused(press):
    _, _, past, alarm_id, _, done = press
    assert await past.alert("pump.anomaly-1") is None
    alert = await past.alert(alarm_id)
    for changed, words in (
        ({"detector": "old"}, "the line has no detector old now"),
        ({"alarm": "old"}, "pump has no alarm old now"),
    ):
        with pytest.raises(CommandRefused, match=words):
            await done(past.comment(replace(alert, **changed), "real", "ben", ""))
