"""Runs a case through the line, and compares the actual with the expected alerts.

Promises
- The case runs through `gateway.line.replay`, and so through all of the line's own code.
- Alarms about missing data of a source or a model count only if the case gives all of its tags;
  otherwise every case that leaves tags out would raise them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gateway.api import line_protocol
from gateway.api.alarms import AlarmState, Transition
from gateway.api.model import SECOND, Envelope, Kind, Nanos, Point, SampleBatch
from gateway.cases.file import Case, Cases, ExpectedAlert
from gateway.cases.notation import MISSING, parse
from gateway.config.load import LineConfig
from gateway.core.drift import DETECTOR as MODELS
from gateway.core.freshness import DETECTOR as DATA
from gateway.line.replay import Replay

START: Nanos = 1_767_225_600 * SECOND
"""2026-01-01T00:00:00Z, where every case begins."""


@dataclass(frozen=True, slots=True)
class ActualAlert:
    """An alert that was raised; `at` is the time since the case's first sample."""

    at: Nanos
    alarm: str
    state: str
    severity: str
    top_tags: Sequence[str]
    message: str


@dataclass(frozen=True, slots=True)
class CaseResult:
    """The result of one case: alerts as expected, missing ones and unexpected ones."""

    case: Case
    row: int
    fitting: Sequence[ActualAlert]
    missing: Sequence[ExpectedAlert]
    unexpected: Sequence[ActualAlert]

    @property
    def is_ok(self) -> bool:
        return not self.missing and not self.unexpected


_REPEATED = (Transition.UPDATED, Transition.REALARMED, Transition.ESCALATED)
"""Transitions of an alarm that stays active; a case expects that it is raised and returns."""


async def run_case(cases: Cases, number: int) -> CaseResult:
    """Runs one case and compares its alerts with the expected ones."""
    case = cases.cases[number]
    points: list[Point] = []

    def take(envelope: Envelope) -> None:
        if envelope.kind is Kind.ALERT:
            points.append(line_protocol.decode(envelope.body))

    samples, length = samples_of(case, cases.config)
    replay = Replay(cases.config, cases.detectors, take)
    await replay.play_samples(START, samples, START + length)
    kept = [point for point in points if point.fields["transition"] not in _REPEATED]
    alerts = [alert for alert in map(_actual_alert, kept) if _counts(alert, case, cases)]
    fitting, missing, unexpected = _compare(alerts, case.alerts)
    return CaseResult(case, cases.rows[number], fitting, missing, unexpected)


def samples_of(case: Case, config: LineConfig) -> tuple[SampleBatch, Nanos]:
    """All samples in the order of their time, and the length of the case."""
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
    return _in_order([part for part in parts if len(part)]), length


def _in_order(parts: Sequence[SampleBatch]) -> SampleBatch:
    whole = SampleBatch.joined(parts)
    order = np.argsort(whole.at, kind="stable")
    return whole.rows(order[whole.quality[order] != MISSING])


def _actual_alert(point: Point) -> ActualAlert:
    fields, detector = point.fields, point.tags["detector"]
    return ActualAlert(
        # The point's time below a millisecond holds the alarm's number, not a part of its time.
        at=(point.at - START) // 1_000_000 * 1_000_000,
        alarm=f"{detector}.{fields['alarm']}",
        state=_state(str(fields["state"])),
        severity=point.tags["severity"],
        top_tags=[tag for tag in str(fields["top_tags"]).split(",") if tag],
        message=str(fields["message"]),
    )


def _state(state: str) -> str:
    """As case files have it: without acknowledgements what returned is normal."""
    return "normal" if state == AlarmState.RETURNED_UNACKNOWLEDGED else state


def _counts(alert: ActualAlert, case: Case, cases: Cases) -> bool:
    kind, _, alarm = alert.alarm.partition(".")
    part = alarm.rpartition(".")[0]
    needed = {
        DATA: [tag.name for tag in cases.config.tags_of(part)],
        MODELS: cases.detectors[part].spec.tags if part in cases.detectors else (),
    }
    return all(tag in case.samples for tag in needed.get(kind, ()))


def _compare(
    actual: Sequence[ActualAlert], expected: Sequence[ExpectedAlert]
) -> tuple[list[ActualAlert], list[ExpectedAlert], list[ActualAlert]]:
    missing = list(expected)
    fitting: list[ActualAlert] = []
    unexpected: list[ActualAlert] = []
    for alert in actual:
        match = next((wanted for wanted in missing if _fits(alert, wanted)), None)
        (unexpected if match is None else fitting).append(alert)
        if match is not None:
            missing.remove(match)
    return fitting, missing, unexpected


def _fits(alert: ActualAlert, wanted: ExpectedAlert) -> bool:
    top = wanted.top_tags or ()
    return (
        alert.at == wanted.at
        and alert.alarm == wanted.alarm
        and alert.state == wanted.state
        and wanted.severity in (None, alert.severity)
        and list(alert.top_tags[: len(top)]) == list(top)
    )
