"""The alarms of one line: a machine for each detector and for each of the line's own watches.

Promises
- What `follow` and `act` return has its marks: the alarm that it follows from, and the flood that
  it is part of.
- An act on an alarm that no machine has is refused with a sentence.
- `restore` takes up what `states` gave, so that a restart raises nothing twice.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from gateway.api.alarms import Alarm, Alert
from gateway.api.contracts import CommandRefused, Detector
from gateway.api.model import Envelope, Nanos, Score
from gateway.config.load import LineConfig
from gateway.core import points
from gateway.core.alarms import cascade
from gateway.core.alarms.acts import Act, UnknownAlarm
from gateway.core.alarms.context import Context
from gateway.core.alarms.flood import DETECTOR as ALARMS
from gateway.core.alarms.flood import FloodWatch
from gateway.core.alarms.machine import AlarmMachine
from gateway.core.alarms.removed import ended
from gateway.core.alarms.words import Words
from gateway.line.checkpoints import CONTEXT

DIGEST = 12
"""Characters of the line file's digest that an alert carries."""


class LineAlarms:
    """The alarm machines of `detectors` and of the line's `own` watches, by their names."""

    def __init__(
        self,
        config: LineConfig,
        detectors: Mapping[str, Detector],
        own: Mapping[str, Sequence[Alarm]],
        now: Nanos,
    ) -> None:
        self._config = config
        names = [tag.name for tag in config.tags]
        tags = {tag.name: tag for tag in config.tags}
        self._words = words = Words(config.line, tags, config.texts)
        since = now - config.file.timing.lateness
        self.machines = {
            name: AlarmMachine(name, detector.alarms, detector.spec.tags, since, words)
            for name, detector in detectors.items()
        }
        for name, watched in own.items():
            self.machines[name] = AlarmMachine(name, watched, names, now, words)
        self.machines[ALARMS] = AlarmMachine(ALARMS, FloodWatch.alarms, (), now, words)
        for machine in self.machines.values():
            machine.escalations = config.file.alarms.escalate_after
            machine.config = config.digest[:DIGEST]
        alarms = self.by_detector
        titles = {f"{n}.{each.name}": words.title(each) for n in alarms for each in alarms[n]}
        structure = cascade.structure(config.tags, detectors, config.detectors)
        upstream = cascade.upstream(structure, alarms)
        self._context = Context(self.machines[ALARMS], titles, upstream)

    @property
    def by_detector(self) -> Mapping[str, Sequence[Alarm]]:
        """The alarms of each detector, andon's own (`data` and others) among them."""
        return {name: machine.alarms for name, machine in self.machines.items()}

    def names_for_people(self) -> Mapping[str, Mapping[str, str]]:
        """The names of states, severities and classes of NE 107."""
        return self._words.names()

    def step(self, detector: str, score: Score) -> list[Alert]:
        """The transitions that a score brings; `follow` gives them their marks."""
        return self.machines[detector].step(score)

    def follow(self, alerts: Iterable[Alert], now: Nanos) -> list[Alert]:
        """The transitions of a moment in the order of their onset, and the flood's own."""
        return self._context.follow(alerts, now)

    def act(self, alarm_id: str, act: Act, by: str, why: str) -> Alert:
        """Do what a person asks of an alarm, by its id or as 'detector.alarm'.

        CommandRefused if it is not possible.
        """
        for machine in self.machines.values():
            alert = machine.act(alarm_id, act, by, why)
            if alert is not None:
                return self._context.marked(alert)
        raise UnknownAlarm(f"no alarm has the id {alarm_id}")

    def comment_on(self, past: Alert, verdict: str, by: str, why: str) -> Alert:
        """Note a person's verdict on an alarm that is over. CommandRefused as in `act`."""
        machine = self.machines.get(past.detector)
        if machine is None:
            raise CommandRefused(f"{past.id}: the line has no detector {past.detector} now")
        return machine.comment_on(past, verdict, by, why)

    def restart_delays(self, since: Nanos, step: Nanos) -> None:
        """Restart all pending delays, and move the end of shelves: the clock was stepped."""
        for machine in self.machines.values():
            machine.restart_delays(since, step)

    def set_epoch(self, epoch: int) -> None:
        """The clock's epoch, which keeps the ids apart."""
        for machine in self.machines.values():
            machine.epoch = epoch

    def envelope(self, alert: Alert) -> Envelope:
        """A transition as it is stored."""
        names = [alarm.name for alarm in self.machines[alert.detector].alarms]
        number = names.index(alert.alarm)
        return points.alert_envelope(
            alert, self._config.site, self._config.line, number, self._words
        )

    def end(self, last: Alert, at: Nanos, place: int) -> tuple[Alert, Envelope]:
        """The end of an alarm that is not in the line file any more, also as it is stored.

        `last` is its last alert; `place` tells it from others of its detector.
        """
        alert = ended(last, at, self._words, self._config.digest[:DIGEST])
        site, line = self._config.site, self._config.line
        return alert, points.alert_envelope(alert, site, line, place, self._words)

    def states(self) -> dict[str, bytes]:
        """The checkpoints of all machines, and of what their alarms mean together."""
        states = {name: machine.checkpoint() for name, machine in self.machines.items()}
        return states | {CONTEXT: self._context.checkpoint()}

    async def restore(self, stored: Callable[[str], Awaitable[bytes | None]]) -> list[Alert]:
        """Take up the checkpoints of the last run; the alarms that are not normal."""
        context = await stored(CONTEXT)
        if context is not None:
            self._context.restore(context)
        for name, machine in self.machines.items():
            state = await stored(name)
            if state is not None:
                machine.restore(state)
        # A machine without a checkpoint is normal.
        machines = self.machines.values()
        return [alert for each in machines for alert in self._context.standing(each.standing())]
