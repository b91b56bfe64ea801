"""Chooses a model on normal data alone: the one that sees most of what is put wrong on purpose.

Promises
- Each of ten consecutive stretches of the data is held out once: it is scored by models that were
  fitted without its rows and without the rows around it. So all of the data calibrates, and all of
  it is fitted on in the end.
- A candidate gets the threshold that its own held-out scores ask for. Then tags are moved, one at a
  time, in held-out windows, and what counts is the share of them that goes above the threshold.
- Where the data has labels, what counts is the share of the labelled windows instead, which nothing
  was fitted on.
- Of one method the simplest is taken that is nearly as good as its best; another method than the
  first is taken only if it sees twice as much.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from detectors.budget import Calibration, calibrate
from detectors.training import autoencoder, forest, kmeans, lof, mahalanobis, pca, regimes
from detectors.training.lagged import Core, Frame, Lagged, scaled
from detectors.training.wander import wandering_tags
from gateway.model import Bools, Floats, Nanos, Times

STRETCHES = 10
NEARLY = 0.95
MUCH_BETTER = 2.0
SHIFTS = (-3.0, -2.0, -1.0, 1.0, 2.0, 3.0)
"""How far a tag is moved, in its standard deviations."""
MOST_MOVED = 16
"""Tags that are moved, evenly chosen."""
MOST_JUDGED = 4000
"""Windows whose held-out scores are taken; more, evenly thinned, add time and nothing else."""
EXAMPLES = 40
"""Windows in which tags are moved."""

Fit = Callable[[Floats], Sequence[Core]]
REGIMES = "regimes"


class Method(NamedTuple):
    """A way to judge stretches, and whether their average is judged as well.

    `fit` gives its candidates, always as many, from standardised stretches [row, time, tag].
    """

    fit: Fit
    lasting: bool = False


METHODS = {
    "mahalanobis": Method(mahalanobis.fit_shrunken, lasting=True),
    "pca": Method(pca.fit),
    "kmeans": Method(kmeans.fit),
    "autoencoder": Method(autoencoder.fit),
    "robust": Method(mahalanobis.fit_robust, lasting=True),
    "forest": Method(forest.fit),
    "lof": Method(lof.fit),
    REGIMES: Method(regimes.fit),
}
USUAL = (REGIMES, "mahalanobis", "pca", "kmeans", "autoencoder")
"""A robust covariance takes long to fit, a forest and a local outlier factor to score."""


class Windows(NamedTuple):
    """Full windows without gaps float64[window, time, tag], oldest first, and their ends in ns."""

    values: Floats
    ends: Times
    period: Nanos
    """Distance of the rows."""
    step: Nanos
    """Usual distance of the ends."""


class Candidate(NamedTuple):
    """How one candidate did. `sensitivity` is from 0 to 1.

    scores: float64[judged] and contributions: float64[judged, tag], the held-out ones.
    """

    method: str
    model: Lagged
    scores: Floats
    contributions: Floats
    calibration: Calibration
    sensitivity: float

    @property
    def core(self) -> Core:
        """Of the model that was fitted on everything."""
        return self.model.core


class Choice(NamedTuple):
    """The model that was chosen, and all candidates in the order in which they are preferred."""

    chosen: Candidate
    candidates: Sequence[Candidate]
    judged: Sequence[int]
    """Numbers of the windows whose held-out scores were taken."""

    @property
    def model(self) -> Lagged:
        """What was fitted on everything."""
        return self.chosen.model


class _Part(NamedTuple):
    """What one candidate makes of one held-out stretch, and of it with tags moved."""

    scores: Floats
    contributions: Floats
    moved: Floats


def choose(
    windows: Windows,
    lag: int,
    weights: Floats,
    methods: Sequence[str],
    say: Callable[[str], None],
    faulty: Floats | None = None,
) -> Choice:
    """The best of these methods, each looking at stretches of `lag` rows that are weighted so.

    `faulty`: windows float64[window, time, tag] that a model should find, if some are known.
    """
    frame, ways = _framed(windows, lag, weights)
    methods = methods if ways > 1 else _without_regimes(methods)
    found: dict[tuple[str, int], list[_Part]] = {}
    judged: list[int] = []
    for number, held in enumerate(np.array_split(np.arange(len(windows.ends)), STRETCHES), 1):
        say(f"holding out stretch {number} of {STRETCHES}")
        taken = held[:: -(-len(windows.ends) // MOST_JUDGED)]
        judged += taken.tolist()
        for key, model in models(methods, windows, frame, held):
            scores, contributions, _ = model.score(windows.values[taken])
            moved = _moved_scores(model, windows, held)
            found.setdefault(key, []).append(_Part(scores, contributions, moved))
    say("fitting on everything")
    whole = dict(models(methods, windows, frame))
    candidates = [_candidate(key[0], whole[key], parts, windows) for key, parts in found.items()]
    if faulty is not None and len(faulty):
        candidates = [_by_faults(candidate, faulty) for candidate in candidates]
    return Choice(preferred(candidates), candidates, judged)


def _framed(windows: Windows, lag: int, weights: Floats) -> tuple[Frame, int]:
    """What models of these windows have in common, and in how many ways the plant runs."""
    newest = windows.values[:, -1]
    steady = np.zeros(newest.shape[1], dtype=np.bool_)
    frame = Frame(newest.mean(axis=0), newest.std(axis=0), lag, weights, steady)
    rows = frame.standard(newest)
    ways = regimes.ways(rows)
    # A single row has no course, and what has several ways of running does not wander.
    if lag > 1 and ways == 1:
        frame = frame._replace(wanders=wandering_tags(rows))
    return frame, ways


def _without_regimes(methods: Sequence[str]) -> Sequence[str]:
    """Where the plant runs in one way only they are no help, unless nothing else is asked for."""
    return [method for method in methods if method != REGIMES] or methods


def preferred(candidates: Sequence[Candidate]) -> Candidate:
    """The best, where the simpler of a method and the earlier method have the benefit of doubt."""
    methods = dict.fromkeys(candidate.method for candidate in candidates)
    of_each = [_first([c for c in candidates if c.method == method], NEARLY) for method in methods]
    return _first(of_each, 1 / MUCH_BETTER)


def _first(candidates: Sequence[Candidate], share: float) -> Candidate:
    enough = share * max(candidate.sensitivity for candidate in candidates)
    return next(candidate for candidate in candidates if candidate.sensitivity >= enough)


def models(
    methods: Sequence[str], windows: Windows, frame: Frame, held: Times | None = None
) -> Iterator[tuple[tuple[str, int], Lagged]]:
    """The candidates of these methods, made without the held-out windows."""
    every = np.ones(len(windows.ends), dtype=np.bool_)
    rows = _rows(windows, every if held is None else _apart(windows, held, frame.lag), frame)
    whole = windows.values[every if held is None else _apart(windows, held, frame.length)]
    some = whole[:: -(-len(whole) // MOST_JUDGED)]
    for name in methods:
        for number, core in enumerate(_fitted(METHODS[name], rows)):
            lasting = METHODS[name].lasting
            yield (name, number), scaled(frame, core, some) if lasting else Lagged(frame, core)


def _fitted(method: Method, rows: Floats) -> Sequence[Core]:
    with warnings.catch_warnings():
        # What a library says of a candidate shows in what that candidate sees.
        warnings.simplefilter("ignore", UserWarning)
        return method.fit(rows)


def _rows(windows: Windows, used: Bools, frame: Frame) -> Floats:
    """What a core is fitted on: the newest stretch of each window, and all where a run begins."""
    begins = used & (
        np.diff(windows.ends, prepend=windows.ends[0] - 2 * windows.step) > windows.step
    )
    every = frame.rows(windows.values[begins])
    older = every.reshape(-1, len(frame.recency), *every.shape[1:])[:, :-1]
    newest = frame.rows(windows.values[used, -frame.lag :])
    return np.concatenate((older.reshape(-1, *every.shape[1:]), newest))


def _apart(windows: Windows, held: Times, lag: int) -> Bools:
    """Which windows' newest stretches share no row with the held-out windows."""
    ends, length = windows.ends, windows.values.shape[1]
    first = ends[held[0]] - (length - 1) * windows.period
    last = ends[held[-1]] + (lag - 1) * windows.period
    return np.asarray((ends < first) | (ends > last), dtype=np.bool_)


