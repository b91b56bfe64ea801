"""One production line: from samples to what is on disk.

Promises
- One durable append per closed window: its alert transitions, their entries in the journal, its
  summaries and the alarm machines' checkpoint in one transaction. Only then is an alert logged,
  shown or sent.
- What could not be stored is kept and tried again with the next window; detection goes on.
- A detector that fails is blind and says so; its neighbours score on.
- What a person does to the line happens between two ticks, and is stored like everything else
  before the person hears of it.
- During maintenance process and model alarms are suppressed by design, and so are those of windows
  that hold data of it; sensor alarms are not.
- The clock is handed in: `tick(now)` decides everything, `run` only waits for the right moment.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from gateway.api.contracts import CommandRefused, Detector, HasReference
from gateway.api.model import (
    SECOND,
    Alarm,
    Alert,
    Envelope,
    Nanos,
    SampleBatch,
    Score,
    Transition,
)
from gateway.config.load import LineConfig
from gateway.config.maintenance import maintenance_of
from gateway.core import points
from gateway.core.alarms import cascade, journal
from gateway.core.alarms.acts import Act, UnknownAlarm
from gateway.core.alarms.context import Context
from gateway.core.alarms.flood import DETECTOR as ALARMS
from gateway.core.alarms.flood import FloodWatch
from gateway.core.alarms.machine import ACT, NEXT_ACT, AlarmMachine
from gateway.core.alarms.maintenance import DETECTOR as MAINTENANCE
from gateway.core.alarms.maintenance import Change
from gateway.core.alarms.removed import ended
from gateway.core.alarms.words import Words
from gateway.core.align import Aligner, Memory
from gateway.core.clips import ClipPlan
from gateway.core.clock import EPOCH, ClockWatch
from gateway.core.drift import DETECTOR as MODELS
from gateway.core.drift import ModelHealth
from gateway.core.freshness import DETECTOR as DATA
from gateway.core.freshness import FreshnessWatch
from gateway.core.grid import FUTURE_LIMIT
from gateway.core.near_misses import NearMisses
from gateway.core.summary import Summariser
from gateway.core.wait_limits import LINE_S
from gateway.line.commands import Commands
from gateway.line.detection import Detection
from gateway.line.inbox import Inbox
from gateway.line.outbox import LineStore, Outbox
from gateway.line.scorer import Scored
from gateway.line.tag_log import TagLog
from gateway.telemetry.health import Health
from gateway.telemetry.heartbeats import Heartbeats
from gateway.telemetry.status import alert_facts
from gateway.telemetry.tap import Tap
from gateway.telemetry.timings import Timings

log = structlog.get_logger()

LEDGER = "#ledger"
"""Checkpoint key of the byte ledger. No detector can have a name with #."""
CLOCK = "#clock"
"""Checkpoint key of the clock watch."""
CONTEXT = "#context"
"""Checkpoint key of what the alarms mean together."""
CLIPS = "#clips"
"""Checkpoint key of the clips that are owed."""
RUN = "#run"
"""Checkpoint key of the daemon's run."""
DIGEST = 12
"""Characters of the line file's digest that an alert carries."""
MAINTAINED = "#maintenance"
"""Checkpoint key of the maintenance of the line."""


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
        self._tags = {tag.name: tag for tag in tags}
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
        self._summariser = Summariser(tags, config.file.summaries.every, timing.lateness, now)
        names = [tag.name for tag in tags]
        self._words = words = Words(config.line, self._tags, config.texts)
        since = now - timing.lateness
        self._machines = {
            name: AlarmMachine(name, detector.alarms, detector.spec.tags, since, words)
            for name, detector in detectors.items()
        }
        self._models = ModelHealth(detectors, names)
        self._machines[DATA] = AlarmMachine(DATA, self._watch.alarms, names, now, words)
        self._machines[MODELS] = AlarmMachine(MODELS, self._models.alarms, names, now, words)
        self._near_misses = NearMisses(detectors)
        self._maintenance = maintenance_of(config.file, tags)
        self._machines[MAINTENANCE] = AlarmMachine(
            MAINTENANCE, self._maintenance.alarms, names, now, words
        )
        self._machines[ALARMS] = AlarmMachine(ALARMS, FloodWatch.alarms, (), now, words)
        alarms = {name: machine.alarms for name, machine in self._machines.items()}
        titles = {f"{n}.{alarm.name}": words.title(alarm) for n in alarms for alarm in alarms[n]}
        structure = cascade.structure(tags, detectors, config.detectors)
        self._context = Context(self._machines[ALARMS], titles, cascade.upstream(structure, alarms))
        for machine in self._machines.values():
            machine.escalations = config.file.alarms.escalate_after
            machine.config = config.digest[:DIGEST]
        self._started = now
        self._tag_log = TagLog(self._watch)
        self._gateway_due = self._next_gateway(now)
        self._ledger = b"{}"
        self._noted: dict[str, bytes] = {}
        self._unannounced: list[Alert] = []
        self._changes: list[Change] = []
        self.health = Health(config.line, config.site, tags, self._watch, beats)
        self.health.detectors = self._detection.health
        self.health.names = words.names()

    @property
    def alarm_names(self) -> Mapping[str, Sequence[str]]:
        """The names of the alarms of each detector, andon's own (`data` and others) among them."""
        return {
            name: [alarm.name for alarm in machine.alarms]
            for name, machine in self._machines.items()
        }

    @property
    def is_flood(self) -> bool:
        """Whether an alarm flood is active."""
        return self._context.is_flood

    @property
    def alarms(self) -> Mapping[str, Sequence[Alarm]]:
        """The alarms of each detector, `data` and `models` among them."""
        return {name: machine.alarms for name, machine in self._machines.items()}

    async def restore(self) -> None:
        """Restore the alarms as the last run left them."""
        context = await self._outbox.restore(CONTEXT)
        if context is not None:
            self._context.restore(context)
        known = await self._outbox.restore(CLOCK)
        if self._clock_watch is not None and known is not None:
            self._clock_watch.restore(known)
        for name, machine in self._machines.items():
            state = await self._outbox.restore(name)
            if state is not None:
                machine.restore(state)
                self.health.take_up(self._context.standing(machine.standing()))
        maintained = await self._outbox.restore(MAINTAINED)
        if maintained is not None:
            self._maintenance.restore(maintained, self._clock())
            self.health.maintenance = self._maintenance.facts()
        owed = await self._outbox.restore(CLIPS)
        if self._clips is not None and owed is not None:
            self._clips.restore(owed)
        self._ledger = await self._outbox.restore(LEDGER) or self._ledger
        self.health.ledger.restore(self._ledger)

    async def end(self, removed: Mapping[str, Sequence[Alert]]) -> None:
        """End alarms that are not in the line file any more, by their last alerts.

        Before the first tick, which stores it together with checkpoints that lack them.
        """
        before = self._started - self._config.file.timing.lateness - ACT
        site, line = self._config.site, self._config.line
        for detector, lasts in removed.items():
            for place, last in enumerate(lasts):
                at = max(before, last.at + NEXT_ACT)
                alert = ended(last, at, self._words, self._config.digest[:DIGEST])
                envelope = points.alert_envelope(alert, site, line, place, self._words)
                self._outbox.add(self._dated([envelope]))
                self._outbox.note(journal.of_alert(alert_facts(alert)))
                self._unannounced.append(alert)
            if detector not in self._machines:
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
                self._machines[name].unsure_until = until
                self._detection.health[name].unsure_until = until
                log.info("alarms.wait", detector=name, for_s=round(span / SECOND, 1))

    async def act(self, alarm_id: str, act: Act, by: str, why: str = "") -> Alert:
        """Do what a person asks of an alarm; the transition, once it is on disk.

        `alarm_id` is an alarm's id or 'detector.alarm'. CommandRefused if it is not possible.
        """

        def done(_now: Nanos) -> Sequence[Alert]:
            for machine in self._machines.values():
                alert = machine.act(alarm_id, act, by, why)
                if alert is not None:
                    return [self._context.marked(alert)]
            raise UnknownAlarm(f"no alarm has the id {alarm_id}")

        (alert,) = await self.commands.submit(done)
        return alert

    async def comment_on(self, past: Alert, verdict: str, by: str, why: str) -> Alert:
        """Note what a person says of an alarm that is over; as `act`."""

        def done(_now: Nanos) -> Sequence[Alert]:
            machine = self._machines.get(past.detector)
            if machine is None:
                raise CommandRefused(f"{past.id}: the line has no detector {past.detector} now")
            return [machine.comment_on(past, verdict, by, why)]

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
            alerts += self._machines[name].step(watch.score(now))
        alerts = self._context.follow(alerts, now)
        self._tag_log.note(now)
        self._keep(alerts)
        clipped = self._clipped([*acted, *alerts])
        self._outbox.add(self._dated([*clipped, *self._routine(now)]))
        await self._append()
        if windows:
            self.timings.decided((self._clock() - now) / SECOND)
        self.health.late = self._aligner.late + self._summariser.late
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
            self._gateway_due = self._next_gateway(now)
            for machine in self._machines.values():
                machine.restart_delays(now - self._config.file.timing.lateness, step)
            for detector in self._detection.health.values():
                detector.unsure_until = 0
            if self._clips is not None:
                self._clips.make_due_now()
        for machine in self._machines.values():
            machine.epoch = watch.epoch
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
            self._summariser.push(batch.rows(batch.at <= now + FUTURE_LIMIT))
            self.health.note_samples(batch, now)

    def _judge(self, scored: Sequence[Scored], now: Nanos) -> list[Alert]:
        judged = self._detection.judge(scored, self._watch, now)
        alerts: list[Alert] = []
        for name, window, score in judged:
            suppression = self._maintenance.touches(window.start - window.period, window.end)
            if not suppression:
                self._models.push(name, window, score)
                self._note_near_misses(name, score)
            self._machines[name].suppression = suppression
            judged_from = score.start or window.start - window.period
            alerts += self._machines[name].step(replace(score, start=judged_from))
        return alerts

    def _note_near_misses(self, name: str, score: Score) -> None:
        for near_miss in self._near_misses.push(name, score):
            if self._clips is not None:
                self._clips.ask_for(near_miss)

    def _maintain(self, now: Nanos) -> None:
        """Begin or end maintenance where that is due."""
        change = self._maintenance.tick(now)
        self._machines[MODELS].suppression = self._maintenance.touches(now - 1, now + 1)
        if change is None:
            return
        self._changes.append(change)
        self._outbox.note(change.entry())
        fields = points.maintenance_fields(change)
        site, line = self._config.site, self._config.line
        self._outbox.add(self._dated([points.gateway_envelope(fields, site, line, now)]))

    def _keep(self, alerts: Sequence[Alert]) -> None:
        """Alerts to be stored with the next append, and announced after it."""
        self._outbox.add(self._dated([self._alert_envelope(alert) for alert in alerts]))
        for alert in alerts:
            self._outbox.note(journal.of_alert(alert_facts(alert)))
        self._unannounced += alerts

    def _alert_envelope(self, alert: Alert) -> Envelope:
        names = [alarm.name for alarm in self._machines[alert.detector].alarms]
        return points.alert_envelope(
            alert,
            self._config.site,
            self._config.line,
            names.index(alert.alarm),
            self._words,
        )

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

    def _routine(self, now: Nanos) -> list[Envelope]:
        """Summaries and the gateway's own point, when their interval is over."""
        site, line = self._config.site, self._config.line
        summaries = self._summariser.advance(now)
        self.health.summaries += len(summaries)
        envelopes = [points.summary_envelope(summary, site, line) for summary in summaries]
        if now >= self._gateway_due:
            self._gateway_due = self._next_gateway(now)
            self.health.record_bytes(now)
            self._ledger = self.health.ledger.checkpoint()
            fields = self.health.gateway_fields(now)
            envelopes.append(points.gateway_envelope(fields, site, line, now))
        return envelopes

    def _next_gateway(self, now: Nanos) -> Nanos:
        every = self._config.file.summaries.every
        return (now // every + 1) * every

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
        for change in self._changes:
            event = f"maintenance.{change.transition}"
            log.warning(event, by=change.by, why=change.why, source=change.source)
        self._changes.clear()
        self.timings.committed(time.perf_counter() - started)
        closed = self._clock() - self._config.file.timing.lateness
        for alert in self._unannounced:
            if alert.transition is not Transition.ACKNOWLEDGED:
                self.timings.alerted(max(closed - alert.at, 0) / SECOND)
            self._announce(alert)
        self._unannounced.clear()

    def _states(self) -> dict[str, bytes]:
        states = {name: machine.checkpoint() for name, machine in self._machines.items()}
        states |= {LEDGER: self._ledger, CONTEXT: self._context.checkpoint(), **self._noted}
        states[MAINTAINED] = self._maintenance.checkpoint()
        if self._clips is not None:
            states[CLIPS] = self._clips.checkpoint()
        newest = self._outbox.newest
        if self._clock_watch is not None and newest is not None:
            self._clock_watch.note(newest)
            states[CLOCK] = self._clock_watch.checkpoint()
        return states

    def _announce(self, alert: Alert) -> None:
        self.health.note_alert(alert)
        self.tap.offer("alerts", alert)
        event = f"alert.{alert.transition}"
        log.warning(
            event,
            id=alert.id,
            severity=str(alert.severity),
            message=alert.message,
            tags=[top.tag for top in alert.top_tags],
        )
