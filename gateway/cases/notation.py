"""Samples in a compact notation: `40x5 41+0.5x10 _x3 bad 70`.

Promises
- `40` is a sample, `40x5` five of them, `41+0.5x10` ten that rise by 0.5 from 41, `_` is a missing
  and `bad` a bad sample; each takes one step of time.
- A count is the number of samples: `40x5` are five, whereas in promtool they are six.
"""

import re

import numpy as np

from gateway.api.model import Floats, Qualities, Quality

LONGEST = 1_000_000
"""Samples of one tag in one case."""
_ITEM = re.compile(
    r"(?P<what>_|bad|[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"(?P<step>[+-](?:\d+\.?\d*|\.\d+))?(?:x(?P<count>\d{1,7}))?"
)
_HINT = "write numbers, `_` for missing and `bad`, with counts and steps as in 40x5 41+0.5x10 _x3"


def parse(text: str) -> tuple[Floats, Qualities]:
    """Values float64[step], NaN where missing or bad, and qualities, `MISSING` where missing.

    ValueError names the wrong word.
    """
    words = text.split()
    if not words:
        raise ValueError(f"no samples: {_HINT}")
    parts, count = list[tuple[Floats, Qualities]](), 0
    for word in words:
        parts.append(_item(word))
        count += len(parts[-1][0])
        if count > LONGEST:
            raise ValueError(f"more than {LONGEST:,} samples")
    values, qualities = zip(*parts, strict=True)
    return np.concatenate(values), np.concatenate(qualities)


MISSING = 255
"""Used as the quality of a missing sample."""


def _item(word: str) -> tuple[Floats, Qualities]:
    match = _ITEM.fullmatch(word)
    if match is None:
        raise ValueError(f"{word!r} is not a sample: {_HINT}")
    what, step, count = match["what"], match["step"], int(match["count"] or 1)
    if step and (what in ("_", "bad") or match["count"] is None):
        raise ValueError(f"{word!r}: a step needs a number before it and a count, as in 41+0.5x10")
    if not 0 < count <= LONGEST:
        raise ValueError(f"{word!r}: a count must be 1 to {LONGEST:,}")
    quality = {"_": MISSING, "bad": int(Quality.BAD)}.get(what, int(Quality.GOOD))
    start = float(what) if quality == Quality.GOOD else np.nan
    values = start + float(step or 0) * np.arange(count)
    return np.asarray(values, dtype=np.float64), np.full(count, quality, dtype=np.uint8)
