"""The refusals of points beyond the retention, in the words of each version of InfluxDB."""

import re
from datetime import UTC, datetime

from aiohttp import web
from fake_influx import FakeInflux

from gateway.sinks.influx_bisect import COMMENT

SECOND = 10**9


def in_2_8(old, lower):
    """The words of 2.7.12 and later, which name the oldest and the newest point."""

    def point(which, body):
        series, _, at = body.decode().rpartition(" ")
        bound = f"it violates a Retention Policy Lower Bound at {_iso(lower)}"
        return f"{which} point {series.split(' ')[0]} at {_iso(int(at))} dropped because {bound}"

    words = f"{point('oldest', old[0])}, {point('newest', old[-1])}"
    head = f"partial write: dropped {len(old)} points outside retention policy of duration 24h0m0s"
    tail = f"dropped={len(old)} for database: 9f282d63c7d3a5c0 for retention policy: autogen"
    message = f"failure writing points to database: {head} - {words} {tail}"
    return web.json_response({"code": "unprocessable entity", "message": message}, status=422)


def in_2_0(old, _lower):
    head = "unexpected error writing points to database"
    message = f"{head}: partial write: points beyond retention policy dropped={len(old)}"
    return web.json_response({"code": "internal error", "message": message}, status=500)


def in_2_4(old, _lower):
    head = "failure writing points to database"
    message = f"{head}: partial write: points beyond retention policy dropped={len(old)}"
    return web.json_response({"code": "unprocessable entity", "message": message}, status=422)


def in_1(old, _lower):
    message = f"partial write: points beyond retention policy dropped={len(old)}"
    return web.json_response({"error": message}, status=400)


VERSIONS = {"1.x": in_1, "2.0": in_2_0, "2.4": in_2_4, "2.8": in_2_8}


class ShortRetention(FakeInflux):
    """Stores the points from `lower` on, and refuses the others in the words of a version.

    The bound moves on by a nanosecond with each request, as with the clock of a real server.
    """

    def __init__(self, words, lower):
        super().__init__()
        self._words, self._lower = words, lower

    def honest(self, body):
        self._lower += 1
        lines = [line for line in body.split(b"\n") if line != COMMENT]
        poisoned = [line for line in lines if self.poison in line]
        old = sorted((line for line in lines if _time(line) < self._lower), key=_time)
        if poisoned:
            return super().honest(body)
        self.store(b"\n".join(line for line in lines if line not in set(old)))
        return self._words(old, self._lower) if old else web.Response(status=204)


class NamesLines(FakeInflux):
    """InfluxDB 3: stores the good points of a request and names the others by their lines."""

    def honest(self, body):
        lines = body.split(b"\n")
        wrong = [n for n, line in enumerate(lines, 1) if self.poison in line]
        self.store(body)
        if not wrong:
            return web.Response(status=204)
        data = [
            {"original_line": "…", "line_number": n, "error_message": f"line {n}: invalid column"}
            for n in wrong
        ]
        words = "partial write of line protocol occurred"
        return web.json_response({"error": words, "data": data}, status=400)


def _time(line):
    return int(re.search(rb" (-?\d+)$", line)[1])


def _iso(at):
    whole = datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    rest = f"{at % SECOND:09}".rstrip("0")
    return f"{whole}.{rest}Z" if rest else f"{whole}Z"
