"""Chooses a model on normal data alone: the one that sees most of what is put wrong on purpose.

Promises
- Each of ten consecutive stretches of the data is held out once: it is scored by models that were
  fitted without its rows and without the rows around it. So all of the data calibrates, and all of
  it is fitted on in the end.
- A candidate gets the threshold that its own held-out scores ask for. Then faults are put into
  held-out windows (see `injection`), and what counts is the share that goes above the threshold.
- Where the data has labels, what counts is the share of the labelled windows instead, which nothing
  was fitted on.
- Candidates are compared by a part of the windows where there are many. The chosen one is held out
  once more and judges them all: in those scores alarms are counted.
- Of one method the simplest is taken that sees nearly as many shifts as its best: noise is always
  seen best by whoever takes the tags' relations most literally. Another method than the first is
  taken only if it sees twice as much of everything.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from detectors.bundle.bundle import Model
from detectors.bundle.threshold import Calibration
from detectors.calibration.held_out import calibrate
from detectors.models import (
    autoencoder,
    forest,
    kmeans,
    lof,
    mahalanobis,
    pca,
    regimes,
    window_statistics,
)
from detectors.models.export import graph_bytes
from detectors.models.lagged import Core, Lagged, WindowFrame, scaled
from detectors.models.nonstationary import nonstationary_tags
from detectors.training.fault_injection import FAULTS, InjectedFault, inject_faults
from gateway.api.model import Bools, Floats, Nanos, Times

FOLDS = 10
NEARLY = 0.95
MUCH_BETTER = 2.0
MAX_JUDGED = 4000
"""Windows by whose held-out scores candidates are compared; of more, these, evenly thinned. Alarms
are counted in the chosen one's scores of all windows."""
EXAMPLES = 40
"""Windows into which faults are put."""

Fit = Callable[[Floats], Sequence[Core]]
REGIMES, STATISTICS = "regimes", "statistics"
_Key = tuple[str, int]
"""A method and the number of one of its candidates."""


class Method(NamedTuple):
    """A way to judge stretches, and whether their average is judged as well.

    `fit` gives its candidates, always as many, from standardised stretches [row, time, tag];
    `whole`: it looks at the whole window as one stretch.
    """

    fit: Fit
    lasting: bool = False
    whole: bool = False


METHODS = {
    "mahalanobis": Method(mahalanobis.fit_shrunken, lasting=True),
    "pca": Method(pca.fit),
    "kmeans": Method(kmeans.fit),
    STATISTICS: Method(window_statistics.fit, whole=True),
    "autoencoder": Method(autoencoder.fit),
    "robust": Method(mahalanobis.fit_robust, lasting=True),
    "forest": Method(forest.fit),
    "lof": Method(lof.fit),
    REGIMES: Method(regimes.fit),
}
USUAL = (REGIMES, "mahalanobis", "pca", "kmeans", STATISTICS, "autoencoder")
"""A robust covariance takes long to fit, a forest and a local outlier factor to score."""


class Windows(NamedTuple):
    """Full windows without gaps float64[window, time, tag], oldest first, and their ends in ns."""

    values: Floats
    ends: Times
    period: Nanos
    """Distance of the rows."""
    step: Nanos
    """Usual distance of the ends."""
    hop: Nanos
    """The same where a line judges: shorter, if windows were thinned out."""


