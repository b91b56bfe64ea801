"""Requests and results of the client, without asyncua's types (pure)."""

import math
from dataclasses import dataclass

_LIFETIME_MS = 120_000
"""How long a subscription outlives a broken connection; its queues are then lost."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is read of a server: the value of a node, or a part of it (OPC UA's NumericRange)."""

    node: str
    index_range: str = ""


@dataclass(frozen=True, slots=True)
class MonitorRequest:
    """A value to be monitored: the index of the first of its tags, and how to sample it."""

    tag: int
    target: Target
    sampling_ms: float
    queue_size: int
    deadband: float | None


@dataclass(frozen=True, slots=True)
class MonitorResult:
    """What the server granted for one item. `fault` is empty when the item is monitored, else the
    name of the server's status, and `why` its name and meaning.
    """

    fault: str
    sampling_ms: float = 0.0
    queue_size: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class GrantedSubscription:
    """A subscription as the server granted it: number, interval, time between keep-alives."""

    id: int
    interval_ms: float
    keep_alive_s: float


@dataclass(frozen=True, slots=True)
class Reference:
    """A node that another refers to: its id on this server, browse name and class.

    `namespace` is the index of the browse name's; `kind` the id of the type of the reference.
    """

    node: str
    namespace: int
    name: str
    is_variable: bool
    kind: str


def lifetime_of(interval_ms: float, keep_alives: int) -> int:
    """The lifetime of an abandoned subscription, in publishing intervals.

    At least three times the intervals between two keep-alives (part 4, 5.14.2).
    """
    return max(3 * keep_alives, math.ceil(_LIFETIME_MS / interval_ms))
