"""A line with clips, its recorder and the points stored for the sinks. The clock is set by hand."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog
from fakes import LastValue, MemoryStore, batch, tag

from gateway.api import line_protocol
from gateway.api.contracts import Places
from gateway.api.model import SECOND, Kind
from gateway.config.load import LineConfig
from gateway.config.schema import LineFileBase, SecuritySection
from gateway.core.clips import ClipPlan
from gateway.history.archive import Archive
from gateway.history.clipper import Clipper
from gateway.history.names import listed
from gateway.history.recorder import Recorder
from gateway.line.line import Line
from gateway.telemetry.system_clock import system_clock_watch

S = SECOND
T0 = 1_700_000_040 * S
TAGS = (tag("flow"), tag("level"))
CLIP = {"before": 5 * S, "after": 3 * S, "tags": "causes", "at_most": 1_000, "per_hour": 5_000,
        "of": "alarms", "near_misses": False}  # fmt: skip


class RecordedLine:
    """A line with a history folder and a store that outlive it; `start` begins a new run."""

    def __init__(self, folder, **options):
        self.folder, self.store, self.options = folder, MemoryStore(), CLIP | options
        self.now, self.watch, self.lost = T0, None, []
        self.store.note = self.lost.append

    async def start(self):
        file = LineFileBase.model_validate({"version": 1, "line": "l", "site": "s", "sources": {}})
        places = Places(Path(), self.folder)
        config = LineConfig(
            Path("l.yaml"), "l", "s", file, SecuritySection(), TAGS, places, "digest"
        )
        history = SimpleNamespace(max_bytes=2**30, max_age=2**62, flush=60 * S)
        names = [each.name for each in TAGS]

        def archive():
            return Archive(self.folder, history, {"started": str(self.now)}, names, reserve=0)

        self.recorder = Recorder(archive, history.flush, lambda: self.now)
        self.plan = ClipPlan(SimpleNamespace(**self.options), TAGS, S // 2)
        self.line = Line(
            config, {"pump": LastValue("flow")}, self.store, self.now, lambda: self.now,
            self.recorder, clips=self.plan, clock_watch=self.watch,
        )  # fmt: skip
        self.clipper = Clipper(self.plan, self.recorder, "s", "l", lambda: self.now)
        await self.line.restore()

    async def play(self, *flows):
        """Feeds a sample of both tags each second, followed by a tick of line and clipper."""
        for flow in flows:
            self.line.inbox.put(batch(self.now + S // 2, flow, 1.0), 0)
            self.now += S
            await self.line.tick(self.now + S // 2)
            await self.clipper.tick(self.now + S // 2)

    def points(self, kind=Kind.CLIP):
        return [line_protocol.decode(row.body) for row in self.store.rows if row.kind is kind]

    def samples(self):
        return [(p.tags["tag"], p.at, p.fields["value"]) for p in self.points() if "tag" in p.tags]

    def reports(self):
        return [point for point in self.points() if "tag" not in point.tags]


@pytest.fixture
async def plant(tmp_path):
    plant = RecordedLine(tmp_path / "history")
    await plant.start()
    yield plant
    plant.recorder.close()


async def test_the_samples_of_the_cause_around_an_alarm_become_points_and_one_report(plant):
    await plant.play(*range(1, 9), 20, 21, 22, 23, 24, 25)
    (raised,) = plant.points(Kind.ALERT)
    at = raised.at
    assert plant.samples() == [
        ("flow", T0 + k * S + S // 2, float([*range(1, 9), 20, 21, 22, 23, 24, 25][k]))
        for k in range(14)
        if at - 5 * S <= T0 + k * S + S // 2 <= at + 3 * S
    ]
    (report,) = plant.reports()
    assert report.at == raised.fields["opened_at"]
    assert report.fields == {
        "alerts": raised.fields["id"], "alert_count": 1, "tag_count": 1, "clip_from": at - 5 * S,
        "clip_to": at + 3 * S, "found": 8, "sent": 8, "note": "",
        "asked": "alarm",
    }  # fmt: skip
    assert plant.plan.facts() == {
        "owed": 0, "cut": 1, "left_out": 0, "found": 8, "sent": 8, "unclear": 0, "near_misses": 0,
    }  # fmt: skip


async def test_a_bad_sample_is_sent_with_its_quality_and_no_value(plant):
    await plant.play(1, float("nan"), 20, 20, 20, 20, 20)
    bad = [p.fields for p in plant.points() if p.fields.get("quality") == "bad"]
    assert bad == [{"quality": "bad"}]
    assert {p.fields["quality"] for p in plant.points() if "value" in p.fields} == {"good"}


async def test_samples_before_an_alarm_are_flushed_at_once(plant):
    await plant.play(1, 2, 3)
    assert plant.recorder.facts()["written"] == 0
    await plant.play(20)
    assert plant.recorder.facts()["written"] == 8


async def test_a_line_that_is_killed_after_its_alarm_sends_the_clip_after_its_start(plant):
    await plant.play(1, 2, 3, 20, 20)
    killed = plant.recorder
    await plant.start()
    plant.now += 5 * S
    await plant.play(20, 20)
    (report,) = plant.reports()
    assert (report.fields["note"], report.fields["alert_count"]) == ("restart", 1)
    # Samples between the last flush and the kill are lost.
    assert [value for *_, value in plant.samples()] == [1.0, 2.0, 3.0, 20.0]
    assert plant.lost == []
    killed.close()


async def test_a_line_that_was_stopped_sends_the_whole_clip(plant):
    await plant.play(1, 2, 3, 20, 21)
    plant.recorder.close()
    await plant.start()
    await plant.play(22, 23, 24, 25)
    assert [value for *_, value in plant.samples()] == [1.0, 2.0, 3.0, 20.0, 21.0, 22.0, 23.0]


async def test_a_clip_whose_history_was_deleted_is_reported_as_a_loss(plant):
    await plant.play(1, 2, 3, 20)
    plant.recorder.close()
    for _, path in listed(plant.folder):
        path.unlink()
    await plant.start()
    plant.now += 3600 * S
    await plant.play(20, 20)
    (loss,) = plant.lost
    assert (loss.kind, loss.reason, loss.count) == (Kind.CLIP, "no_history", 9)
    assert plant.reports()[0].fields["note"] == "restart,no_history"


async def test_a_clip_stays_due_while_the_buffer_refuses_it(plant):
    await plant.play(1, 2, 3, 20, 20, 20)
    plant.store.refuse = True
    await plant.play(20, 20, 20)
    assert plant.points() == []
    assert b"owed" in plant.store.checkpoints["#clips"]
    assert plant.store.checkpoints["#clips"] != plant.plan.checkpoint()
    plant.store.refuse = False
    await plant.play(20)
    assert len(plant.reports()) == 1
    assert plant.store.checkpoints["#clips"] == plant.plan.checkpoint()


async def test_samples_that_the_disk_refused_are_in_the_clip_too(plant, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Archive, "store", full)
    await plant.play(1, 2, 3, 20, 20, 20, 20, 20)
    assert plant.recorder.error
    assert [value for *_, value in plant.samples()] == [1.0, 2.0, 3.0, 20.0, 20.0, 20.0, 20.0]


async def test_a_clip_that_cannot_be_read_stays_due_and_is_logged_once(plant, monkeypatch):
    def broken(*_):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as disk, structlog.testing.capture_logs() as logs:
        disk.setattr(Archive, "excerpt", broken)
        await plant.play(1, 2, 3, 20, 20, 20, 20, 20, 20)
    assert [entry["why"] for entry in logs if entry["event"] == "clip.unreadable"] == [
        "[Errno 5] Input/output error"
    ]
    assert plant.plan.facts()["owed"] == 1
    await plant.play(20, 20)
    assert len(plant.samples()) == 7


async def test_no_sample_is_missed_while_the_recorder_is_writing(plant):
    await plant.play(1, 2, 3)
    writing = asyncio.create_task(plant.recorder.flush())
    excerpt = await plant.recorder.excerpt((T0, T0 + 9 * S), {"flow": 0})
    await writing
    assert excerpt.samples.value.tolist() == [1.0, 2.0, 3.0]


async def test_an_untrusted_clock_marks_the_points_of_a_clip_too(tmp_path):
    plant = RecordedLine(tmp_path / "history")
    plant.watch = system_clock_watch()
    await plant.start()
    await plant.play(1, 2, 3, 20)
    plant.now += 600 * S
    await plant.play(20, 20, 20)
    assert plant.reports()[0].fields["note"] == "clock_stepped"
    assert {point.fields["clock"] for point in plant.points()} == {"before_release"}
    plant.recorder.close()
