"""Clips that a verdict and a near miss ask the running line for."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest
from fakes import LastValue, MemoryStore, batch, tag

from gateway.api.contracts import Places
from gateway.api.model import SECOND as S
from gateway.api.model import Reference
from gateway.config.load import LineConfig
from gateway.config.schema import ClipSection, LineFileBase, SecuritySection
from gateway.core.alarms import acts
from gateway.core.clips import ClipPlan
from gateway.line.line import Line

T0 = 1_700_000_040 * S
TAGS = (tag("flow"),)


@pytest.fixture
def press():
    """A line that forwards the clips of unclear alarms and near misses; `play` samples."""
    file = LineFileBase.model_validate({"version": 1, "line": "l", "site": "s", "sources": {}})
    config = LineConfig(
        Path("l.yaml"), "l", "s", file, SecuritySection(), TAGS, Places(Path(), Path()), ""
    )
    options = ClipSection.model_validate({"of": "unclear", "near_misses": True})
    model, clips = LastValue("flow"), ClipPlan(options, TAGS, S // 2)
    model.reference = Reference()
    line = Line(config, {"pump": model}, MemoryStore(), T0, clock=lambda: T0, clips=clips)
    second = [0]

    async def play(*values):
        for value in values:
            line.inbox.put(batch(T0 + second[0] * S + S // 2, value), 0)
            second[0] += 1
            await line.tick(T0 + second[0] * S + S // 2)

    return SimpleNamespace(line=line, clips=clips, play=play)


async def test_an_alarm_is_offered_once_somebody_says_that_it_is_unclear(press):
    await press.play(5, 20)
    assert press.clips.facts()["owed"] == 0
    said = asyncio.create_task(press.line.act("pump.anomaly", acts.comment("unclear"), "anna"))
    await asyncio.sleep(0)
    await press.play(20)
    assert (await said).verdict == "unclear"
    assert (press.clips.facts()["owed"], press.clips.facts()["unclear"]) == (1, 1)


async def test_a_near_miss_is_offered_and_one_during_maintenance_is_not(press):
    asked = asyncio.create_task(press.line.maintain(on=True, until=None, by="anna", why=""))
    await asyncio.sleep(0)
    await press.play(5, 9.5, 5)
    await asked
    assert press.clips.facts()["near_misses"] == 0
    off = asyncio.create_task(press.line.maintain(on=False, until=None, by="anna", why=""))
    await asyncio.sleep(0)
    await press.play(5, 5, 9.5, 5)
    await off
    assert press.clips.facts()["near_misses"] == 1
