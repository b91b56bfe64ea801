"""Merging: several summaries of one tag become one of a longer interval. Pure.

Promises
- count, bad, min and max merge exactly; mean and std as if they had been taken of all samples at
  once, to rounding. `last` is the newest, coverage the mean.
- The merged point carries the time of its newest part. So its key at the server is that of a
  point which it replaces, never that of another: sent twice it is still stored once.
- A body that is not a summary is left as it is.
"""

import math
from collections.abc import Sequence

from gateway.api import line_protocol
from gateway.api.model import SECOND, Envelope, Kind, Nanos, Point
from gateway.core import points

INTERVAL: Nanos = 15 * 60 * SECOND
"""What summaries are merged to when space runs short."""

Key = tuple[str, int]
"""The series, and the number of the interval since 1970."""


def summary_of(envelope: Envelope) -> Point | None:
    """The summary in this envelope, None if it is something else."""
    try:
        point = line_protocol.decode(envelope.body)
    except ValueError:
        return None
    return point if point.measurement == points.SUMMARY and "count" in point.fields else None


def key_of(point: Point) -> Key:
    """Points with the same key may be merged; the time of a summary is its interval's end."""
    return ",".join(f"{k}={v}" for k, v in sorted(point.tags.items())), (point.at - 1) // INTERVAL


def merged(points: Sequence[Point]) -> Point:
    """One summary for these of the same series, at least one."""
    ordered = sorted(points, key=lambda point: point.at)
    newest = ordered[-1]
    fields: dict[str, line_protocol.Value] = {
        "count": sum(int(point.fields["count"]) for point in ordered),
        "bad": sum(int(point.fields.get("bad", 0)) for point in ordered),
    }
    measured = [point for point in ordered if int(point.fields["count"])]
    if measured:
        fields |= _values(measured)
    coverage = [float(point.fields.get("coverage", 0.0)) for point in ordered]
    doubted = [point.fields["clock"] for point in ordered if "clock" in point.fields]
    if doubted:
        fields["clock"] = doubted[-1]
    fields["coverage"] = math.fsum(coverage) / len(coverage)
    return Point(newest.measurement, newest.tags, fields, newest.at)


def _values(points: Sequence[Point]) -> dict[str, line_protocol.Value]:
    """Mean and spread around the common mean: no difference of large squares."""
    weights = [int(point.fields["count"]) for point in points]
    means = [float(point.fields["mean"]) for point in points]
    spreads = [float(point.fields["std"]) for point in points]
    # Relative to the first mean, so that a level of 1e6 does not eat a spread of 1e-3.
    offsets = [mean - means[0] for mean in means]
    total = sum(weights)
    offset = math.fsum(w * o for w, o in zip(weights, offsets, strict=True)) / total
    squares = math.fsum(
        w * (s * s + (o - offset) ** 2) for w, s, o in zip(weights, spreads, offsets, strict=True)
    )
    newest = points[-1].fields
    values: dict[str, line_protocol.Value] = {
        "mean": means[0] + offset,
        "std": math.sqrt(squares / total),
        "min": min(float(point.fields["min"]) for point in points),
        "max": max(float(point.fields["max"]) for point in points),
        "last": float(newest["last"]),
    }
    if "last_name" in newest:
        values["last_name"] = newest["last_name"]
    return values


def merge_summaries(envelopes: Sequence[Envelope]) -> tuple[list[Envelope], list[int]]:
    """Merge stored summaries; returns what is written, and the numbers that it replaces.

    A merged summary has the highest number of its parts.
    """
    groups: dict[Key, list[tuple[Envelope, Point]]] = {}
    for envelope in envelopes:
        point = summary_of(envelope)
        if point is not None:
            groups.setdefault(key_of(point), []).append((envelope, point))
    written: list[Envelope] = []
    replaced: list[int] = []
    for parts in groups.values():
        if len(parts) > 1:
            whole = merged([point for _, point in parts])
            numbers = [envelope.key for envelope, _ in parts]
            last = max(numbers)
            written.append(Envelope(Kind.SUMMARY, whole.at, line_protocol.encode(whole), key=last))
            replaced += numbers
    return written, replaced
