"""An alarm that is open and is then taken out of the line file, over a restart."""

from pathlib import Path

import pytest
from fakes import LastValue, MemoryJournal, MemoryStore, batch, tag

from gateway.api import line_protocol
from gateway.api.alarms import (
    Severity,
)
from gateway.api.contracts import Places
from gateway.api.model import SECOND as S
from gateway.api.model import (
    Kind,
)
from gateway.config.load import LineConfig
from gateway.config.schema import LineFileBase, SecuritySection
from gateway.line.line import Line
from gateway.line.removed_alarms import removed_alarms

T0 = 1_700_000_040 * S


class Store(MemoryStore):
    """A buffer with its journal and the names of its checkpoints."""

    async def detectors(self):
        return [name for name in self.checkpoints if not name.startswith("#")]

    async def journal_of(self, asked):
        return await MemoryJournal(self).journal(asked)


class Past:
    """What is asked of the buffer at a start."""

    def __init__(self, store):
        self.detectors, self.load_checkpoint = store.detectors, store.load_checkpoint
        self.journal = store.journal_of


def line(store, **detectors):
    file = LineFileBase.model_validate({"version": 1, "line": "l", "site": "s", "sources": {}})
    places, tags = Places(Path(), Path()), (tag("flow"),)
    config = LineConfig(Path("l.yaml"), "l", "s", file, SecuritySection(), tags, places, "")
    return Line(config, detectors, store, T0, clock=lambda: T0)


async def started(store, **detectors):
    """The line of the next run."""
    press = line(store, **detectors)
    await press.restore()
    await press.end(await removed_alarms(Past(store), press.alarm_names))
    return press


async def tick(press, second, value):
    press.inbox.put(batch(T0 + second * S + S // 2, value), 0)
    await press.tick(T0 + (second + 1) * S + S // 2)


def ends(store):
    points = [line_protocol.decode(row.body) for row in store.rows if row.kind is Kind.ALERT]
    return [point for point in points if point.fields["transition"] == "removed"]


@pytest.fixture
async def store():
    """What a run with two open alarms left."""
    store = Store()
    press = line(store, pump=LastValue("flow", severity=Severity.HIGH), fan=LastValue("flow"))
    await tick(press, 0, 20.0)
    return store


async def test_an_alarm_of_a_detector_that_is_gone_is_ended_once(store):
    raised = next(e for e in store.journal if e.facts.get("detector") == "pump")
    press = await started(store, fan=LastValue("flow"))
    assert [alert.detector for alert in press.health.open] == ["fan"]
    await tick(press, 1, 20.0)
    (end,) = ends(store)
    assert (end.fields["id"], end.fields["over"]) == (raised.id, True)
    assert (end.tags["severity"], end.tags["detector"]) == ("high", "pump")
    assert end.fields["reason"] == "it is not in the line file any more"
    assert end.at > raised.at
    assert store.journal[-1].transition == "removed"
    again = await started(store, fan=LastValue("flow"))
    await tick(again, 2, 20.0)
    assert len(ends(store)) == 1


async def test_a_renamed_alarm_is_ended_under_its_old_name(store):
    renamed = LastValue("flow")
    renamed.alarms = [type(renamed.alarms[0])("other", 10.0)]
    press = await started(store, pump=renamed, fan=LastValue("flow"))
    await tick(press, 1, 20.0)
    (end,) = ends(store)
    assert (end.tags["detector"], end.fields["alarm"]) == ("pump", "anomaly")
    assert {(a.detector, a.alarm) for a in press.health.open} == {
        ("pump", "other"), ("fan", "anomaly")
    }  # fmt: skip


async def test_what_was_not_stored_is_ended_by_the_next_run(store):
    press = await started(store, fan=LastValue("flow"))
    store.refuse = True
    await tick(press, 1, 20.0)
    assert not press.health.alerts
    store.refuse = False
    await tick(await started(store, fan=LastValue("flow")), 1, 20.0)
    assert len(ends(store)) == 1


async def test_without_an_entry_in_the_journal_it_is_ended_by_its_checkpoint(store):
    raised = next(e for e in store.journal if e.facts.get("detector") == "pump")
    store.journal.clear()
    await tick(await started(store, fan=LastValue("flow")), 1, 20.0)
    (end,) = ends(store)
    assert (end.fields["id"], end.tags["severity"]) == (raised.id, "medium")


async def test_a_detector_that_comes_back_starts_without_what_was_ended(store):
    await tick(await started(store), 1, 20.0)
    assert len(ends(store)) == 2
    press = await started(store, pump=LastValue("flow"))
    assert press.health.open == []
    await tick(press, 2, 20.0)
    assert [alert.detector for alert in press.health.open] == ["pump"]
