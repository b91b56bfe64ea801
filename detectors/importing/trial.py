"""Trial of an imported model: does its score rise, and can an alarm be raised, if a tag is wrong?

Promises
- Held-out normal windows are disturbed one tag at a time, as in the training of a model of ours:
  shifts, a jump in the newest row or half, noise, a standstill; and all tags together.
- A model that could never raise an alarm, whose score falls where it should rise, or that returns
  no number for a disturbed window, is refused with what would be right.
- Tags that the score does not react to are named.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from detectors.bundle.model import Model
from gateway.api.model import Bools, Floats

SIZES = (3.0, 8.0)
"""Shifts in standard deviations of the tag: a clear one, and a gross one."""
EXAMPLES = 20
MAX_RUNS = 4000
"""Most disturbed windows, which bounds the time: fewer examples with many tags."""
LEAST_EXAMPLES = 3
FALLS = 2.0
"""The score goes the wrong way if so many times more windows fall out of the normal range as rise
out of it."""
LEAST_FALLEN = 0.1
MOSTLY = 0.7
"""Share of disturbed windows that score lower than without their disturbance."""
NOISE = 3.0
"""Standard deviation of the added noise, in that of the tag."""


class Disturbance(StrEnum):
    """Kind of a disturbance."""

    SHIFT = "shifts"
    JUMP = "jumps"
    NOISE = "noise"
    STANDSTILL = "standstills"


@dataclass(frozen=True, slots=True)
class ImportTrial:
    """Scores of disturbed windows; `scores` float64[variant, example, tag], `normal` held-out.

    `together`: float64[window], all tags shifted at once by the largest size.
    """

    tags: Sequence[str]
    kinds: Sequence[Disturbance]
    """Kind of each variant."""
    originals: Floats
    """Scores float64[example] without a disturbance."""
    scores: Floats
    together: Floats
    normal: Floats
    threshold: float

    @property
    def every(self) -> Floats:
        """All scores of disturbed windows."""
        return np.concatenate((self.scores.ravel(), self.together))

    @property
    def raised(self) -> float:
        """Share of the disturbed windows above the threshold."""
        return float((self.every > self.threshold).mean())

    @property
    def share_of_kind(self) -> dict[str, float]:
        """Share above the threshold for each kind of disturbance."""
        over = self.scores > self.threshold
        return {
            kind: float(over[[each is kind for each in self.kinds]].mean())
            for kind in dict.fromkeys(self.kinds)
        }

    @property
    def above(self) -> float:
        """Share of the disturbed windows that score higher than every normal window."""
        return float((self.every > self.normal.max()).mean())

    @property
    def below(self) -> float:
        """Share of the disturbed windows that score lower than every normal window."""
        return float((self.every < self.normal.min()).mean())

    @property
    def falls(self) -> bool:
        """Whether the score falls where something is wrong."""
        leaves_downwards = self.below >= LEAST_FALLEN and self.below > FALLS * self.above
        lower = float((self.scores < self.originals[:, None]).mean())
        return leaves_downwards or (not self.raised and lower >= MOSTLY)

    @property
    def ignored(self) -> list[str]:
        """Tags whose disturbances do not change the score at all."""
        tiny = 1e-9 * max(float(np.abs(self.normal).max()), 1e-9)
        change = np.abs(self.scores - self.originals[:, None]).max(axis=(0, 1))
        return self._named(change <= tiny)

    @property
    def silent(self) -> list[str]:
        """Other tags of which no disturbance reaches the threshold."""
        never = self._named(self.scores.max(axis=(0, 1)) <= self.threshold)
        return [tag for tag in never if tag not in self.ignored]

    @property
    def falling(self) -> list[str]:
        """Tags whose disturbances lower the score, while none raises it above the normal."""
        lower = (self.scores < self.normal.min()).mean(axis=(0, 1)) >= LEAST_FALLEN
        higher = self.scores.max(axis=(0, 1)) > self.normal.max()
        return self._named(lower & ~higher)

    def _named(self, which: Bools) -> list[str]:
        return [tag for tag, applies in zip(self.tags, which, strict=True) if applies]


def try_model(
    model: Model, tags: Sequence[str], held_out: Floats, normal: Floats, threshold: float
) -> ImportTrial:
    """Scores disturbed copies of normal windows float64[window, time, tag]."""
    std = held_out[:, -1].std(axis=0)
    std = np.where(std > 0, std, 1.0)
    examples = _examples(held_out, normal)
    variants = list(_variants(examples, std))
    scores = np.stack([_one_tag_at_a_time(model, examples, changed) for _, changed in variants])
    gross = [examples + sign * SIZES[-1] * std for sign in (-1, 1)]
    return ImportTrial(
        tags,
        [kind for kind, _ in variants],
        model.run(examples).score,
        scores,
        model.run(np.concatenate(gross)).score,
        normal,
        threshold,
    )


def _examples(held_out: Floats, normal: Floats) -> Floats:
    """Windows with usual scores, evenly taken."""
    variants = 6 * len(SIZES) + 2
    count = MAX_RUNS // (variants * held_out.shape[2])
    count = min(EXAMPLES, max(LEAST_EXAMPLES, count))
    usual = np.flatnonzero(normal <= np.quantile(normal, 0.9))
    return held_out[usual[:: -(-len(usual) // count)]]


def _variants(examples: Floats, std: Floats) -> Iterator[tuple[Disturbance, Floats]]:
    """All tags disturbed at once, of which one at a time is taken."""
    rows = examples.shape[1]
    for shift in (sign * size * std for size in SIZES for sign in (-1.0, 1.0)):
        yield Disturbance.SHIFT, examples + shift
        for newest in dict.fromkeys((1, rows // 2)) if rows > 1 else ():
            jumped = examples.copy()
            jumped[:, -newest:] += shift
            yield Disturbance.JUMP, jumped
    random = np.random.default_rng(0).normal(size=examples.shape)
    yield Disturbance.NOISE, examples + NOISE * std * random
    if rows > 1:
        yield Disturbance.STANDSTILL, np.broadcast_to(examples[:, :1], examples.shape)


def _one_tag_at_a_time(model: Model, examples: Floats, changed: Floats) -> Floats:
    """Scores float64[example, tag] of the examples with one tag as in `changed`."""
    columns = []
    for tag in range(examples.shape[2]):
        windows = examples.copy()
        windows[:, :, tag] = changed[:, :, tag]
        columns.append(model.run(windows).score)
    return np.stack(columns, axis=1)
