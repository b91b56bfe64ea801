"""The rows that `andon top` shows, from the daemons' answers (pure).

Promises
- What is wrong comes first, and each state is a word: colours only repeat it.
- The rows are bounded: of many tags the first, and a count of the others.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from gateway.api.alarms import AlarmState, Severity
from gateway.api.durations import spell_age
from gateway.api.model import Nanos
from gateway.top.facts import (
    Facts,
    amount,
    clock,
    count,
    each,
    figure,
    first_tags,
    moment,
    of,
    texts,
    words,
)

SEVERITIES = [str(severity) for severity in Severity]
STATES = {
    AlarmState.UNACKNOWLEDGED: "unack",
    AlarmState.ACKNOWLEDGED: "acked",
    AlarmState.RETURNED_UNACKNOWLEDGED: "returned",
    AlarmState.LATCHED_UNACKNOWLEDGED: "latched",
    AlarmState.LATCHED_ACKNOWLEDGED: "latched, acked",
    AlarmState.SHELVED: "shelved",
    AlarmState.SUPPRESSED: "suppressed",
    AlarmState.OUT_OF_SERVICE: "out of service",
}
ASIDE = (AlarmState.SHELVED, AlarmState.SUPPRESSED, AlarmState.OUT_OF_SERVICE)
MOST_TAGS = 200
MOST_ALARMS = 500
FINE = ("ok", "up", "fresh", "idle")


class Row(NamedTuple):
    """One row of a table: what it is about, its cells, and how much it matters."""

    line: str
    key: str
    cells: tuple[str, ...]
    weight: str = ""
    """A severity, "wrong", or empty for what is as it should be."""


class Line(Protocol):
    """What is needed of a watched line."""

    name: str
    status: Facts
    alarms: list[Facts]
    journal: list[Facts]
    no_journal: str
    since: Nanos
    answered_at: Nanos
    why: str


def headline(line: Line, now: Nanos) -> str:
    """One line in one sentence: its health, its alarms, and whether it answers."""
    if not line.since:
        return f"{line.name}: asking its daemon"
    if line.why:
        seen = f"; below is what was known at {moment(line.answered_at, now)}"
        since = moment(line.since, now)
        return f"{line.name}: NO ANSWER since {since}, {line.why}{seen if line.answered_at else ''}"
    status = line.status
    shown = [alarm for alarm in line.alarms if words(alarm, "state") not in ASIDE]
    alarms = f"{len(shown)} alarm{'' if len(shown) == 1 else 's'}" if shown else "no alarm"
    up = ((amount(status, "now") or 0) - (amount(status, "started") or 0)) / 1e9
    running = f", up {spell_age(up)}" if up > 0 else ""
    upkeep = of(status.get("maintenance"))
    note = f", MAINTENANCE by {words(upkeep, 'by') or '–'}" if upkeep.get("on") is True else ""
    return f"{line.name}: {words(status, 'health') or '–'}, {alarms}{note}{running}"


def alarm_rows(lines: Sequence[Line], now: Nanos) -> list[Row]:
    """The alarms of all lines: severity, state, since, message, tags."""
    every = [(line.name, alarm) for line in lines for alarm in line.alarms]
    every.sort(key=lambda pair: _urgency(pair[1]))
    return [_alarm_row(name, alarm, now) for name, alarm in every[:MOST_ALARMS]]


def _urgency(alarm: Facts) -> tuple[bool, int, bool, float]:
    state, severity = words(alarm, "state"), words(alarm, "severity")
    rank = SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)
    seen = state in (AlarmState.ACKNOWLEDGED, AlarmState.LATCHED_ACKNOWLEDGED)
    return state in ASIDE, -rank, seen, -(amount(alarm, "opened_at") or 0)


def _alarm_row(line: str, alarm: Facts, now: Nanos) -> Row:
    state, severity = words(alarm, "state"), words(alarm, "severity")
    known = {str(each): short for each, short in STATES.items()}
    cells = (
        severity or "–",
        known.get(state, state or "–"),
        clock(alarm, "opened_at", now),
        words(alarm, "message"),
        ", ".join(first_tags(alarm)),
    )
    weight = "" if state in ASIDE else severity if severity in SEVERITIES else "wrong"
    return Row(line, words(alarm, "id"), cells, weight)


def tag_rows(lines: Sequence[Line]) -> list[Row]:
    """The tags of all lines: name, value, state, age, reason; those that are not fresh first."""
    rows = [_tag_row(line.name, tag) for line in lines for tag in each(line.status, "tags")]
    return sorted(rows, key=lambda row: row.weight == "")


def bounded(rows: list[Row], most: int = MOST_TAGS) -> list[Row]:
    """The first rows, and how many were left out."""
    if len(rows) <= most:
        return rows
    left_out = f"and {len(rows) - most:,} more: andon status --all"
    return [*rows[:most], Row("", "", (left_out, *[""] * (len(rows[0].cells) - 1)))]


def _tag_row(line: str, tag: Facts) -> Row:
    name, state = words(tag, "tag"), words(tag, "state")
    spelt, value = words(tag, "name"), figure(amount(tag, "value"), words(tag, "unit"))
    cells = (
        name,
        f"{value} ({spelt})" if spelt else value,
        state.replace("_", " ") or "–",
        spell_age(amount(tag, "age_s")),
        words(tag, "reason"),
    )
    return Row(line, name, cells, _weight(state))


def state_rows(lines: Sequence[Line], now: Nanos) -> list[Row]:
    """Sources, detectors, sinks, buffer and history of all lines; what is wrong first."""
    rows = [row for line in lines for row in _states(line, now)]
    return sorted(rows, key=lambda row: row.weight == "")


def _states(line: Line, now: Nanos) -> Iterator[Row]:
    status = line.status
    for why in texts(status, "not_ready")[:5]:
        yield Row(line.name, why, ("line", "not ready", why), "wrong")
    for source in each(status, "sources"):
        state = "up" if source.get("up") is True else "down"
        newest = amount(source, "age_s")
        last = "no sample yet" if newest is None else f"newest sample {spell_age(newest)} ago"
        yield _part(line, "source", source, state, words(source, "error") or last)
    for detector in each(status, "detectors"):
        state = words(detector, "state") or "–"
        yield _part(
            line, "detector", detector, state, words(detector, "reason") or _score(detector)
        )
    for sink in each(status, "sinks"):
        state = "up" if sink.get("up") is True else "down"
        sent = f"last sent {clock(sink, 'last_success_at', now)}"
        yield _part(line, "sink", sink, state, words(sink, "error") or sent)
    yield from _stores(line, now)


def _part(line: Line, kind: str, facts: Facts, state: str, detail: str) -> Row:
    name = f"{kind} {words(facts, 'name')}"
    return Row(line.name, name, (name, state, detail), _weight(state))


def _score(detector: Facts) -> str:
    score, threshold = amount(detector, "score"), amount(detector, "threshold")
    if score is None or threshold is None:
        return f"{count(detector, 'scored'):,} windows"
    return f"score {figure(score)}, threshold {figure(threshold)}"


def _stores(line: Line, now: Nanos) -> Iterator[Row]:
    buffer, history = of(line.status.get("buffer")), of(line.status.get("history"))
    if buffer:
        waiting = sum(count(buffer, kind) for kind in ("alerts", "summaries", "gateway", "clips"))
        since = f" since {clock(buffer, 'oldest_at', now)}" if waiting else ""
        lost = count(buffer, "dropped")
        why = "; ".join(texts(buffer, "given_up_why")) or (f"{lost:,} given up" if lost else "")
        kept = f"{waiting:,} points wait{since}, {_megabytes(buffer)}"
        yield _store(line, "buffer", "losing" if why else "ok", f"{kept}; {why}" if why else kept)
    if history:
        why = words(history, "error")
        kept = f"{_megabytes(history)} since {clock(history, 'oldest_at', now)}"
        yield _store(line, "history", "failing" if why else "ok", why or kept)


def _store(line: Line, name: str, state: str, detail: str) -> Row:
    return Row(line.name, name, (name, state, detail), _weight(state))


def _megabytes(facts: Facts) -> str:
    return f"{count(facts, 'bytes') / 1e6:,.1f} MB"


def _weight(state: str) -> str:
    return "" if state in FINE else "wrong"


def journal_rows(lines: Sequence[Line], now: Nanos) -> list[Row]:
    """The newest entries of the journals of all lines: time, what, who, words."""
    every = [(line.name, entry) for line in lines for entry in line.journal]
    every.sort(key=lambda pair: -(amount(pair[1], "recorded_at") or amount(pair[1], "at") or 0))
    rows = [_entry_row(name, entry, now) for name, entry in every]
    without = [line for line in lines if line.no_journal]
    return rows + [Row(line.name, "", ("–", "", "", line.no_journal)) for line in without]


def _entry_row(line: str, entry: Facts, now: Nanos) -> Row:
    what = words(entry, "transition") or words(entry, "kind")
    said = words(entry, "message") or words(entry, "reason")
    cells = (clock(entry, "at", now), what, words(entry, "by"), said)
    return Row(line, f"{count(entry, 'seq')}", cells)
