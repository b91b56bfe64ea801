"""Calibration and false alarm rate from held-out scores, of normal windows not fitted on. Pure."""

import math
from typing import NamedTuple

import numpy as np

from detectors.bundle.threshold import LOWEST, MIN_SPREAD, TAIL, Calibration, Level, Scale
from detectors.runtime.onnx import HYSTERESIS
from gateway.api.model import SECOND, Floats, Nanos, Times
from gateway.api.options import format_duration

MIN_COUNTED = 10
"""Fewest alarms for which a count is trusted: its standard error is a third then, and a few
abnormal periods in the data do not dominate it."""
LEVELS = 40
"""Number of thresholds at which alarms are counted."""
APART = 1.35
"""Distance, in decorrelation times, at which scores show one alarm each; from simulated plants."""
DELAY = 20 * SECOND
"""Default on-delay and off-delay, as usual for process alarms: EEMUA 191 and ISA-18.2 start from
15 s to 60 s."""


class Interval(NamedTuple):
    """90 % confidence interval of the time between two false alarms, ns; `high` None: unbounded."""

    low: Nanos
    high: Nanos | None


def default_delay(hop: Nanos) -> Nanos:
    """Default on-delay and off-delay, ns, rounded down to whole hops."""
    return DELAY // hop * hop


def alarm_onsets(scores: Floats, threshold: float) -> Times:
    """Indices of the scores, in order of time, at which an alarm without delays is raised."""
    decided = np.flatnonzero((scores > threshold) | (scores < (1 - HYSTERESIS) * threshold))
    above = scores[decided] > threshold
    return np.asarray(decided[above & ~np.append(False, above[:-1])], dtype=np.int64)


def poisson_interval(alarms: float, length: Nanos) -> Interval:
    """Exact 90 % limits for a Poisson count in a time, ns (Garwood, Biometrika 28, 1936)."""
    from scipy.special import gammaincinv

    low = round(length / float(gammaincinv(alarms + 1, 0.95)))
    return Interval(low, round(length / float(gammaincinv(alarms, 0.05))) if alarms else None)


def confidence_interval(
    scores: Floats,
    folds: int,
    calibration: Calibration,
    threshold: float,
    hop: Nanos | None = None,
) -> Interval:
    """Confidence interval of the time between two false alarms at this threshold.

    The alarms that the scores would raise are counted. Overdispersion, the variance of the counts
    in `folds` consecutive parts over that of a Poisson count, reduces the effective count, so that
    alarms in bursts give a wider interval. There is no upper limit where the default delay is not
    0: it suppresses alarms, and they are counted without it. `hop` as in `calibrate`.
    """
    onsets = alarm_onsets(scores, threshold)
    counts = np.bincount(onsets * folds // len(scores), minlength=folds)
    overdispersion = float(counts.var(ddof=1) / max(counts.mean(), 1e-12))
    overdispersion = min(max(overdispersion, 1.0), max(len(onsets), 1.0))
    per_shown = _alarms_per_shown(scores, calibration.length, calibration.chance, hop)
    limits = poisson_interval(
        len(onsets) / overdispersion, round(calibration.length / (overdispersion * per_shown))
    )
    is_delayed = default_delay(hop or calibration.length // len(scores)) > 0
    return limits._replace(high=None) if is_delayed else limits


def calibrate(
    scores: Floats,
    length: Nanos,
    window: Nanos,
    scale: Scale = Scale.LOG,
    chance: Nanos | None = None,
    hop: Nanos | None = None,
) -> Calibration:
    """Calibration from held-out scores float64[window] in order of time; durations in ns.

    `length` is the running time that the scores cover, `window` the length of a window, `chance`
    the decorrelation time of the score (the window if unknown), and `hop` the distance of two
    scores on a line, if these were downsampled.
    """
    values = scale.of(scores)
    middle, start = np.quantile(values, (0.5, 1 - TAIL))
    # The median absolute deviation of a logistic distribution is its scale times ln 3.
    spread = float(np.median(np.abs(values - middle))) / math.log(3)
    beyond = float((values[values >= start] - start).mean())
    independent = max(length / window * TAIL, 1.0)
    counted = _levels(scores, scale, _alarms_per_shown(scores, length, chance or window, hop))
    return Calibration(
        median=scale.score(float(middle)),
        spread=max(spread, MIN_SPREAD),
        tail_from=scale.score(float(start)),
        tail_spread=max(beyond * (1 + 1.645 / math.sqrt(independent)), MIN_SPREAD),
        scale=scale,
        length=format_duration(length),
        window=format_duration(window),
        chance=format_duration(chance or window),
        counted=counted,
        slope=0.0 if default_delay(hop or length // len(scores)) else _slope(counted, scale),
    )


def _levels(scores: Floats, scale: Scale, per_shown: float) -> tuple[Level, ...]:
    levels: list[Level] = []
    for share in np.geomspace(1 / len(scores), TAIL, LEVELS):
        score = float(np.quantile(scores, 1 - share))
        count = len(alarm_onsets(scores, score)) + 1
        is_normal = scale.of(np.array([score]))[0] < LOWEST[scale]
        if count < MIN_COUNTED or is_normal or (levels and count * per_shown <= levels[-1].alarms):
            continue
        levels.append(Level(alarms=count * per_shown, score=score))
    # A narrow range of counts says nothing about how the count grows below it.
    return tuple(levels) if levels and levels[-1].alarms >= 2 * levels[0].alarms else ()


def _slope(counted: tuple[Level, ...], scale: Scale) -> float:
    """Slope of the scale over the logarithm of the alarms; only where the default delay is 0.

    With a delay, short alarms, as at a change-over, would lead to scores that no lasting alarm
    reaches.
    """
    if not counted:
        return 0.0
    high, low = scale.of(np.array([counted[0].score, counted[-1].score]))
    return float(high - low) / math.log(counted[-1].alarms / counted[0].alarms)


def _alarms_per_shown(scores: Floats, length: Nanos, chance: Nanos, hop: Nanos | None) -> float:
    """Alarms on a line for each that the scores show; downsampled scores miss some."""
    step = length / len(scores)
    shown, on_line = (math.hypot(1, APART * each / chance) for each in (step, hop or step))
    return shown / on_line
