"""Model selection on normal data alone: the candidate that detects the most injected faults.

Promises
- Blocked cross-validation: each of ten consecutive folds of the data is scored by models fitted
  without its rows and without the rows around it. So all of the data calibrates the threshold, and
  the final model is fitted on all of it.
- A candidate's threshold comes from its own held-out scores. Faults are then injected into held-out
  windows (see `fault_injection`); its sensitivity is the share that exceeds the threshold.
- Where the data has labels, the sensitivity is the share of the labelled windows instead, on which
  no candidate was fitted.
- Of many windows, a sample is used to compare the candidates. The chosen one is cross-validated
  again on all windows, and alarms are counted in those scores.
- Within a method, the simplest candidate is taken that detects nearly as many shifts as the best:
  noise is always detected best by the candidate that fits the tags' relations most closely. Another
  method than the first is taken only if it detects twice as many faults of all kinds.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from detectors.bundle.model import Model
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
"""Share of the best detection of shifts at which a simpler candidate of a method is preferred."""
MUCH_BETTER = 2.0
"""Factor by which a later method must detect more faults than an earlier one."""
MAX_JUDGED = 4000
"""Most windows whose held-out scores compare the candidates, evenly sampled. Alarms are counted in
the chosen candidate's scores of all windows."""
EXAMPLES = 40
"""Windows into which faults are injected."""

Fit = Callable[[Floats], Sequence[Core]]
REGIMES, STATISTICS = "regimes", "statistics"
_Key = tuple[str, int]
"""A method and the index of one of its candidates."""


class Method(NamedTuple):
    """A method that scores sub-windows.

    `fit` returns its candidates, always the same number, from standardised sub-windows
    [row, time, tag]; `lasting`: the averaged sub-window is scored as well; `whole`: the whole
    window is a single sub-window.
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
DEFAULT_METHODS = (REGIMES, "mahalanobis", "pca", "kmeans", STATISTICS, "autoencoder")
"""Without the slow ones: a robust covariance is slow to fit, a forest and a LOF slow to score."""


class Windows(NamedTuple):
    """Windows without gaps, float64[window, time, tag], oldest first, and their ends in ns."""

    values: Floats
    ends: Times
    period: Nanos
    """Time between two rows."""
    step: Nanos
    """Typical time between two ends."""
    hop: Nanos
    """Time between two ends on a line: shorter, if the windows were downsampled."""


class Candidate(NamedTuple):
    """Result of one candidate.

    scores: float64[judged] and contributions: float64[judged, tag], held out; sensitivity: detected
    share of all injected faults, or of the labelled windows, from 0 to 1; seen: detected share of
    each kind of fault, empty with labelled windows.
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
        """Detected share of the injected shifts; the sensitivity, if no fault was injected."""
        return self.seen.get(InjectedFault.SHIFT, self.sensitivity)

    @property
    def core(self) -> Core:
        """Core of the model that was fitted on all windows."""
        return self.model.core


class Choice(NamedTuple):
    """The chosen candidate, and all candidates in order of preference."""

    chosen: Candidate
    candidates: Sequence[Candidate]
    judged: Sequence[int]
    """Indices of the windows of the held-out scores."""

    @property
    def model(self) -> Lagged:
        """The chosen model, fitted on all windows."""
        return self.chosen.model


class _Part(NamedTuple):
    """Held-out scores of one candidate in one fold, without and with injected faults."""

    scores: Floats
    contributions: Floats
    faulty: Floats
    """Scores float64[fault, window], for each of FAULTS."""


