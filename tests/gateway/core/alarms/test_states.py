"""The alarm machine against the state model of IEC 62682, written down here once more."""

import os
from contextlib import suppress
from dataclasses import replace

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.api.alarms import Alarm, AlarmState, Transition
from gateway.api.contracts import CommandRefused
from gateway.api.model import SECOND, Score
from gateway.core.alarms import acts
from gateway.core.alarms.machine import AlarmMachine

SEQUENCES = int(os.environ.get("ANDON_ALARM_SEQUENCES", "200"))
T0 = 1_700_000_000 * SECOND

# The letters of the standard's figure.
A, B, C = AlarmState.NORMAL, AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED
D = AlarmState.RETURNED_UNACKNOWLEDGED
E, F = AlarmState.LATCHED_UNACKNOWLEDGED, AlarmState.LATCHED_ACKNOWLEDGED
G, H, I = AlarmState.SHELVED, AlarmState.SUPPRESSED, AlarmState.OUT_OF_SERVICE  # noqa: E741

T = Transition
LEGAL = {
    # Suppressed by design: what is raised during maintenance.
    T.RAISED: {A: {B, H}, D: {B, H}, E: {B, H}, F: {B, H}, G: {G, H}, H: {H, B}, I: I},
    T.ACKNOWLEDGED: {B: C, D: A, E: F, G: G, H: H, I: I},
    T.UPDATED: {B: B, C: {B, C}, G: G, H: H, I: I},
    T.REALARMED: {B: B, C: B},
    T.ESCALATED: {B: B},
    T.RETURNED: {B: {D, E}, C: {A, F}, G: {G, A, E}, H: H, I: I},
    T.RESET: {F: A, G: G, H: H, I: I},
    T.SUPPRESSED: {B: H, C: H, D: H, E: H, F: H, G: {G, H}, H: H, I: I},
    T.UNSUPPRESSED: {H: {A, B, E, G}, I: I},
    T.SHELVED: {A: G, B: G, C: G, D: G, E: G, F: G, G: G, H: {H, G}},
    T.UNSHELVED: {G: {A, B, E}, H: H},
    T.TAKEN_OUT_OF_SERVICE: dict.fromkeys((A, B, C, D, E, F, G, H), I),
    T.RETURNED_TO_SERVICE: {I: {A, B, E, H}},
    T.COMMENTED: {state: state for state in (B, C, D, E, F, G, H, I)},
}

SCORE = st.sampled_from((20.0, 20.0, 9.5, 5.0, 5.0, float("nan"), "idle"))
ACT = st.sampled_from(
    (
        *("acknowledge", "reset", "shelve", "one shot", "unshelve", "out of service", "in service"),
        *("real", "false", "unclear", "remark", "comment on the past"),
    )
)
WORLD = st.sampled_from(
    ("restart", "restart", "maintenance", "work", "clock back", "clock on", "quiet")
)
STEPS = st.lists(st.one_of(SCORE, SCORE, ACT, WORLD), min_size=5, max_size=60)
STEP = 20 * SECOND
"""What the clock is set back or on."""
SETTINGS = st.fixed_dictionaries(
    {
        "on_delay": st.sampled_from((0, 2 * SECOND)),
        "off_delay": st.sampled_from((0, 2 * SECOND)),
        "hysteresis": st.sampled_from((0.0, 1.0)),
        "of_last": st.sampled_from((None, None, (2, 4))),
        "minimum_duration": st.sampled_from((0, 5 * SECOND)),
        "realarm_after": st.sampled_from((0, 4 * SECOND)),
        "latch": st.booleans(),
    }
)


def machine(options):
    pump = AlarmMachine("pump", [Alarm("anomaly", 10.0, **options)], ["flow"], T0)
    pump.escalations = (3 * SECOND, 6 * SECOND)
    return pump


def act_of(word, now):
    return {
        "acknowledge": acts.acknowledge("anna"),
        "reset": acts.reset,
        "shelve": acts.shelve(now + 5 * SECOND),
        "one shot": acts.shelve(None),
        "unshelve": acts.unshelve,
        "out of service": acts.take_out_of_service("sensor is being changed"),
        "in service": acts.return_to_service,
        "real": acts.comment("real"),
        "false": acts.comment("false"),
        "unclear": acts.comment("unclear"),
        "remark": acts.comment(""),
    }[word]


