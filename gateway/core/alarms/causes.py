"""Which tags caused an alarm. Pure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gateway.api.alarms import Alarm, TopTag
from gateway.api.model import Floats, Score

TOP = 5
"""The most tags that an alert names."""


def scopes(alarms: Sequence[Alarm], tags: Sequence[str]) -> dict[int, NDArray[np.int64]]:
    """The tags of the alarms with `updates`, by the alarm's place, as indices."""
    index = {tag: number for number, tag in enumerate(tags)}
    return {
        place: np.array([index[tag] for tag in alarm.scope or tags], dtype=np.int64)
        for place, alarm in enumerate(alarms)
        if alarm.updates and alarm.scope is not None
    }


def causes(
    scope: NDArray[np.int64] | None, score: Score, tags: Sequence[str], number: int = -1
) -> dict[str, str]:
    """All tags of a scope that contribute to a score, with their reasons.

    `number` is the alarm's place in its detector.
    """
    contribution = score.contribution_of.get(number, score.contribution)
    if contribution is None or scope is None:
        return {}
    found = scope[contribution[scope] > 0].tolist()
    return {tags[tag]: score.reasons.get(tag, "") for tag in found}


def top_tags(
    alarm: Alarm, score: Score, tags: Sequence[str], number: int = -1
) -> tuple[TopTag, ...]:
    """The tags that caused the alarm, the strongest first, with their shares of the score.

    `number` is the alarm's place in its detector.
    """
    if alarm.tag is not None:
        # Not by a dictionary of all tags: a thousand limits may be passed at once.
        place = tags.index(alarm.tag) if alarm.tag in tags else None
        return (_top(alarm.tag, 1.0, place, score),)
    contribution = score.contribution_of.get(number, score.contribution)
    if contribution is None or alarm.scope is None:
        return ()
    index = {tag: number for number, tag in enumerate(tags)}
    scope = [index[tag] for tag in alarm.scope] if alarm.scope else list(index.values())
    weight = np.nan_to_num(contribution[scope])
    total = weight.sum()
    if total <= 0:
        return ()
    order = [n for n in np.argsort(-weight, kind="stable")[:TOP] if weight[n] > 0]
    return tuple(
        _top(tags[scope[n]], round(float(weight[n] / total), 3), scope[n], score) for n in order
    )


def _top(tag: str, share: float, number: int | None, score: Score) -> TopTag:
    def pick(values: Floats | None) -> float | None:
        if values is None or number is None or not np.isfinite(values[number]):
            return None
        return float(values[number])

    reason = "" if number is None else score.reasons.get(number, "")
    return TopTag(tag, share, pick(score.actual), pick(score.expected), reason)
