"""Verdict on the trial of an imported model: a refusal, or warnings. Pure."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from detectors.bundle.phrases import format_count
from detectors.importing.signature import Kind
from detectors.importing.trial import SIZES, ImportTrial

HARDLY = 0.01
"""Share of disturbed windows above the threshold below which a model is reported as useless."""
ROUNDING = 1e-6
"""Mean squared difference, in variances of the tags, below which two windows are the same."""
EVEN = 0.5
"""Probability of an anomaly above which a window is one."""
_HOW = f"one tag at a time, up to {SIZES[-1]:g} standard deviations"


class Asked(NamedTuple):
    """What was asked for: the kind of output, its direction, and whether a threshold was given."""

    kind: Kind
    lower_is_worse: bool
    threshold_given: bool


def refusal(trial: ImportTrial, asked: Asked) -> str:
    """Why the model must not be imported, and what would be right; empty if it may."""
    checks = (_no_number, _constant, _wrong_way, _unreachable)
    return next((why for check in checks if (why := check(trial, asked))), "")


def _no_number(trial: ImportTrial, _asked: Asked) -> str:
    bad = int((~np.isfinite(trial.every)).sum())
    if not bad:
        return ""
    return (
        f"it returns NaN or infinity for {bad:,} of {_count(trial)}, so it would be blind just "
        "when something is wrong: limit its inputs or its output when it is exported"
    )


def _constant(trial: ImportTrial, asked: Asked) -> str:
    if asked.kind in ("reconstruction", "forecast") and trial.every.max() < ROUNDING:
        return f"for {_count(trial)} it returns its input whatever is wrong with it"
    if len(trial.ignored) < len(trial.tags) or np.ptp(trial.together) > 0:
        return ""
    return f"its score is the same for {_count(trial)}: it does not react to its input"


def _wrong_way(trial: ImportTrial, asked: Asked) -> str:
    usual = float(np.median(trial.normal))
    if asked.kind == "probability" and usual > EVEN:
        facts = f"it calls normal running an anomaly, with a probability of {usual:.3g}"
    elif trial.falls:
        facts = (
            f"its score falls where something is wrong: {trial.below:.0%} of the disturbed windows "
            f"score lower than every normal one, {trial.above:.0%} higher"
        )
    else:
        return ""
    if asked.kind == "score":
        return f"{facts}: {'leave out' if asked.lower_is_worse else 'add'} --lower-is-worse"
    if asked.kind == "probability":
        return (
            f"{facts}: it is the probability of normal running, or its inputs need another "
            "--scaling; export the probability of the anomaly, or import it with --kind score "
            "--lower-is-worse"
        )
    return f"{facts}: its output is not a {asked.kind} of its input"


def _unreachable(trial: ImportTrial, asked: Asked) -> str:
    if trial.raised:
        return ""
    highest, normal = float(trial.every.max()), float(trial.normal.max())
    facts = (
        f"not one of {_count(trial)} scores above the threshold {trial.threshold:.4g}, so no alarm "
        f"could be raised; the highest scores {highest:.4g}, and normal windows reach {normal:.4g}"
    )
    if highest <= normal * (1 + 1e-9):
        return f"{facts}: its output saturates, or does not tell what is wrong from what is normal"
    between = (
        f"a --threshold between {normal:.4g} and {highest:.4g}, where {trial.above:.0%} of the "
        "disturbed windows score"
    )
    if asked.threshold_given:
        return f"{facts}: choose {between}"
    return f"{facts}: allow more --false-alarms, use more data, or choose {between}"


def _count(trial: ImportTrial) -> str:
    return f"{format_count(len(trial.every), 'disturbed window')} ({_HOW})"


def warnings(trial: ImportTrial) -> Iterator[str]:
    """Yields the reasons not to trust the model as it is."""
    if trial.ignored:
        yield f"the score does not depend on {', '.join(trial.ignored)}: no fault of it is noticed"
    if trial.falling:
        yield (
            f"the score falls where {', '.join(trial.falling)} is wrong, so no fault of it is "
            "noticed"
        )
    silent = [tag for tag in trial.silent if tag not in trial.falling]
    if silent:
        yield (
            f"no disturbance of {', '.join(silent)} raises an alarm ({_HOW}): allow more "
            "--false-alarms, or leave these tags out of the model"
        )
    if trial.raised < HARDLY:
        yield f"only {trial.raised:.2%} of {_count(trial)} would raise an alarm"