def choose(
    windows: Windows,
    lag: int,
    weights: Floats,
    methods: Sequence[str],
    on_step: Callable[[str], None],
    faulty: Floats | None = None,
) -> Choice:
    """Selects the best candidate of these methods, with sub-windows of `lag` rows and EWMA weights.

    `faulty`: windows float64[window, time, tag] that a model should detect, if there are labels.
    """
    frame, modes = _framed(windows, lag, weights)
    methods = _applicable(methods, modes, len(frame.mean))
    parts: dict[_Key, list[_Part]] = {}
    judged: list[int] = []
    for number, held in enumerate(_folds(windows), 1):
        on_step(f"cross-validating fold {number} of {FOLDS}")
        sample = held[:: -(-len(windows.ends) // MAX_JUDGED)]
        judged += sample.tolist()
        examples = windows.values[held[:: -(-len(held) * FOLDS // EXAMPLES)]]
        injected = inject_faults(examples, frame.std)
        for key, model in models(methods, windows, frame, held):
            scores, contributions, _ = model.score(windows.values[sample])
            faulty_scores = np.stack([model.score(each)[0] for each in injected])
            parts.setdefault(key, []).append(_Part(scores, contributions, faulty_scores))
    on_step("fitting on all data")
    whole = dict(models(methods, windows, frame))
    candidates = [_candidate(key[0], whole[key], own, windows) for key, own in parts.items()]
    if faulty is not None and len(faulty):
        candidates = [_with_labels(candidate, faulty) for candidate in candidates]
    choice = Choice(preferred(candidates), candidates, judged)
    if len(judged) == len(windows.ends):
        return choice
    return _with_all(choice, list(parts), windows, frame, on_step)


def _folds(windows: Windows) -> list[Times]:
    """Indices of the windows of each fold, which are held out together."""
    return np.array_split(np.arange(len(windows.ends)), FOLDS)


def _with_all(
    choice: Choice,
    keys: Sequence[_Key],
    windows: Windows,
    frame: WindowFrame,
    on_step: Callable[[str], None],
) -> Choice:
    """The same choice, calibrated on the held-out scores of all windows, as the graphs give them.

    `keys`: the candidates' keys, in order.
    """
    chosen, candidates, _ = choice
    key = next(key for key, each in zip(keys, candidates, strict=True) if each is chosen)
    parts = []
    for number, held in enumerate(_folds(windows), 1):
        on_step(f"counting alarms in fold {number} of {FOLDS}")
        model = dict(models([chosen.method], windows, frame, held))[key]
        parts.append(Model(graph_bytes(model)).run(windows.values[held]))
    scores = np.concatenate([part.score for part in parts])
    contributions = np.concatenate([part.contribution for part in parts])
    calibration = _calibrated(scores, chosen.model, windows)
    chosen = chosen._replace(scores=scores, contributions=contributions, calibration=calibration)
    return Choice(chosen, candidates, range(len(windows.ends)))


def _framed(windows: Windows, lag: int, weights: Floats) -> tuple[WindowFrame, int]:
    """The frame of all models of these windows, and the number of operating modes."""
    newest = windows.values[:, -1]
    stationary = np.zeros(newest.shape[1], dtype=np.bool_)
    frame = WindowFrame(newest.mean(axis=0), newest.std(axis=0), lag, weights, stationary)
    rows = frame.standard(newest)
    modes = regimes.count_modes(rows)
    # A single row cannot be centred, and a plant with several modes changes its levels on purpose.
    if lag > 1 and modes == 1:
        frame = frame._replace(nonstationary=nonstationary_tags(rows))
    return frame, modes


def _applicable(methods: Sequence[str], modes: int, tags: int) -> Sequence[str]:
    """The methods that are worth their time here; all of them, if none is.

    Regimes need several operating modes, and the statistics of very many tags are more values than
    a sub-window has.
    """
    skipped = {REGIMES: modes == 1, STATISTICS: tags > window_statistics.MAX_TAGS}
    return [method for method in methods if not skipped.get(method)] or methods


def preferred(candidates: Sequence[Candidate]) -> Candidate:
    """The best candidate, in favour of the simpler one of a method and of the earlier method."""
    methods = dict.fromkeys(candidate.method for candidate in candidates)
    best_of_each = [
        _first([c for c in candidates if c.method == method], lambda c: c.shifts, NEARLY)
        for method in methods
    ]
    return _first(best_of_each, lambda c: c.sensitivity, 1 / MUCH_BETTER)


def _first(
    candidates: Sequence[Candidate], detected: Callable[[Candidate], float], share: float
) -> Candidate:
    enough = share * max(map(detected, candidates))
    return next(candidate for candidate in candidates if detected(candidate) >= enough)


def models(
    methods: Sequence[str], windows: Windows, frame: WindowFrame, held: Times | None = None
) -> Iterator[tuple[_Key, Lagged]]:
    """Fits the candidates of these methods without the held-out windows."""
    every = np.ones(len(windows.ends), dtype=np.bool_)
    rows = _rows(windows, every if held is None else _separate(windows, held, frame.lag), frame)
    whole = windows.values[every if held is None else _separate(windows, held, frame.length)]
    sample = whole[:: -(-len(whole) // MAX_JUDGED)]
    for name in methods:
        method = METHODS[name]
        own = frame.whole if method.whole else frame
        fitted = _fitted(method, own.rows(sample) if method.whole else rows)
        for number, core in enumerate(fitted):
            yield (name, number), scaled(own, core, sample) if method.lasting else Lagged(own, core)


def _fitted(method: Method, rows: Floats) -> Sequence[Core]:
    with warnings.catch_warnings():
        # A library's warning about a poor fit shows in the sensitivity of the candidate.
        warnings.simplefilter("ignore", UserWarning)
        return method.fit(rows)


def _rows(windows: Windows, used: Bools, frame: WindowFrame) -> Floats:
    """Training rows of a core: each window's newest sub-window, and all where a segment begins."""
    begins = used & (
        np.diff(windows.ends, prepend=windows.ends[0] - 2 * windows.step) > windows.step
    )
    every = frame.rows(windows.values[begins])
    older = every.reshape(-1, len(frame.recency), *every.shape[1:])[:, :-1]
    newest = frame.rows(windows.values[used, -frame.lag :])
    return np.concatenate((older.reshape(-1, *every.shape[1:]), newest))


def _separate(windows: Windows, held: Times, lag: int) -> Bools:
    """Marks windows whose newest sub-window shares no row with the held-out windows."""
    ends, length = windows.ends, windows.values.shape[1]
    first = ends[held[0]] - (length - 1) * windows.period
    last = ends[held[-1]] + (lag - 1) * windows.period
    return np.asarray((ends < first) | (ends > last), dtype=np.bool_)


def _with_labels(candidate: Candidate, faulty: Floats) -> Candidate:
    detected = candidate.model.score(faulty)[0] > candidate.calibration.threshold()
    return candidate._replace(sensitivity=float(detected.mean()), seen={})


def _candidate(method: str, model: Lagged, parts: Sequence[_Part], windows: Windows) -> Candidate:
    scores, contributions = (np.concatenate(each) for each in list(zip(*parts, strict=True))[:2])
    calibration = _calibrated(scores, model, windows)
    over = np.concatenate([part.faulty for part in parts], axis=1) > calibration.threshold()
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
