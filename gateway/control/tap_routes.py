"""GET /tap/TOPIC?glob=PATTERN: what flows through the line as JSON objects, one a row.

404 if the pattern matches no name of the topic: nothing would ever come.

The stream goes on until the client leaves, or takes nothing for a while (connections.py). An empty
row is sent when nothing flows, so that a client who has gone is noticed.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import translate
from typing import Any

import numpy as np
from aiohttp import web

from gateway.api.alarms import Alarm, Alert
from gateway.api.model import Nanos, Quality, SampleBatch, Score, Tag, Window, WindowSpec
from gateway.api.nearest import nearest
from gateway.control.arguments import query
from gateway.control.connections import Connection
from gateway.control.errors import BadRequest
from gateway.control.turns import TURNS
from gateway.telemetry.status import alert_facts
from gateway.telemetry.tap import TOPICS, Tap

ROWS = 2_000
"""The most samples of one tick that are sent; the rest is counted as dropped."""
LONGEST_GLOB = 200

Facts = Mapping[str, Any]
Wanted = frozenset[str]
"""The names that a pattern selects."""


def _samples(
    item: tuple[Nanos, SampleBatch, Mapping[int, str]], names: Wanted, tags: Sequence[Tag]
) -> Iterator[Facts]:
    arrived, batch, wrong_times = item
    wanted = np.array([tag.name in names for tag in tags], dtype=np.bool_)
    rows = np.flatnonzero(wanted[batch.tag])
    for row in rows[:ROWS]:
        value, quality = float(batch.value[row]), batch.quality[row]
        tag = tags[int(batch.tag[row])]
        reasons = wrong_times if quality == Quality.GOOD else batch.reasons
        yield {
            "at": int(batch.at[row]),
            "tag": tag.name,
            "value": value if np.isfinite(value) else None,
            "unit": tag.unit,
            "quality": Quality(int(quality)).name.lower(),
            "reason": reasons.get(int(batch.tag[row]), ""),
            "arrived": arrived,
        }
    if len(rows) > ROWS:
        yield {"dropped": len(rows) - ROWS}


def _windows(
    item: Mapping[str, tuple[WindowSpec, Sequence[Window]]], names: Wanted, _tags: Sequence[Tag]
) -> Iterator[Facts]:
    for detector, (spec, windows) in item.items():
        for window in windows if detector in names else ():
            yield {
                "at": window.end,
                "detector": detector,
                "start": window.start,
                "rows": len(window.values),
                "coverage": round(window.coverage, 4),
                "last": dict(zip(spec.tags, _numbers(window.values[-1]), strict=True)),
            }


def _scores(
    item: tuple[str, WindowSpec, Sequence[Alarm], Sequence[Score]],
    names: Wanted,
    _tags: Sequence[Tag],
) -> Iterator[Facts]:
    detector, spec, alarms, scores = item
    for score in scores if detector in names else ():
        contribution = score.contribution
        yield {
            "at": score.at,
            "detector": detector,
            "values": {a.name: v for a, v in zip(alarms, _numbers(score.values), strict=True)},
            "thresholds": {alarm.name: alarm.threshold for alarm in alarms},
            "beyond": [
                a.name for a, v in zip(alarms, score.values, strict=True) if a.exceeded_by(v)
            ],
            "contribution": None
            if contribution is None
            else dict(zip(spec.tags, _numbers(contribution), strict=True)),
            "coverage": round(score.coverage, 4),
            "blind": score.blind,
            "idle": score.idle,
            "model": score.model,
        }


def _alerts(alert: Alert, names: Wanted, _tags: Sequence[Tag]) -> Iterator[Facts]:
    if f"{alert.detector}.{alert.alarm}" in names:
        yield alert_facts(alert)


def _numbers(values: Any) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


_FACTS: Mapping[str, Callable[[Any, Wanted, Sequence[Tag]], Iterator[Facts]]] = {
    "samples": _samples,
    "windows": _windows,
    "scores": _scores,
    "alerts": _alerts,
}


NOUNS = {"samples": "tag", "windows": "detector", "scores": "detector", "alerts": "alarm"}
"""What a pattern selects, by topic."""


def _selected(glob: str, topic: str, names: Mapping[str, Sequence[str]]) -> Wanted:
    """What the pattern selects; HTTPNotFound if that is no name of the topic."""
    if len(glob) > LONGEST_GLOB:
        raise BadRequest(f"glob is longer than {LONGEST_GLOB} characters")
    noun = NOUNS[topic]
    # Not fnmatchcase, which keeps 32,768 patterns.
    fits = re.compile(translate(glob)).match
    selected = frozenset(filter(fits, names[noun]))
    if not selected:
        raise web.HTTPNotFound(text=f"no {noun} matches {glob!r}: {nearest(glob, names[noun])}")
    return selected


def routes(
    tap: Tap, tags: Sequence[Tag], alarms: Mapping[str, Sequence[str]]
) -> list[web.RouteDef]:
    """/tap/TOPIC?glob=PATTERN: JSON objects, one a line, until the subscriber goes.

    `alarms` are the names of each detector's alarms.
    """
    names = {
        "tag": [tag.name for tag in tags],
        "detector": list(alarms),
        "alarm": [f"{name}.{alarm}" for name, own in alarms.items() for alarm in own],
    }

    async def stream(request: web.Request) -> web.StreamResponse:
        topic, glob = request.match_info["topic"], query(request, glob="*")["glob"]
        if topic not in TOPICS:
            raise web.HTTPNotFound(text=f"no topic {topic[:50]}: choose one of {', '.join(TOPICS)}")
        # Looking for what was meant among 10,000 names takes long.
        wanted = await asyncio.to_thread(_selected, glob, topic, names)
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        connection = request.protocol
        # A client that leaves is not an error.
        with tap.subscribe(topic) as subscriber, contextlib.suppress(ConnectionError):
            if isinstance(connection, Connection):
                connection.stream(on_end=subscriber.end)
            await response.prepare(request)
            while not subscriber.ended:
                item, dropped = await subscriber.get()
                async with request.app[TURNS].turn(request):
                    facts = [] if item is None else list(_FACTS[topic](item, wanted, tags))
                    if dropped:
                        facts.insert(0, {"dropped": dropped})
                    lines = "".join(f"{json.dumps(fact)}\n" for fact in facts)
                if lines or item is None:
                    await response.write((lines or "\n").encode())
                # A write that need not wait lets no other task run, and much may be waiting here.
                await asyncio.sleep(0)
                if isinstance(connection, Connection):
                    connection.extend()
        return response

    return [web.get("/tap/{topic}", stream)]
