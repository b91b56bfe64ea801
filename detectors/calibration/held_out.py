"""What the scores of normal windows that a model had not seen say of its false alarms. Pure."""

import math
from typing import NamedTuple

import numpy as np

from detectors.bundle.calibration import LEAST_SPREAD, LOWEST, TAIL, Calibration, Level, Scale
from detectors.runtime.onnx import HYSTERESIS
from gateway.api.model import SECOND, Floats, Nanos, Times
from gateway.api.options import format_duration

LEAST_COUNTED = 10
"""Alarms from which on a count is taken for what will come: its error is a third then, and some
strange stretches among the normal ones do not decide."""
LEVELS = 40
"""Scores at which alarms are counted."""
APART = 1.35
"""Scores so much of a memory apart show an alarm each; measured on simulated plants."""
DELAY = 20 * SECOND
"""How long a score should be above its threshold, or below, before an alarm is raised, or goes, as
is usual for process alarms: EEMUA 191 and ISA-18.2 start from 15 s to 60 s."""


class Interval(NamedTuple):
    """The time between two false alarms, ns, nine of ten times; `high` None is no limit."""

    low: Nanos
    high: Nanos | None


def usual_delay(hop: Nanos) -> Nanos:
    """The on-delay and off-delay that suit windows that come so often, in whole steps."""
    return DELAY // hop * hop


def raised(scores: Floats, threshold: float) -> Times:
    """Numbers of the scores, in their order, at which an alarm without a delay is raised."""
    says = np.flatnonzero((scores > threshold) | (scores < (1 - HYSTERESIS) * threshold))
    above = scores[says] > threshold
    return np.asarray(says[above & ~np.append(False, above[:-1])], dtype=np.int64)


def after_count(alarms: float, length: Nanos) -> Interval:
    """By so many in this time: exact limits of a Poisson count (Garwood, Biometrika 28, 1936)."""
    from scipy.special import gammaincinv

    low = round(length / float(gammaincinv(alarms + 1, 0.95)))
    return Interval(low, round(length / float(gammaincinv(alarms, 0.05))) if alarms else None)


def interval(
    scores: Floats,
    stretches: int,
    calibration: Calibration,
    threshold: float,
    hop: Nanos | None = None,
) -> Interval:
    """How sure the time between two false alarms is, by the alarms that the scores would raise.

    Alarms that come in bursts, by how much more their number in consecutive stretches varies than
    a Poisson count's does, say as much as so many fewer. No upper limit where a delay will keep
    alarms away, since they are counted without it.
    """
    at = raised(scores, threshold)
    of_each = np.bincount(at * stretches // len(scores), minlength=stretches)
    bursts = float(of_each.var(ddof=1) / max(of_each.mean(), 1e-12))
    bursts = min(max(bursts, 1.0), max(len(at), 1.0))
    for_each = _for_each(scores, calibration.length, calibration.chance, hop)
    found = after_count(len(at) / bursts, round(calibration.length / (bursts * for_each)))
    is_delayed = usual_delay(hop or calibration.length // len(scores)) > 0
    return found._replace(high=None) if is_delayed else found


def calibrate(
    scores: Floats,
    length: Nanos,
    window: Nanos,
    scale: Scale = Scale.LOG,
    chance: Nanos | None = None,
    hop: Nanos | None = None,
) -> Calibration:
    """From held-out scores in their order.

    `chance` is how long a score takes to forget, the length of a window where that is not known;
    `hop` the distance of the scores that a line gets, if these were evenly thinned.
    """
    values = scale.of(scores)
    middle, start = np.quantile(values, (0.5, 1 - TAIL))
    # The median absolute deviation of a logistic distribution is its scale times ln 3.
    spread = float(np.median(np.abs(values - middle))) / math.log(3)
    beyond = float((values[values >= start] - start).mean())
    independent = max(length / window * TAIL, 1.0)
    counted = _levels(scores, scale, _for_each(scores, length, chance or window, hop))
    return Calibration(
        median=scale.score(float(middle)),
        spread=max(spread, LEAST_SPREAD),
        tail_from=scale.score(float(start)),
        tail_spread=max(beyond * (1 + 1.645 / math.sqrt(independent)), LEAST_SPREAD),
        scale=scale,
        length=format_duration(length),
        window=format_duration(window),
        chance=format_duration(chance or window),
        counted=counted,
        slope=0.0 if usual_delay(hop or length // len(scores)) else _slope(counted, scale),
    )


def _levels(scores: Floats, scale: Scale, for_each: float) -> tuple[Level, ...]:
    found: list[Level] = []
    for share in np.geomspace(1 / len(scores), TAIL, LEVELS):
        score = float(np.quantile(scores, 1 - share))
        seen = len(raised(scores, score)) + 1
        is_normal = scale.of(np.array([score]))[0] < LOWEST[scale]
        if seen < LEAST_COUNTED or is_normal or (found and seen * for_each <= found[-1].alarms):
            continue
        found.append(Level(alarms=seen * for_each, score=score))
    # From scores that hardly reach that far nothing can be said of how many more come below.
    return tuple(found) if found and found[-1].alarms >= 2 * found[0].alarms else ()


def _slope(counted: tuple[Level, ...], scale: Scale) -> float:
    """Of the scale over the logarithm of the alarms, where no delay keeps short alarms away.

    Else short alarms, as at a change-over, would lead to scores that no lasting one has.
    """
    if not counted:
        return 0.0
    high, low = scale.of(np.array([counted[0].score, counted[-1].score]))
    return float(high - low) / math.log(counted[-1].alarms / counted[0].alarms)


def _for_each(scores: Floats, length: Nanos, chance: Nanos, hop: Nanos | None) -> float:
    """Alarms that a line would raise for each that the scores show: thinned, they miss some."""
    step = length / len(scores)
    shown, raised = (math.hypot(1, APART * each / chance) for each in (step, hop or step))
    return shown / raised
