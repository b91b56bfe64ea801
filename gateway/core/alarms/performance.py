"""How good the alarms of a time span were: the figures of ISA-18.2 and EEMUA 191. Pure.

The recommended values are those on which public guides to ANSI/ISA-18.2-2016 and IEC 62682:2014
agree: about 6 alarms an hour, at most 10 in ten minutes, less than 1 % of the time in flood, no
chattering alarm, fewer than five that are active for a day, the ten most frequent no more than 5 %
of all, and severities of about 80, 15 and 5 %. Chattering is three activations within a minute, as
is usual; the standard gives no number.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from gateway.api.model import SECOND, Nanos
from gateway.core.alarms.condition import CHATTERING, CHATTERING_SPAN
from gateway.core.alarms.flood import BEGINS_ABOVE, ENDS_BELOW, SPAN

HOUR, DAY = 3600 * SECOND, 86_400 * SECOND
STALE = DAY
TOP = 10


@dataclass(frozen=True, slots=True)
class Entry:
    """One transition of the journal, as far as the figures need it."""

    at: Nanos
    id: str
    alarm: str
    """Detector and alarm, as 'guard.flow.high'."""
    transition: str
    severity: str
    is_hidden: bool = False
    verdict: str = ""


@dataclass(frozen=True)
class Performance:
    """The figures of a time span."""

    start: Nanos
    end: Nanos
    alarms: int
    per_hour: float
    most_in_ten_minutes: int
    flood_share: float
    """The share of the time that was a flood, 0 to 1."""
    floods: int
    chattering: Sequence[str]
    stale: Sequence[str]
    """Alarms that were active for more than a day."""
    standing: int
    """Alarms that are active at the end."""
    top: Sequence[tuple[str, int]]
    top_share: float
    severities: Mapping[str, float]
    """The share of each severity, 0 to 1."""
    acknowledged: int
    median_acknowledgement: float | None
    """Seconds from the activation to the acknowledgement; None if there was none."""
    verdicts: Mapping[str, int] = field(default_factory=dict)


def performance(entries: Iterable[Entry], start: Nanos, end: Nanos) -> Performance:
    """The figures of [start, end) ns from all transitions up to its end, in order of time."""
    rows = [entry for entry in entries if entry.at < end]
    raised = [e for e in rows if e.transition == "raised" and e.at >= start and not e.is_hidden]
    counts = Counter(entry.alarm for entry in raised)
    top = counts.most_common(TOP)
    floods = _floods([entry.at for entry in raised], start, end)
    spans = _active_spans(rows, end)
    waits = _acknowledgements(rows, start)
    total = len(raised)
    return Performance(
        start=start,
        end=end,
        alarms=total,
        per_hour=total / max((end - start) / HOUR, 1e-9),
        most_in_ten_minutes=_most([entry.at for entry in raised]),
        flood_share=sum(b - a for a, b in floods) / max(end - start, 1),
        floods=len(floods),
        chattering=_chattering(raised),
        stale=sorted({a for a, (b, e, _) in spans if e - b > STALE and e > start}),
        standing=sum(still for _, (_, _, still) in spans),
        top=top,
        top_share=sum(n for _, n in top) / total if total else 0.0,
        severities={s: n / total for s, n in Counter(e.severity for e in raised).items()},
        acknowledged=len(waits),
        median_acknowledgement=median(waits) / SECOND if waits else None,
        verdicts=Counter(e.verdict for e in rows if e.verdict and e.at >= start),
    )


def _most(times: Sequence[Nanos]) -> int:
    """The most alarms in any ten minutes."""
    most = first = 0
    for last, at in enumerate(times):
        while times[first] <= at - SPAN:
            first += 1
        most = max(most, last - first + 1)
    return most


def _floods(times: Sequence[Nanos], start: Nanos, end: Nanos) -> list[tuple[Nanos, Nanos]]:
    """The floods as (begin, end): above ten in ten minutes until fewer than five."""
    changes = sorted([(at, 1) for at in times] + [(at + SPAN, -1) for at in times])
    floods, count, since = list[tuple[Nanos, Nanos]](), 0, -1
    for at, change in changes:
        count += change
        if since < 0 and count > BEGINS_ABOVE:
            since = at
        elif since >= 0 and count < ENDS_BELOW:
            floods.append((since, min(at, end)))
            since = -1
    return [*floods, (since, end)] if since >= start else floods


def _chattering(raised: Sequence[Entry]) -> list[str]:
    times = defaultdict[str, list[Nanos]](list)
    for entry in raised:
        times[entry.alarm].append(entry.at)
    return sorted(
        alarm
        for alarm, each in times.items()
        if any(
            last - first <= CHATTERING_SPAN
            for first, last in zip(each, each[CHATTERING - 1 :], strict=False)
        )
    )


def _active_spans(rows: Sequence[Entry], end: Nanos) -> list[tuple[str, tuple[Nanos, Nanos, bool]]]:
    """Each activation: its alarm, from when to when, and whether it still is active."""
    begun, spans = dict[str, Nanos](), list[tuple[str, tuple[Nanos, Nanos, bool]]]()
    for entry in rows:
        if entry.transition == "raised":
            begun[entry.alarm] = entry.at
        elif entry.transition in ("returned", "suppressed") and entry.alarm in begun:
            spans.append((entry.alarm, (begun.pop(entry.alarm), entry.at, False)))
    return spans + [(alarm, (at, end, True)) for alarm, at in begun.items()]


def _acknowledgements(rows: Sequence[Entry], start: Nanos) -> list[Nanos]:
    """How long each acknowledged alarm waited."""
    opened = {entry.id: entry.at for entry in rows if entry.transition == "raised"}
    return [
        entry.at - opened[entry.id]
        for entry in rows
        if entry.transition == "acknowledged" and entry.at >= start and entry.id in opened
    ]