def _moved_scores(model: Lagged, windows: Windows, held: Times) -> Floats:
    """Scores of some held-out windows in which one tag is moved throughout."""
    examples = windows.values[held[:: -(-len(held) * STRETCHES // EXAMPLES)]]
    tags = len(model.frame.mean)
    moved = np.arange(0, tags, -(-tags // MOST_MOVED))
    parts = []
    for tag, shift in product(moved, SHIFTS):
        wrong = examples.copy()
        wrong[:, :, tag] += shift * model.frame.std[tag]
        parts.append(model.score(wrong)[0])
    return np.concatenate(parts)


def _by_faults(candidate: Candidate, faulty: Floats) -> Candidate:
    found = candidate.model.score(faulty)[0] > candidate.calibration.threshold()
    return candidate._replace(sensitivity=float(found.mean()))


def _candidate(method: str, model: Lagged, parts: Sequence[_Part], windows: Windows) -> Candidate:
    scores, contributions, moved = (np.concatenate(each) for each in zip(*parts, strict=True))
    length = len(windows.ends) * windows.step
    memory = round(model.frame.memory * windows.period)
    window = model.frame.length * windows.period
    calibration = calibrate(scores, length, window, chance=memory)
    sensitivity = float((moved > calibration.threshold()).mean())
    return Candidate(method, model, scores, contributions, calibration, sensitivity)
