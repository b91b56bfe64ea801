"""Runs a case through the line, and compares what came with what was expected.

Promises
- The case runs through `gateway.line.replay`, and so through all of the line's own code.
- The alarms that tell of missing data, of a source or of a model, count only where the case gives
  all of its tags: the others would be missed in every case.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gateway.api import line_protocol
from gateway.api.model import SECOND, Envelope, Kind, Nanos, Point, SampleBatch
from gateway.cases.file import Case, Cases, Expected
from gateway.cases.notation import MISSING, parse
from gateway.config.load import LineConfig
from gateway.core.drift import DETECTOR as MODELS
from gateway.core.freshness import DETECTOR as DATA
from gateway.line.replay import Replay

START: Nanos = 1_767_225_600 * SECOND
"""2026-01-01T00:00:00Z, where every case begins."""


@dataclass(frozen=True, slots=True)
class Came:
    """An alert that came; `at` is the time since the case's first sample."""

    at: Nanos
    alarm: str
    state: str
    severity: str
    top_tags: Sequence[str]
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one case: the alerts that fit, those that are missing and those that nobody expected."""

    case: Case
    line: int
    fitting: Sequence[Came]
    missing: Sequence[Expected]
    unexpected: Sequence[Came]

    @property
    def is_ok(self) -> bool:
        return not self.missing and not self.unexpected


async def judge(cases: Cases, number: int) -> Verdict:
    """Run one case and compare."""
    case = cases.cases[number]
    points: list[Point] = []

    def take(envelope: Envelope) -> None:
        if envelope.kind is Kind.ALERT:
            points.append(line_protocol.decode(envelope.body))

    samples, length = samples_of(case, cases.config)
    replay = Replay(cases.config, cases.detectors, take)
    await replay.play_samples(START, samples, START + length)
    counted = [came for came in map(_came, points) if _counts(came, case, cases)]
    fitting, missing, unexpected = _compare(counted, case.alerts)
    return Verdict(case, cases.lines[number], fitting, missing, unexpected)


def samples_of(case: Case, config: LineConfig) -> tuple[SampleBatch, Nanos]:
    """All samples in the order of their time, and how long the case is."""
    written = {tag: parse(text) for tag, text in case.samples.items() if isinstance(text, str)}
    steps = max((len(values) for values, _ in written.values()), default=0)
    length = case.length or steps * case.every
    steps = -(-length // case.every)
    for tag, value in case.samples.items():
        if not isinstance(value, str):
            written[tag] = (np.full(steps, float(value)), np.zeros(steps, dtype=np.uint8))
    index = {tag.name: number for number, tag in enumerate(config.tags)}
    parts = [
        SampleBatch(
            np.full(len(values), index[tag], dtype=np.int32),
            START + np.arange(len(values), dtype=np.int64) * case.every,
            values,
            quality,
        )
        for tag, (values, quality) in written.items()
    ]
    return _in_time([part for part in parts if len(part)]), length


def _in_time(parts: Sequence[SampleBatch]) -> SampleBatch:
    whole = SampleBatch.joined(parts)
    order = np.argsort(whole.at, kind="stable")
    return whole.rows(order[whole.quality[order] != MISSING])


def _came(point: Point) -> Came:
    fields, detector = point.fields, point.tags["detector"]
    return Came(
        # The alarm's number is in the nanoseconds of the point, and not in those of the alarm.
        at=(point.at - START) // 1_000_000 * 1_000_000,
        alarm=f"{detector}.{fields['alarm']}",
        state=str(fields["state"]),
        severity=point.tags["severity"],
        top_tags=[tag for tag in str(fields["top_tags"]).split(",") if tag],
        message=str(fields["message"]),
    )


def _counts(came: Came, case: Case, cases: Cases) -> bool:
    kind, _, alarm = came.alarm.partition(".")
    part = alarm.rpartition(".")[0]
    needed = {
        DATA: [tag.name for tag in cases.config.tags_of(part)],
        MODELS: cases.detectors[part].spec.tags if part in cases.detectors else (),
    }
    return all(tag in case.samples for tag in needed.get(kind, ()))


def _compare(
    came: Sequence[Came], expected: Sequence[Expected]
) -> tuple[list[Came], list[Expected], list[Came]]:
    left = list(expected)
    fitting: list[Came] = []
    unexpected: list[Came] = []
    for each in came:
        found = next((wanted for wanted in left if _fits(each, wanted)), None)
        (unexpected if found is None else fitting).append(each)
        if found is not None:
            left.remove(found)
    return fitting, left, unexpected


def _fits(came: Came, wanted: Expected) -> bool:
    top = wanted.top_tags or ()
    return (
        came.at == wanted.at
        and came.alarm == wanted.alarm
        and came.state == wanted.state
        and wanted.severity in (None, came.severity)
        and list(came.top_tags[: len(top)]) == list(top)
    )
