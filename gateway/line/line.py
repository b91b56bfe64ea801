"""One production line: from samples to what is on disk.

Promises
- One durable append per closed window: its alert transitions, their entries in the journal, its
  summaries and the alarm machines' checkpoint in one transaction. Only then is an alert logged,
  shown or sent.
- What could not be stored is kept and tried again with the next window; detection goes on.
- A detector that fails is blind and says so; its neighbours score on.
- What a person does to the line happens between two ticks, and is stored like everything else
  before the person hears of it.
- During maintenance process and model alarms are suppressed by design, and so are alarms of windows
  that hold data of it; sensor alarms are not.
- The clock is handed in: `tick(now)` decides everything, `run` only waits for the right moment.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from gateway.api.alarms import Alarm, Alert
from gateway.api.contracts import Detector, HasReference
from gateway.api.model import SECOND, Envelope, Nanos, SampleBatch, Score
from gateway.config.load import LineConfig
from gateway.config.maintenance import maintenance_of
from gateway.core import points
from gateway.core.alarms import journal
from gateway.core.alarms.acts import Act
from gateway.core.alarms.machine import ACT, NEXT_ACT
from gateway.core.alarms.maintenance import DETECTOR as MAINTENANCE
from gateway.core.align import Aligner, Memory
from gateway.core.clips import ClipPlan
from gateway.core.clock import EPOCH, ClockWatch
from gateway.core.drift import DETECTOR as MODELS
from gateway.core.drift import ModelHealth
from gateway.core.freshness import DETECTOR as DATA
from gateway.core.freshness import FreshnessWatch
from gateway.core.near_misses import NearMisses
from gateway.core.wait_limits import LINE_S
from gateway.line.alarms import LineAlarms
from gateway.line.announcements import Announcements
from gateway.line.checkpoints import CLIPS, CLOCK, LEDGER, MAINTAINED
from gateway.line.commands import Commands
from gateway.line.detection import Detection
from gateway.line.inbox import Inbox
from gateway.line.outbox import LineStore, Outbox
from gateway.line.routine import Routine
from gateway.line.scorer import Scored
from gateway.line.tag_log import TagLog
from gateway.telemetry.health import Health
from gateway.telemetry.heartbeats import Heartbeats
from gateway.telemetry.status import alert_facts
from gateway.telemetry.tap import Tap
from gateway.telemetry.timings import Timings

log = structlog.get_logger()


class SampleRecorder(Protocol):
    """The part of the history that the line uses."""

    def note(self, now: Nanos, batch: SampleBatch | None) -> None: ...


class Line:
    """The aligner, detectors, alarm machines and summaries of one line."""

    def __init__(
        self,
        config: LineConfig,
        detectors: Mapping[str, Detector],
        store: LineStore,
        now: Nanos,
        clock: Callable[[], Nanos] = time.time_ns,
        recorder: SampleRecorder | None = None,
        *,
        clock_watch: ClockWatch | None = None,
        clips: ClipPlan | None = None,
        in_thread: bool = True,
        beats: Heartbeats | None = None,
    ) -> None:
        timing, tags = config.file.timing, config.tags
        self.inbox = Inbox(tags)
        self.tap = Tap()
        self.commands = Commands()
        self.timings = Timings(config.line)
        self._config, self._detectors, self._clock = config, detectors, clock
        beats = beats or Heartbeats()
        self.part = beats.part("line", restart_helps=True)
        self._detection = Detection(detectors, self.timings, self.tap, beats, in_thread=in_thread)
        self._outbox = Outbox(store)
        self._recorder, self._clock_watch, self._clips = recorder, clock_watch, clips
        self._watch = FreshnessWatch(
            tags, timing.stale_periods, timing.hold_periods, timing.lateness
        )
        self._aligner = Aligner(
            {name: detector.spec for name, detector in detectors.items()},
            tags,
            lateness=timing.lateness,
            hold_periods=timing.hold_periods,
            now=now,
        )
        self._models = ModelHealth(detectors, [tag.name for tag in tags])
        self._near_misses = NearMisses(detectors)
        self._maintenance = maintenance_of(config.file, tags)
        own = {
            DATA: self._watch.alarms,
            MODELS: self._models.alarms,
            MAINTENANCE: self._maintenance.alarms,
        }
        self._alarms = LineAlarms(config, detectors, own, now)
        self._started = now
        self._tag_log = TagLog(self._watch)
        self._noted: dict[str, bytes] = {}
        self.health = Health(config.line, config.site, tags, self._watch, beats)
        self.health.detectors = self._detection.health
        self.health.names = self._alarms.names_for_people()
        self._announcements = Announcements(self.health, self.tap, self.timings)
        self._routine = Routine(config, self.health, now)

    @property
    def alarms(self) -> Mapping[str, Sequence[Alarm]]:
        """The alarms of each detector, andon's own (`data` and others) among them."""
        return self._alarms.by_detector

    @property
    def alarm_names(self) -> Mapping[str, Sequence[str]]:
        """The names of the alarms of each detector."""
        return {name: [alarm.name for alarm in alarms] for name, alarms in self.alarms.items()}

    async def restore(self) -> None:
        """Restore the alarms as the last run left them."""
        self.health.take_up(await self._alarms.restore(self._outbox.restore))
        known = await self._outbox.restore(CLOCK)
        if self._clock_watch is not None and known is not None:
            self._clock_watch.restore(known)
        maintained = await self._outbox.restore(MAINTAINED)
        if maintained is not None:
            self._maintenance.restore(maintained, self._clock())
            self.health.maintenance = self._maintenance.facts()
        owed = await self._outbox.restore(CLIPS)
        if self._clips is not None and owed is not None:
            self._clips.restore(owed)
        self._routine.restore(await self._outbox.restore(LEDGER))

    async def end(self, removed: Mapping[str, Sequence[Alert]]) -> None:
        """End alarms that are not in the line file any more, by their last alerts.

        Before the first tick, which stores it together with checkpoints that lack them.
        """
        before = self._started - self._config.file.timing.lateness - ACT
        for detector, lasts in removed.items():
            for place, last in enumerate(lasts):
                at = max(before, last.at + NEXT_ACT)
                alert, envelope = self._alarms.end(last, at, place)
                self._outbox.add(self._dated([envelope]))
                self._outbox.note(journal.of_alert(alert_facts(alert)))
                self._announcements.add([alert])
            if detector not in self._alarms.machines:
                await self._outbox.restore(detector)
                self._noted[detector] = b"{}"

    def memory(self) -> Memory:
        """The windows so far, for `recall` in the next run."""
        return {**self._aligner.memory(), **self._models.memory()}

    def recall(self, memory: Memory) -> None:
        """Restore the windows as the last run left them; before the first tick.

        They may lack what came meanwhile. A model is not used to such a gap, and may raise an alarm
        of it: its alarms wait until it has left the windows.
        """
        has_gap = self._aligner.recall(memory)
        self._models.recall(memory)
        if not has_gap:
            return
        for name, detector in self._detectors.items():
            if isinstance(detector, HasReference):
                # A gate makes the window longer than what the model is shown.
                rows = getattr(detector, "judged_rows", detector.spec.length)
                span = rows * detector.spec.period
                until = self._started + span
                self._alarms.machines[name].unsure_until = until
                self._detection.health[name].unsure_until = until
                log.info("alarms.wait", detector=name, for_s=round(span / SECOND, 1))

    async def act(self, alarm_id: str, act: Act, by: str, why: str = "") -> Alert:
        """Do what a person asks of an alarm; the transition, once it is on disk.

        `alarm_id` is an alarm's id or 'detector.alarm'. CommandRefused if it is not possible.
        """

        def done(_now: Nanos) -> Sequence[Alert]:
            return [self._alarms.act(alarm_id, act, by, why)]

        (alert,) = await self.commands.submit(done)
        return alert

    async def comment_on(self, past: Alert, verdict: str, by: str, why: str) -> Alert:
        """Note what a person says of an alarm that is over; as `act`."""

        def done(_now: Nanos) -> Sequence[Alert]:
            return [self._alarms.comment_on(past, verdict, by, why)]

        (alert,) = await self.commands.submit(done)
        return alert

    def note(self, entry: journal.JournalEntry, states: Mapping[str, bytes] | None = None) -> None:
        """An entry of the journal, stored with the next append; so are these checkpoints."""
        self._outbox.note(entry)
        self._noted |= states or {}

    async def maintain(self, *, on: bool, until: Nanos | None, by: str, why: str) -> None:
        """Begin, change or end maintenance as a person asks; returns once it is on disk.

        CommandRefused if it is not possible.
        """

        def done(now: Nanos) -> Sequence[Alert]:
            if on:
                self._maintenance.switch_on(now, until, by, why)
            else:
                self._maintenance.switch_off(now, by, why)
            return []

        await self.commands.submit(done)

    async def run(self) -> None:
        """Tick for ever: when a window is due or a command waits, and at least once a second."""
        while True:
            self.part.does("waiting for its next tick", LINE_S)
            now = self._clock()
            wait = (self.next_tick(now) - now) / SECOND
            due = time.monotonic() + wait
            await self.commands.wait(max(wait, 0))
            self.timings.ticked(max(time.monotonic() - due, 0))
            await self.tick(self._clock())

    def next_tick(self, now: Nanos) -> Nanos:
        """When the next tick is due: each time a window is, and at least once a second."""
        due = self._aligner.next_close()
        return now + SECOND if due is None else min(due, now + SECOND)

    async def tick(self, now: Nanos) -> None:
        """Take in what arrived, judge what is due at `now`, store what came of it."""
        self.part.does("ticking", LINE_S)
        self._check_clock(now)
        # Kept before anything else can fail: what a person did is stored with the next append.
        acted = self.commands.perform(now)
        self._keep(acted)
        self._take_in(now)
        windows = self._aligner.advance(now)
        if windows:
            self.tap.offer(
                "windows", {n: (self._detectors[n].spec, cut) for n, cut in windows.items()}
            )
        self._maintain(now)
        alerts = self._judge(await self._detection.score(windows), now)
        own = ((DATA, self._watch), (MODELS, self._models), (MAINTENANCE, self._maintenance))
        for name, watch in own:
            alerts += self._alarms.step(name, watch.score(now))
        alerts = self._alarms.follow(alerts, now)
        self._tag_log.note(now)
        self._keep(alerts)
        clipped = self._clipped([*acted, *alerts])
        self._outbox.add(self._dated([*clipped, *self._routine.advance(now)]))
        await self._append()
        if windows:
            self.timings.decided((self._clock() - now) / SECOND)
        self.health.late = self._aligner.late + self._routine.late
        self.health.future, self.health.dropped = self._aligner.future, self.inbox.dropped
        self.part.beat()

    def _check_clock(self, now: Nanos) -> None:
        """Correct every delay, age and due time for a step of the clock."""
        watch = self._clock_watch
        if watch is None:
            return
        step = watch.check(now)
        if step:
            log.warning("clock.stepped", by_s=round(step / SECOND, 3))
            self._watch.shift(step)
            self._maintenance.shift(step)
            self._routine.restart(now)
            self._alarms.restart_delays(now - self._config.file.timing.lateness, step)
            for detector in self._detection.health.values():
                detector.unsure_until = 0
            if self._clips is not None:
                self._clips.make_due_now()
        self._alarms.set_epoch(watch.epoch)
        if self.health.note_clock(watch.why, step):
            if watch.why:
                log.warning("clock.doubted", why=watch.why)
            else:
                log.info("clock.trusted")

    def _dated(self, envelopes: list[Envelope]) -> list[Envelope]:
        """The points as stored: marked while the clock is doubted, shifted by its epoch."""
        watch = self._clock_watch
        if watch is None or not (watch.why or watch.epoch):
            return envelopes
        return [points.restamped(e, watch.why, watch.epoch * EPOCH) for e in envelopes]

    def _take_in(self, now: Nanos) -> None:
        sources = self.health.sources.values()
        self._watch.note_away({s.name: s.error for s in sources if s.error and not s.up})
        batch = self.inbox.drain()
        if self._recorder is not None:
            self._recorder.note(now, batch)
        if batch is not None:
            self._watch.push(batch, now)
            self._maintenance.push(batch, now)
            self.tap.offer("samples", (now, batch, self._watch.wrong_times()))
            self._aligner.push(batch, now)
            self._routine.push(batch, now)
            self.health.note_samples(batch, now)

    def _judge(self, scored: Sequence[Scored], now: Nanos) -> list[Alert]:
        judged = self._detection.judge(scored, self._watch, now)
        alerts: list[Alert] = []
        for name, window, score in judged:
            suppression = self._maintenance.touches(window.start - window.period, window.end)
            if not suppression:
                self._models.push(name, window, score)
                self._note_near_misses(name, score)
            self._alarms.machines[name].suppression = suppression
            judged_from = score.start or window.start - window.period
            alerts += self._alarms.step(name, replace(score, start=judged_from))
        return alerts

    def _note_near_misses(self, name: str, score: Score) -> None:
        for near_miss in self._near_misses.push(name, score):
            if self._clips is not None:
                self._clips.ask_for(near_miss)

    def _maintain(self, now: Nanos) -> None:
        """Begin or end maintenance where that is due."""
        change = self._maintenance.tick(now)
        suppression = self._maintenance.touches(now - 1, now + 1)
        self._alarms.machines[MODELS].suppression = suppression
        if change is None:
            return
        self._announcements.add_change(change)
        self._outbox.note(change.entry())
        fields = points.maintenance_fields(change)
        site, line = self._config.site, self._config.line
        self._outbox.add(self._dated([points.gateway_envelope(fields, site, line, now)]))

    def _keep(self, alerts: Sequence[Alert]) -> None:
        """Alerts to be stored with the next append, and announced after it."""
        self._outbox.add(self._dated([self._alarms.envelope(alert) for alert in alerts]))
        for alert in alerts:
            self._outbox.note(journal.of_alert(alert_facts(alert)))
        self._announcements.add(alerts)

    def _clipped(self, alerts: Sequence[Alert]) -> Sequence[Envelope]:
        """The points of the clip that was cut meanwhile; these alerts add the clips they need."""
        if self._clips is None:
            return ()
        points, loss = self._clips.take()
        if loss is not None:
            self._outbox.lose(loss)
        for alert in alerts:
            self._clips.ask(alert)
        return points

    async def _append(self) -> None:
        started = time.perf_counter()
        # Without a limit: the buffer has its own.
        with self.part.during("waiting for the buffer"):
            stored = await self._outbox.send(self._states())
        self.health.append_failures = self._outbox.failures
        self.health.dropped_points = self._outbox.dropped
        if stored is not False:
            self.commands.confirm()
        if not stored:
            return
        self.health.maintenance = self._maintenance.facts()
        self.timings.committed(time.perf_counter() - started)
        self._announcements.publish(self._clock() - self._config.file.timing.lateness)

    def _states(self) -> dict[str, bytes]:
        states = {**self._alarms.states(), LEDGER: self._routine.ledger, **self._noted}
        states[MAINTAINED] = self._maintenance.checkpoint()
        if self._clips is not None:
            states[CLIPS] = self._clips.checkpoint()
        newest = self._outbox.newest
        if self._clock_watch is not None and newest is not None:
            self._clock_watch.note(newest)
            states[CLOCK] = self._clock_watch.checkpoint()
        return states
