"""The figures of a time span beside the values that the standards recommend. Pure.

The values of ANSI/ISA-18.2-2016 and IEC 62682:2014 are those of their clause 16, for one operator;
those of EEMUA 191 are of its edition 4. Where no standard gives a number, the figure has none. A
time span of less than an hour is not rated by what is meant for hours.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.api.wording import counted
from gateway.core.alarms.flood import BEGINS_ABOVE, SPAN
from gateway.core.alarms.performance import HOUR, Entry, Performance

ISA = "ISA-18.2, IEC 62682: 16"
EEMUA = "EEMUA 191"
BUSY_HOUR = 30


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: its value, the recommended one, and whether it is met."""

    name: str
    value: str
    recommended: str
    is_met: bool | None
    """None where nothing is recommended, or nothing can be judged."""
    source: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a report shows of a time span."""

    of: Performance
    hours: Sequence[int]
    """Alarms raised in each hour from the start on; the last one may be shorter."""
    figures: Sequence[Figure]


def report(entries: Sequence[Entry], of: Performance) -> Report:
    """The report of these transitions, of which `of` are the figures."""
    times = [
        e.at - of.start
        for e in entries
        if e.transition == "raised" and of.start <= e.at < of.end and not e.is_hidden
    ]
    hours = _per(times, HOUR, of.end - of.start)
    return Report(of, hours, _figures(of, hours, _per(times, SPAN, of.end - of.start)))


def _per(times: Sequence[int], each: int, whole: int) -> list[int]:
    counts = Counter(at // each for at in times)
    return [counts[number] for number in range(-(-whole // each))]


def _figures(of: Performance, hours: Sequence[int], tens: Sequence[int]) -> list[Figure]:
    busy = _share(hours, lambda n: n > BUSY_HOUR)
    full = _share(tens, lambda n: n > BEGINS_ABOVE)
    rate, is_long = of.per_hour, of.end - of.start >= HOUR
    return [
        Figure(
            "alarms an hour, on average",
            f"{rate:.2f}",
            "about 6, at most 12",
            rate <= 6 if is_long else None,
            ISA,
        ),
        Figure(
            "most alarms in 10 minutes",
            f"{of.most_in_ten_minutes}",
            "at most 10",
            of.most_in_ten_minutes <= BEGINS_ABOVE,
            f"{ISA}; {EEMUA}",
        ),
        Figure(
            "hours with more than 30 alarms",
            _percent(busy),
            "less than 1 %",
            busy < 0.01 if is_long else None,
            ISA,
        ),
        Figure(
            "periods of 10 minutes with more than 10 alarms",
            _percent(full),
            "less than 1 %",
            full < 0.01 if is_long else None,
            ISA,
        ),
        Figure(
            "time in an alarm flood",
            f"{_percent(of.flood_share)} in {counted(of.floods, 'flood')}",
            "less than 1 %",
            of.flood_share < 0.01 if is_long else None,
            ISA,
        ),
        Figure(
            "chattering alarms",
            f"{len(of.chattering)}",
            "none",
            not of.chattering,
            f"{ISA}; 3 in a minute: usual practice",
        ),
        Figure(
            "stale alarms (active for more than a day)",
            f"{len(of.stale)}",
            "fewer than 5 on any day",
            len(of.stale) < 5,
            ISA,
        ),
        Figure(
            "standing alarms (active at the end)",
            f"{of.standing}",
            "fewer than 10",
            of.standing < 10,
            EEMUA,
        ),
        Figure(
            "share of the ten most frequent",
            _percent(of.top_share),
            "1 to 5 %",
            # Of few alarms the ten most frequent are nearly all.
            of.top_share <= 0.05 if of.alarms >= 1_000 else None,
            ISA,
        ),
        *_severities(of),
        Figure("time to acknowledge, median", _wait(of), "", None, ""),
        Figure("verdicts of people", _verdicts(of), "", None, ""),
    ]


def _severities(of: Performance) -> list[Figure]:
    wanted = {"low": "about 80 %", "medium": "about 15 %", "high": "about 5 %"}
    wanted["critical"] = "less than 1 %"
    return [
        Figure(
            f"share of severity {name}",
            _percent(of.severities.get(name, 0.0)),
            recommended,
            # About 80, 15 and 5 % is a shape, and no limit; that of the highest is one. Of few
            # alarms a single one is more.
            of.severities.get(name, 0.0) < 0.01 if name == "critical" and of.alarms > 100 else None,
            ISA,
        )
        for name, recommended in wanted.items()
    ]


def _share(counts: Sequence[int], is_over: Callable[[int], bool]) -> float:
    return sum(map(is_over, counts)) / max(len(counts), 1)


def _percent(share: float) -> str:
    return "less than 0.1 %" if 0 < share < 0.0005 else f"{share * 100:.1f} %"


def _wait(of: Performance) -> str:
    if of.median_acknowledgement is None:
        return "none was acknowledged"
    minutes = of.median_acknowledgement / 60
    return f"{minutes:.1f} min, of {counted(of.acknowledged, 'alarm')}"


def _verdicts(of: Performance) -> str:
    return ", ".join(f"{n} {verdict}" for verdict, n in sorted(of.verdicts.items())) or "none"
