"""What flows through the running line, for whoever asks over the local socket.

Promises
- Nobody asks: it costs the line nothing. Somebody asks: the line puts a reference into a bounded
  queue, and everything else happens in the subscriber's own request.
- A slow subscriber never slows the line: what does not fit is dropped, counted and told.
"""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from aiohttp import web

from gateway.api.model import (
    Alarm,
    Alert,
    Nanos,
    Quality,
    SampleBatch,
    Score,
    Tag,
    Window,
    WindowSpec,
)
from gateway.telemetry.status import alert_facts

WAITING = 64
"""What an subscriber may be behind: looks of the line for samples, alerts for alerts."""
ROWS = 2_000
"""Samples of one look that are told; of more, the rest is counted as dropped."""
PATIENCE_S = 5.0
"""An empty line is sent this often, so that an subscriber who has gone is noticed."""

Facts = Mapping[str, Any]


class Subscriber:
    """One request's bounded queue."""

    def __init__(self) -> None:
        self.dropped = 0
        self._waiting: deque[Any] = deque()
        self._came = asyncio.Event()

    def put(self, item: Any) -> None:
        if len(self._waiting) == WAITING:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(item)
        self._came.set()

    async def get(self) -> tuple[Any, int]:
        """The next item, and how many before it were dropped; None when none came for a while."""
        if not self._waiting:
            self._came.clear()
            try:
                await asyncio.wait_for(self._came.wait(), PATIENCE_S)
            except TimeoutError:
                return None, 0
        dropped, self.dropped = self.dropped, 0
        return self._waiting.popleft(), dropped


class Tap:
    """The askers of a line, by what they asked for."""

    def __init__(self) -> None:
        self._subscribers: dict[str, set[Subscriber]] = {topic: set() for topic in TOPICS}

    def offer(self, topic: str, item: Any) -> None:
        """Hand on what flows; from the line, between two awaits."""
        for subscriber in self._subscribers[topic]:
            subscriber.put(item)

    @contextlib.contextmanager
    def subscribe(self, topic: str) -> Iterator[Subscriber]:
        """A queue of what flows from now on."""
        subscriber = Subscriber()
        self._subscribers[topic].add(subscriber)
        try:
            yield subscriber
        finally:
            self._subscribers[topic].discard(subscriber)


def _samples(item: tuple[Nanos, SampleBatch], glob: str, tags: Sequence[Tag]) -> Iterator[Facts]:
    arrived, batch = item
    wanted = np.array([fnmatchcase(tag.name, glob) for tag in tags], dtype=np.bool_)
    rows = np.flatnonzero(wanted[batch.tag])
    for row in rows[:ROWS]:
        value = float(batch.value[row])
        tag = tags[int(batch.tag[row])]
        yield {
            "at": int(batch.at[row]),
            "tag": tag.name,
            "value": value if np.isfinite(value) else None,
            "unit": tag.unit,
            "quality": Quality(int(batch.quality[row])).name.lower(),
            "arrived": arrived,
        }
    if len(rows) > ROWS:
        yield {"dropped": len(rows) - ROWS}


def _windows(
    item: Mapping[str, tuple[WindowSpec, Sequence[Window]]], glob: str, _tags: Sequence[Tag]
) -> Iterator[Facts]:
    for detector, (spec, windows) in item.items():
        for window in windows if fnmatchcase(detector, glob) else ():
            yield {
                "at": window.end,
                "detector": detector,
                "start": window.start,
                "rows": len(window.values),
                "coverage": round(window.coverage, 4),
                "last": dict(zip(spec.tags, _numbers(window.values[-1]), strict=True)),
            }


def _scores(
    item: tuple[str, WindowSpec, Sequence[Alarm], Sequence[Score]], glob: str, _tags: Sequence[Tag]
) -> Iterator[Facts]:
    detector, spec, alarms, scores = item
    for score in scores if fnmatchcase(detector, glob) else ():
        contribution = score.contribution
        yield {
            "at": score.at,
            "detector": detector,
            "values": {a.name: v for a, v in zip(alarms, _numbers(score.values), strict=True)},
            "thresholds": {alarm.name: alarm.threshold for alarm in alarms},
            "contribution": None
            if contribution is None
            else dict(zip(spec.tags, _numbers(contribution), strict=True)),
            "coverage": round(score.coverage, 4),
            "blind": score.blind,
            "idle": score.idle,
            "model": score.model,
        }


def _alerts(alert: Alert, glob: str, _tags: Sequence[Tag]) -> Iterator[Facts]:
    if fnmatchcase(f"{alert.detector}.{alert.alarm}", glob):
        yield alert_facts(alert)


def _numbers(values: Any) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


_FACTS: Mapping[str, Callable[[Any, str, Sequence[Tag]], Iterator[Facts]]] = {
    "samples": _samples,
    "windows": _windows,
    "scores": _scores,
    "alerts": _alerts,
}
TOPICS = tuple(_FACTS)


def routes(tap: Tap, tags: Sequence[Tag]) -> list[web.RouteDef]:
    """/tap/TOPIC?glob=PATTERN: JSON objects, one a line, until the subscriber goes."""

    async def stream(request: web.Request) -> web.StreamResponse:
        topic, glob = request.match_info["topic"], request.query.get("glob", "*")
        if topic not in TOPICS:
            raise web.HTTPNotFound(text=f"no topic {topic}: there are {', '.join(TOPICS)}")
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        # That somebody stops listening is no error of ours.
        with tap.subscribe(topic) as subscriber, contextlib.suppress(ConnectionResetError):
            await response.prepare(request)
            while True:
                item, dropped = await subscriber.get()
                facts = [] if item is None else list(_FACTS[topic](item, glob, tags))
                if dropped:
                    facts.insert(0, {"dropped": dropped})
                lines = "".join(f"{json.dumps(fact)}\n" for fact in facts)
                if lines or item is None:
                    await response.write((lines or "\n").encode())
        return response

    return [web.get("/tap/{topic}", stream)]
