"""Requests and results of the client, without asyncua's types (pure)."""

import math
from dataclasses import dataclass

_LIFETIME_MS = 120_000
"""How long a subscription outlives a broken connection; its queues are then lost."""


@dataclass(frozen=True, slots=True)
class MonitorRequest:
    """A variable to be monitored: its tag's index, its node id, and how to sample it."""

    tag: int
    node: str
    sampling_ms: float
    queue_size: int
    deadband: float | None


@dataclass(frozen=True, slots=True)
class MonitorResult:
    """What the server granted for one item. `fault` is empty when the item is monitored."""

    fault: str
    sampling_ms: float = 0.0
    queue_size: int = 0


@dataclass(frozen=True, slots=True)
class GrantedSubscription:
    """A subscription as the server granted it: number, interval, time between keep-alives."""

    id: int
    interval_ms: float
    keep_alive_s: float


@dataclass(frozen=True, slots=True)
class ChildNode:
    """A node below another: its id on this server, its name, and whether it has a value."""

    node: str
    name: str
    is_variable: bool


def lifetime_of(interval_ms: float, keep_alives: int) -> int:
    """The lifetime of an abandoned subscription, in publishing intervals.

    At least three times the intervals between two keep-alives (part 4, 5.14.2).
    """
    return max(3 * keep_alives, math.ceil(_LIFETIME_MS / interval_ms))
