import gzip

import fakes
import numpy as np
import pytest

from gateway.api.line_protocol import encode
from gateway.api.model import SECOND, Point
from gateway.telemetry.raw_estimate import EVERY, MOST, RawEstimate

TAGS = [fakes.tag(f"temperature_{n}") for n in range(50)]
START = 1_700_000_000 * SECOND


def batches(count, seed=1):
    draw = np.random.default_rng(seed)
    return [
        fakes.batch(START + n * SECOND, *draw.normal(20.0, 1.0, len(TAGS))) for n in range(count)
    ]


def honest(sent):
    """The bytes of a gateway that really sends every sample, 1,000 lines a request."""
    lines = [
        encode(Point("sensor", {"site": "s", "line": "l", "tag": TAGS[tag].name}, {"value": v}, at))
        for batch in sent
        for tag, v, at in zip(batch.tag, batch.value.tolist(), batch.at.tolist(), strict=True)
    ]
    bodies = [b"\n".join(lines[n : n + MOST]) for n in range(0, len(lines), MOST)]
    return sum(len(b) + 1 for b in bodies), sum(len(gzip.compress(b, 6)) for b in bodies)


def test_the_estimate_is_within_two_hundredths_of_really_doing_it():
    raw, sent = RawEstimate(TAGS, "s", "l"), batches(600)
    for n, batch in enumerate(sent):
        raw.note(batch, START + n * SECOND)
    plain, zipped = honest(sent)
    assert raw.plain == pytest.approx(plain, rel=0.02)
    assert raw.zipped == pytest.approx(zipped, rel=0.02)
    assert raw.zipped < raw.plain / 3


def test_samples_without_a_value_would_not_have_been_sent():
    raw = RawEstimate(TAGS, "s", "l")
    for n in range(3):
        raw.note(fakes.batch(START, *[np.nan] * len(TAGS)), START + n * EVERY)
    assert (raw.plain, raw.zipped) == (0, 0)


def test_few_samples_have_a_price_and_a_clock_set_back_does_not_stop_it():
    raw = RawEstimate(TAGS[:1], "s", "l")
    raw.note(fakes.batch(START, 1.0), START)
    short = raw.plain
    assert short > 40
    for n in range(1, 4):
        raw.note(fakes.batch(START, 123456.789), START + n * EVERY)
    for n in range(4):
        # Back in 1970.
        raw.note(fakes.batch(START, 123456.789), n * EVERY)
    assert raw.plain > 8 * short
