"""What passes between the gateway's side of a connection and the one that knows asyncua. Pure."""

import math
from dataclasses import dataclass

_LIFETIME_MS = 120_000
"""How long a subscription outlives a cut; what its queues then hold is lost with it."""


@dataclass(frozen=True, slots=True)
class Item:
    """A variable to be monitored: its tag's index, its node id, and how (in ms)."""

    tag: int
    node: str
    sampling_ms: float
    queue_size: int
    deadband: float | None


@dataclass(frozen=True, slots=True)
class Revised:
    """What the server made of it. `fault` is empty when the item is monitored."""

    fault: str
    sampling_ms: float = 0.0
    queue_size: int = 0


@dataclass(frozen=True, slots=True)
class Granted:
    """What the server made of a subscription: its number, its interval, and between keep-alives."""

    id: int
    interval_ms: float
    keep_alive_s: float


@dataclass(frozen=True, slots=True)
class Child:
    """What stands below a node: its id on this server, its name, and whether it has a value."""

    node: str
    name: str
    is_variable: bool


def lifetime_of(interval_ms: float, keep_alives: int) -> int:
    """The publishing intervals after which a subscription that nobody asks for is given up.

    At least three times as many as between two keep-alives (part 4, 5.14.2).
    """
    return max(3 * keep_alives, math.ceil(_LIFETIME_MS / interval_ms))