class Candidate(NamedTuple):
    """How one candidate did.

    scores: float64[judged] and contributions: float64[judged, tag], the held-out ones; sensitivity:
    the share, from 0 to 1, of what it should see, and seen: of each fault that was put in; empty
    where labelled windows were looked at instead.
    """

    method: str
    model: Lagged
    scores: Floats
    contributions: Floats
    calibration: Calibration
    sensitivity: float
    seen: Mapping[InjectedFault, float]

    @property
    def shifts(self) -> float:
        """The share of the shifts that it sees, or of what it should see instead."""
        return self.seen.get(InjectedFault.SHIFT, self.sensitivity)

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
    """What one candidate makes of one held-out stretch, and of it with faults put in."""

    scores: Floats
    contributions: Floats
    wrong: Floats
    """Scores float64[fault, window], of each of FAULTS."""


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
    methods = _sensible(methods, ways, len(frame.mean))
    found: dict[_Key, list[_Part]] = {}
    judged: list[int] = []
    for number, held in enumerate(_stretches(windows), 1):
        say(f"holding out stretch {number} of {FOLDS}")
        taken = held[:: -(-len(windows.ends) // MAX_JUDGED)]
        judged += taken.tolist()
        examples = windows.values[held[:: -(-len(held) * FOLDS // EXAMPLES)]]
        wrong = inject_faults(examples, frame.std)
        for key, model in models(methods, windows, frame, held):
            scores, contributions, _ = model.score(windows.values[taken])
            strange = np.stack([model.score(each)[0] for each in wrong])
            found.setdefault(key, []).append(_Part(scores, contributions, strange))
    say("fitting on everything")
    whole = dict(models(methods, windows, frame))
    candidates = [_candidate(key[0], whole[key], parts, windows) for key, parts in found.items()]
    if faulty is not None and len(faulty):
        candidates = [_by_faults(candidate, faulty) for candidate in candidates]
    choice = Choice(preferred(candidates), candidates, judged)
    if len(judged) == len(windows.ends):
        return choice
    return _with_all(choice, list(found), windows, frame, say)


def _stretches(windows: Windows) -> list[Times]:
    """Numbers of the windows that are held out together."""
    return np.array_split(np.arange(len(windows.ends)), FOLDS)


def _with_all(
    choice: Choice,
    keys: Sequence[_Key],
    windows: Windows,
    frame: WindowFrame,
    say: Callable[[str], None],
) -> Choice:
    """The same, calibrated by the held-out scores of all windows, as graphs give them.

    `keys` are those of the candidates.
    """
    chosen, candidates, _ = choice
    key = next(key for key, each in zip(keys, candidates, strict=True) if each is chosen)
    parts = []
    for number, held in enumerate(_stretches(windows), 1):
        say(f"counting alarms in stretch {number} of {FOLDS}")
        model = dict(models([chosen.method], windows, frame, held))[key]
        parts.append(Model(graph_bytes(model)).run(windows.values[held]))
    scores = np.concatenate([part.score for part in parts])
    contributions = np.concatenate([part.contribution for part in parts])
    calibration = _calibrated(scores, chosen.model, windows)
    chosen = chosen._replace(scores=scores, contributions=contributions, calibration=calibration)
    return Choice(chosen, candidates, range(len(windows.ends)))


def _framed(windows: Windows, lag: int, weights: Floats) -> tuple[WindowFrame, int]:
    """What models of these windows have in common, and in how many ways the plant runs."""
    newest = windows.values[:, -1]
    steady = np.zeros(newest.shape[1], dtype=np.bool_)
    frame = WindowFrame(newest.mean(axis=0), newest.std(axis=0), lag, weights, steady)
    rows = frame.standard(newest)
    ways = regimes.ways(rows)
    # A single row has no course, and what has several ways of running does not wander.
    if lag > 1 and ways == 1:
        frame = frame._replace(nonstationary=nonstationary_tags(rows))
    return frame, ways


def _sensible(methods: Sequence[str], ways: int, tags: int) -> Sequence[str]:
    """What is worth its time here; all of it if nothing else is asked for.

    Regimes are no help where the plant runs in one way only, and statistics of very many tags are
    more values than a stretch of rows has.
    """
    no_help = {REGIMES: ways == 1, STATISTICS: tags > window_statistics.MAX_TAGS}
    return [method for method in methods if not no_help.get(method)] or methods


def preferred(candidates: Sequence[Candidate]) -> Candidate:
    """The best, where the simpler of a method and the earlier method have the benefit of doubt."""
    methods = dict.fromkeys(candidate.method for candidate in candidates)
    of_each = [
        _first([c for c in candidates if c.method == method], lambda c: c.shifts, NEARLY)
        for method in methods
    ]
    return _first(of_each, lambda c: c.sensitivity, 1 / MUCH_BETTER)


def _first(
    candidates: Sequence[Candidate], seen: Callable[[Candidate], float], share: float
) -> Candidate:
    enough = share * max(map(seen, candidates))
    return next(candidate for candidate in candidates if seen(candidate) >= enough)


def models(
    methods: Sequence[str], windows: Windows, frame: WindowFrame, held: Times | None = None
) -> Iterator[tuple[_Key, Lagged]]:
    """The candidates of these methods, made without the held-out windows."""
    every = np.ones(len(windows.ends), dtype=np.bool_)
    rows = _rows(windows, every if held is None else _apart(windows, held, frame.lag), frame)
    whole = windows.values[every if held is None else _apart(windows, held, frame.length)]
    some = whole[:: -(-len(whole) // MAX_JUDGED)]
    for name in methods:
        method = METHODS[name]
        seen = frame.whole if method.whole else frame
        of = seen.rows(some) if method.whole else rows
        for number, core in enumerate(_fitted(method, of)):
            yield (name, number), scaled(seen, core, some) if method.lasting else Lagged(seen, core)


def _fitted(method: Method, rows: Floats) -> Sequence[Core]:
    with warnings.catch_warnings():
        # What a library says of a candidate shows in what that candidate sees.
        warnings.simplefilter("ignore", UserWarning)
        return method.fit(rows)


def _rows(windows: Windows, used: Bools, frame: WindowFrame) -> Floats:
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


def _by_faults(candidate: Candidate, faulty: Floats) -> Candidate:
    found = candidate.model.score(faulty)[0] > candidate.calibration.threshold()
    return candidate._replace(sensitivity=float(found.mean()), seen={})


def _candidate(method: str, model: Lagged, parts: Sequence[_Part], windows: Windows) -> Candidate:
    scores, contributions = (np.concatenate(each) for each in list(zip(*parts, strict=True))[:2])
    calibration = _calibrated(scores, model, windows)
    over = np.concatenate([part.wrong for part in parts], axis=1) > calibration.threshold()
    seen = {
        fault: float(over[[each is fault for each in FAULTS]].mean()) for fault in InjectedFault
    }
    sensitivity = float(over.mean())
    return Candidate(method, model, scores, contributions, calibration, sensitivity, seen)


def _calibrated(scores: Floats, model: Lagged, windows: Windows) -> Calibration:
    length = len(windows.ends) * windows.step
    memory = round(model.frame.memory * windows.period)
    window = model.frame.length * windows.period
    return calibrate(scores, length, window, chance=memory, hop=windows.hop)
