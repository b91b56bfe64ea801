"""One reading of all sources, and one scoring of it: what `andon once` does.

Promises
- Read-only and without a trace: no buffer, no sink, no state folder.
- A source that does not answer in time is named; the others are shown.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from gateway.api.alarms import Transition
from gateway.api.bounds import Bounds
from gateway.api.contracts import ConfigError, Connector, Detector, SourceLost
from gateway.api.masking import mask
from gateway.api.model import Floats, Quality, Score, Tag, Window
from gateway.core.alarms.causes import top_tags
from gateway.core.alarms.words import Occasion, Words


@dataclass(slots=True)
class LastValues:
    """The last value and quality of each tag; NaN and None where nothing came."""

    tags: Sequence[Tag]
    values: dict[str, float] = field(default_factory=dict)
    qualities: dict[str, Quality] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def facts(self) -> list[dict[str, Any]]:
        """Each tag as JSON facts."""
        return [self._fact(tag) for tag in self.tags]

    def _fact(self, tag: Tag) -> dict[str, Any]:
        value, quality = self.values.get(tag.name), self.qualities.get(tag.name)
        usable = value is not None and bool(np.isfinite(value))
        return {
            "tag": tag.name,
            "source": tag.source,
            "unit": tag.unit,
            "value": value if usable else None,
            "name": tag.name_of(value),
            "quality": quality.name.lower() if quality is not None else "never_seen",
        }


async def read_once(
    tags: Sequence[Tag], connectors: Mapping[str, Connector], seconds: float
) -> LastValues:
    """Read until every tag was seen once or `seconds` have passed."""
    last = LastValues(tags)
    await asyncio.gather(*(_read_source(name, c, last, seconds) for name, c in connectors.items()))
    return last


async def _read_source(name: str, connector: Connector, last: LastValues, seconds: float) -> None:
    mine = [tag for tag in last.tags if tag.source == name]
    tags, bounds = [tag.name for tag in mine], Bounds(mine)
    try:
        async with asyncio.timeout(seconds), connector.open() as batches:
            async for each in batches:
                batch = bounds.apply(each)
                for tag, value, quality in zip(batch.tag, batch.value, batch.quality, strict=True):
                    last.values[tags[tag]] = float(value)
                    last.qualities[tags[tag]] = Quality(int(quality))
                if all(tag in last.values for tag in tags):
                    return
    except (SourceLost, ConfigError) as error:
        last.errors[name] = mask(str(error))
    except TimeoutError:
        silent = [tag for tag in tags if tag not in last.values]
        last.errors[name] = f"no value within {seconds:g} s for {', '.join(silent)}"


def score_once(
    name: str, detector: Detector, last: LastValues, words: Words | None = None
) -> dict[str, Any]:
    """What a detector says of one last, as JSON facts; `says` has the sentence of each alarm.

    A detector that cannot judge a single row sees the row held over its whole window; `held` says
    so, since a constant window is not what the model was trained on.
    """
    spec = detector.spec
    row = np.array([last.values.get(tag, np.nan) for tag in spec.tags])
    sparse = np.full((spec.length, len(row)), np.nan)
    sparse[-1] = row
    score = _score(detector, sparse)
    held = bool(score.blind) and spec.length > 1
    if held:
        score = _score(detector, np.tile(row, (spec.length, 1)))
    judged = zip(detector.alarms, score.values, strict=True)
    over = [(alarm, float(value)) for alarm, value in judged if alarm.exceeded_by(value)]
    tops = [top_tags(alarm, score, spec.tags) for alarm, _ in over]
    words = words or Words()
    return {
        "name": name,
        "held_ns": spec.period * spec.length if held else 0,
        "blind": score.blind,
        "idle": score.idle,
        "values": [float(v) if np.isfinite(v) else None for v in score.values],
        "over": [alarm.name for alarm, _ in over],
        "says": [
            words.say(alarm, Transition.RAISED, Occasion(value, top))
            for (alarm, value), top in zip(over, tops, strict=True)
        ],
        "top_tags": [asdict(tag) for tag in words.measured(tops[0] if tops else ())],
    }


def _score(detector: Detector, values: Floats) -> Score:
    spec = detector.spec
    end = spec.period * spec.length
    return detector.score([Window(end, spec.period, values, np.isfinite(values))])[0]