class Course:
    """A machine through these steps, with or without the restarts among them."""

    def __init__(self, options, steps, *, restarts):
        self.options, self.restarts = options, restarts
        self.pump, self.now = machine(options), T0
        self.alerts, self.over = [], None
        self.epochs = []
        for step in steps:
            self.take(step)

    def take(self, step):
        """What one step brings; whatever it changes is in its alerts."""
        before = len(self.alerts)
        if step == "restart":
            self.restart()
        elif step in ("maintenance", "work"):
            self.pump.suppression = "maintenance" * (step == "maintenance")
        elif step in ("clock back", "clock on"):
            self.now += STEP if step == "clock on" else -STEP
            # Only a clock that went back brings a time twice.
            self.pump.epoch += step == "clock back"
            self.pump.restart_delays(self.now)
        elif step == "quiet":
            # As long as a chattering alarm is held.
            for wait in (1, 61):
                self.now += wait * SECOND
                self.alerts += self.pump.step(Score(self.now, np.array([5.0]), 1.0))
        elif step == "idle" or isinstance(step, float):
            self.now += SECOND
            idle = "stopped" * (step == "idle")
            value = np.array([np.nan if idle else step])
            self.alerts += self.pump.step(Score(self.now, value, 1.0, idle=idle))
        else:
            self.act(step)
        self.epochs += [self.pump.epoch] * (len(self.alerts) - before)
        self.check()

    def restart(self):
        if self.restarts:
            before, self.pump = self.pump, machine(self.options)
            self.pump.restore(before.checkpoint())
            self.pump._newest, self.pump._acted = before._newest, before._acted
            self.pump.suppression, self.pump.epoch = before.suppression, before.epoch

    def act(self, word):
        with suppress(CommandRefused):
            if word != "comment on the past":
                self.alerts.append(self.pump.act("pump.anomaly", act_of(word, self.now)))
            elif over := [alert for alert in self.alerts if alert.is_over]:
                self.alerts.append(self.pump.comment_on(over[-1], "real", "anna", ""))

    def check(self):
        """The alarm is as its newest transition has left it: none is lost."""
        shown = [(alert.id, alert.state, alert.is_active) for alert in self.pump.standing()]
        told = [a for a in self.alerts if not (a.transition is T.COMMENTED and a.is_over)][-1:]
        kept = [(alert.id, alert.state, alert.is_active) for alert in told if not alert.is_over]
        assert [state for _, *state in shown] == [state for _, *state in kept]


def course(options, steps, *, restarts):
    """The transitions that these steps bring, but those that say something of what is over."""
    alerts = Course(options, steps, restarts=restarts).alerts
    return [each for each in alerts if not (each.transition is T.COMMENTED and each.is_over)]


@settings(max_examples=SEQUENCES)
@given(SETTINGS, STEPS)
def test_every_transition_is_one_of_the_standard(options, steps):
    state, active = A, False
    for alert in course(options, steps, restarts=True):
        legal = LEGAL[alert.transition].get(state, set())
        after = legal if isinstance(legal, set) else {legal}
        assert alert.state in after, f"{state} -> {alert.transition} -> {alert.state}"
        if alert.transition is T.RAISED:
            assert not active, "raised twice"
        if alert.transition is T.RETURNED:
            assert active, "returned twice"
        state, active = alert.state, alert.is_active


@settings(max_examples=SEQUENCES)
@given(SETTINGS, STEPS)
def test_a_restart_neither_loses_nor_repeats_a_transition(options, steps):
    with_restarts = Course(options, steps, restarts=True).alerts
    assert with_restarts == Course(options, steps, restarts=False).alerts


@settings(max_examples=SEQUENCES)
@given(SETTINGS, STEPS)
@example(
    {"on_delay": 0, "off_delay": 0, "hysteresis": 0.0, "of_last": None, "minimum_duration": 0,
     "realarm_after": 0, "latch": False},
    ["out of service", "in service", "shelve", 20.0, *["comment on the past"] * 3],
)  # fmt: skip
def test_no_two_transitions_of_an_alarm_have_one_time(options, steps):
    gone = Course(options, steps, restarts=True)
    times = list(zip(gone.epochs, (alert.at for alert in gone.alerts), strict=True))
    assert len(times) == len(set(times))
    # What is said of an alarm that is over may be dated back to its end.
    past = [alert.transition is T.COMMENTED and alert.is_over for alert in gone.alerts]
    told = [time for time, is_past in zip(times, past, strict=True) if not is_past]
    assert told == sorted(told)


@settings(max_examples=SEQUENCES)
@given(SETTINGS, STEPS)
def test_an_alarm_keeps_its_id_until_it_is_raised_again(options, steps):
    current = None
    for alert in course(options, steps, restarts=True):
        if alert.transition is T.RAISED:
            assert alert.id != current
            current = alert.id
        assert alert.id in (current, "pump.anomaly")


@settings(max_examples=SEQUENCES)
@given(SETTINGS, STEPS)
def test_what_is_said_of_an_alarm_changes_nothing_else_of_it(options, steps):
    said = ("real", "false", "unclear", "remark", "comment on the past")
    silent = [step for step in steps if step not in said]
    of_silent = [_but_verdict(alert) for alert in course(options, silent, restarts=True)]
    spoken = course(options, steps, restarts=True)
    others = [_but_verdict(alert) for alert in spoken if alert.transition is not T.COMMENTED]
    assert others == of_silent


def _but_verdict(alert):
    # An act that follows a comment is a little later than without it.
    return replace(alert, verdict="", at=alert.at // SECOND)
