"""The alarm machine against the state model of IEC 62682, written down here once more."""

import os

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.contracts import CommandRefused
from gateway.api.model import SECOND, Alarm, AlarmState, Score, Transition
from gateway.core.alarms import acts
from gateway.core.alarms.machine import AlarmMachine

SEQUENCES = int(os.environ.get("ANDON_ALARM_SEQUENCES", "300"))
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
}

SCORE = st.sampled_from((20.0, 20.0, 9.5, 5.0, 5.0, float("nan"), "idle"))
ACT = st.sampled_from(
    ("acknowledge", "reset", "shelve", "one shot", "unshelve", "out of service", "in service")
)
WORLD = st.sampled_from(("restart", "restart", "maintenance", "work"))
STEPS = st.lists(st.one_of(SCORE, SCORE, ACT, WORLD), min_size=5, max_size=60)
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


def act_of(word, second):
    return {
        "acknowledge": acts.acknowledge("anna"),
        "reset": acts.reset,
        "shelve": acts.shelve(T0 + (second + 5) * SECOND),
        "one shot": acts.shelve(None),
        "unshelve": acts.unshelve,
        "out of service": acts.take_out_of_service("sensor is being changed"),
        "in service": acts.return_to_service,
    }[word]


def course(options, steps, *, restarts):
    """The transitions that these steps bring, with or without the restarts among them."""
    pump, alerts, second = machine(options), [], 0
    for step in steps:
        if step == "restart":
            if restarts:
                before, pump = pump, machine(options)
                pump.restore(before.checkpoint())
                pump._newest, pump._acted = before._newest, before._acted
                pump.suppression = before.suppression
        elif step in ("maintenance", "work"):
            pump.suppression = "maintenance" * (step == "maintenance")
        elif step == "idle" or isinstance(step, float):
            second += 1
            idle = "stopped" * (step == "idle")
            value = np.array([np.nan if idle else step])
            alerts += pump.step(Score(T0 + second * SECOND, value, 1.0, idle=idle))
        else:
            try:
                alerts.append(pump.act("pump.anomaly", act_of(step, second)))
            except CommandRefused:
                continue
    return alerts


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
    with_restarts = course(options, steps, restarts=True)
    assert with_restarts == course(options, steps, restarts=False)


@settings(max_examples=SEQUENCES)
@given(SETTINGS, STEPS)
def test_no_two_transitions_of_an_alarm_have_one_time(options, steps):
    times = [alert.at for alert in course(options, steps, restarts=True)]
    assert times == sorted(set(times))


@settings(max_examples=SEQUENCES)
@given(SETTINGS, STEPS)
def test_an_alarm_keeps_its_id_until_it_is_raised_again(options, steps):
    current = None
    for alert in course(options, steps, restarts=True):
        if alert.transition is T.RAISED:
            assert alert.id != current
            current = alert.id
        assert alert.id in (current, "pump.anomaly")
