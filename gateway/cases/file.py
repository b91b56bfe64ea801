"""Reads a file of cases and checks it against the line file that it names.

Promises
- All problems are reported at once, with file, line, column and a hint, as for a line file.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from gateway.api.alarms import AlarmState, Severity
from gateway.api.contracts import Detector
from gateway.api.files import FileUnreadable, look
from gateway.api.model import SECOND, Nanos
from gateway.api.nearest import nearest
from gateway.api.options import Duration, FilePath, PositiveDuration, Strict, format_duration
from gateway.cases import notation
from gateway.config import checks
from gateway.config.build import build_detectors
from gateway.config.document import Document, Where
from gateway.config.load import LineConfig, load
from gateway.config.parse import read
from gateway.config.problems import ConfigProblems, Problem
from gateway.config.site import validated
from gateway.core.alarms.flood import DETECTOR as FLOODS
from gateway.core.alarms.flood import FloodWatch
from gateway.core.device_status import alarms_of
from gateway.core.drift import DETECTOR as MODELS
from gateway.core.drift import ModelHealth
from gateway.core.freshness import DETECTOR as DATA

LONGEST_CASE: Nanos = 31 * 86_400 * SECOND
"""The line ticks once a second, also where a case has no samples."""
MOST_SAMPLES = 10_000_000
"""Samples of the constant tags of one case."""


class ExpectedAlert(Strict):
    """An alert that must be raised; only the given fields are compared."""

    at: Duration
    """The time since the first sample of the case."""
    alarm: str
    """Detector and alarm, as in guard.oil_pressure.low."""
    state: AlarmState = AlarmState.UNACKNOWLEDGED
    """unacknowledged is a raised alarm, normal one that returned, suppressed_by_design one whose
    machine was stopped. There are no acknowledgements in a case."""
    severity: Severity | None = None
    """low, medium, high or critical."""
    top_tags: list[str] | None = None
    """The tags named first as its cause, in this order."""


class Case(Strict):
    """Samples of some tags, and the alerts that they must raise."""

    name: str
    """What the case shows, in words."""
    every: PositiveDuration = SECOND
    """The time from one sample to the next."""
    length: PositiveDuration | None = None
    """The length of the case; if not given, to the end of the longest samples."""
    samples: Annotated[dict[str, float | str], Field(min_length=1)]
    """By tag: a constant number, or samples as in 40x5 41+0.5x10 _x3 bad."""
    alerts: list[ExpectedAlert]
    """All alerts that must be raised, [] for none."""


class CasesFile(Strict):
    """Cases for one line file."""

    version: Literal[1]
    line: FilePath
    """The line file, relative to this one."""
    cases: Annotated[list[Case], Field(min_length=1)]
    """The cases, run one by one."""


@dataclass(frozen=True)
class Cases:
    """Checked cases; `rows` holds the position of each in the file, counted from 1."""

    path: Path
    cases: Sequence[Case]
    rows: Sequence[int]
    config: LineConfig
    detectors: Mapping[str, Detector]


def load_cases(path: Path) -> Cases:
    """The checked cases; ConfigProblems lists everything wrong with them or their line file."""
    document = read(path)
    if too_new := checks.version(document):
        raise ConfigProblems(too_new)
    file, problems = validated(document, CasesFile)
    if file is None:
        raise ConfigProblems(problems)
    line = path.parent / file.line
    try:
        look(line)
    except FileUnreadable as error:
        raise ConfigProblems([document.unreadable(("line",), error)]) from error
    config = load(line)
    detectors = build_detectors(config)
    flaws = [p for n, case in enumerate(file.cases) for p in _flaws(document, n, case, config)]
    flaws += _unknown_alarms(document, file.cases, config, detectors)
    if flaws:
        raise ConfigProblems(flaws)
    rows = [document.mark(("cases", number))[0] for number in range(len(file.cases))]
    return Cases(path, file.cases, rows, config, detectors)


def _flaws(document: Document, number: int, case: Case, config: LineConfig) -> Iterator[Problem]:
    known, longest = [tag.name for tag in config.tags], 0
    for tag, samples in case.samples.items():
        where: Where = ("cases", number, "samples", tag)
        if tag not in known:
            yield document.problem(where, f"the line has no tag {tag}", nearest(tag, known))
        if isinstance(samples, str):
            try:
                longest = max(longest, len(notation.parse(samples)[0]))
            except ValueError as error:
                yield document.problem(where, str(error), at="value")
    yield from _too_long(document, number, case, case.length or longest * case.every)
    if case.length is None and not any(isinstance(s, str) for s in case.samples.values()):
        hint = "add `length`, or write one tag's samples with a count, as in 40x60"
        yield document.problem(("cases", number), "the length of the case is unknown", hint)


def _too_long(document: Document, number: int, case: Case, length: Nanos) -> Iterator[Problem]:
    """What would run for hours, or need more memory than a test should."""
    where: Where = ("cases", number, "every" if case.length is None else "length")
    if length > LONGEST_CASE:
        hint = f"a case lasts at most {format_duration(LONGEST_CASE)}"
        yield document.problem(where, "the case is too long to be played", hint, at="value")
    steps = -(-length // case.every)
    constant = sum(not isinstance(samples, str) for samples in case.samples.values())
    if steps > notation.LONGEST or steps * constant > MOST_SAMPLES:
        message = f"{steps:,} samples of each constant tag, one every {format_duration(case.every)}"
        hint = f"at most {notation.LONGEST:,} of a tag, and {MOST_SAMPLES:,} in all"
        yield document.problem(where, message, hint, at="value")


def _unknown_alarms(
    document: Document,
    cases: Sequence[Case],
    config: LineConfig,
    detectors: Mapping[str, Detector],
) -> Iterator[Problem]:
    known = [f"{name}.{alarm.name}" for name, d in detectors.items() for alarm in d.alarms]
    for source in config.sources:
        known += [f"{DATA}.{alarm.name}" for alarm in alarms_of(source, config.tags_of(source))]
    health = ModelHealth(detectors, [tag.name for tag in config.tags])
    known += [f"{MODELS}.{alarm.name}" for alarm in health.alarms]
    known += [f"{FLOODS}.{alarm.name}" for alarm in FloodWatch.alarms]
    for number, case in enumerate(cases):
        for at, expected in enumerate(case.alerts):
            if expected.alarm not in known:
                where = ("cases", number, "alerts", at, "alarm")
                message = f"the line has no alarm {expected.alarm}"
                yield document.problem(where, message, nearest(expected.alarm, known), at="value")
