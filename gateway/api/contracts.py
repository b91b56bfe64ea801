"""The contracts: what a connector, a detector and a sink do, and the errors they may raise.

A plugin is naive. It never retries, never sleeps for back-off and knows no neighbour: the gateway
reopens, schedules and supervises. `gateway.api.testing` checks a plugin against its contract.

Two error families. *The world is away* (`SourceLost`, `SinkUnavailable`): retried, logged as
warning. *Someone is wrong* (`ConfigError`, `ModelError`, `SinkRejected`): never retried, logged as
error, set aside and counted. Anything else is a bug and is logged with its traceback.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from pydantic import BaseModel

from gateway.api.alarms import Alarm
from gateway.api.model import (
    Envelope,
    Kind,
    Probe,
    Reference,
    SampleBatch,
    Score,
    Tag,
    Window,
    WindowSpec,
)


class AndonError(Exception):
    """Anything andon raises on purpose."""

    may_pass = False
    """Whether it may be gone by itself: a daemon that it ended is to be started again."""

    def passing(self, may_pass: bool = True) -> Self:
        """The same error, which may be gone by itself."""
        self.may_pass = may_pass
        return self


class SourceLost(AndonError):  # noqa: N818 - a state of the world, not a fault of ours
    """The source is away. `wait` is the least time in seconds before the next attempt."""

    def __init__(self, why: str, wait: float = 0.0) -> None:
        super().__init__(why)
        self.wait = wait


class SinkUnavailable(AndonError):  # noqa: N818 - as above
    """The sink is away or its answer is unknown: the same bytes will be sent again.

    `wait` is what the server asked for (Retry-After), in seconds. `needs_human` is set where a
    token, a certificate or a bucket is wrong: everything is kept, logged as an error and retried
    slowly. `sent_bytes` left the machine nevertheless.
    """

    def __init__(
        self, why: str, wait: float = 0.0, *, needs_human: bool = False, sent_bytes: int = 0
    ) -> None:
        super().__init__(why)
        self.wait = wait
        self.needs_human = needs_human
        self.sent_bytes = sent_bytes


class SinkRejected(AndonError):  # noqa: N818 - as above
    """The sink will never take these: `which` are indices into the batch, the rest was written."""

    def __init__(self, which: Sequence[int], why: str, *, sent_bytes: int = 0) -> None:
        super().__init__(why)
        self.which = tuple(which)
        self.sent_bytes = sent_bytes


class ConfigError(AndonError):
    """A line file, or something it names, is wrong; the message says what would be right."""


class CommandRefused(AndonError):  # noqa: N818 - an answer to a person, not a fault of ours
    """What a person asks of the running line cannot be done; the message says why."""


class ModelError(AndonError):
    """A model bundle is damaged, unsafe or does not fit the line."""


class Fatal(AndonError):  # noqa: N818 - a verdict, not a kind of error
    """Nothing in this process can go on; only a restart helps."""


@dataclass(frozen=True, slots=True)
class Places:
    """The folders that relative paths start from.

    `config` is the line file's, with models and certificates; it may be read-only. `state` is the
    line's own. `site` and `line` are the names of the line that the part works for.
    """

    config: Path
    state: Path
    site: str = ""
    line: str = ""


class Connector(Protocol):
    """Reads one source. Nothing is opened before `open`.

    `tags` come from `declared_tags(name, options)`; `SampleBatch.tag` indexes them in that order.
    """

    Options: ClassVar[type[BaseModel]]

    def __init__(self, name: str, options: Any, tags: Sequence[Tag], places: Places) -> None: ...

    @classmethod
    def declared_tags(cls, name: str, options: Any) -> Sequence[Tag]:
        """The tags that these options read, in a fixed order."""
        ...

    def open(self) -> AbstractAsyncContextManager[AsyncIterator[SampleBatch]]:
        """One read-only session; raises SourceLost on entry or from the iterator.

        The iterator ends only by an error or by leaving the context.
        """
        ...

    async def probe(self) -> Probe:
        """Try the source once, read-only, for `andon check --connect`; never raises SourceLost."""
        ...


@runtime_checkable
class HasReadPlan(Protocol):
    """An optional capability of a connector: it polls, and can estimate the cost beforehand."""

    def plan(self) -> Sequence[str]:
        """Sentences for `andon check --plan`, the total first; opens nothing."""
        ...


@runtime_checkable
class HasDiagnostics(Protocol):
    """An optional capability of a connector or a sink: it explains its tags, or its receivers."""

    diagnostics: Sequence[str]
    """Sentences for `andon status`: always the same object, kept up to date."""


@runtime_checkable
class MayBeSilent(Protocol):
    """An optional capability of a connector: it is up once it is open, even without any data."""

    listens: bool


@runtime_checkable
class HasReference(Protocol):
    """An optional capability of a detector: how its training data was distributed."""

    spec: WindowSpec
    reference: Reference


@runtime_checkable
class HasWarnings(Protocol):
    """An optional capability of a connector or detector: it names settings that it doubts or
    cannot honour.
    """

    warnings: Sequence[str]
    """Sentences for `andon check` and the log, complete once the part is built."""


@runtime_checkable
class Local(Protocol):
    """An optional capability of a sink: its points stay on this machine, so they are not sent."""

    is_local: bool


@runtime_checkable
class KeepsConnection(Protocol):
    """An optional capability of a sink: it keeps a connection, which is tried while it is idle."""

    ping_every: float
    """After this many seconds without a batch the gateway calls `ping`."""

    async def ping(self) -> None:
        """Connects if there is no connection, else has the server respond; SinkUnavailable."""
        ...


@runtime_checkable
class HasMemory(Protocol):
    """An optional capability of a sink: what it remembers survives a restart.

    It is stored with the acknowledgement of the points, so it is never behind them by more than the
    points that are sent again.
    """

    def checkpoint(self) -> bytes:
        """What to remember; the same object as long as nothing has changed."""
        ...

    def restore(self, state: bytes) -> None:
        """Takes up what the last run remembered; before the first write or ping."""
        ...


@runtime_checkable
class SendsLater(Protocol):
    """An optional capability of a sink: it keeps points itself, on disk, and sends them later."""

    @property
    def due_in(self) -> float | None:
        """The seconds until it has something to send; None if there is nothing."""
        ...

    async def send_due(self) -> int:
        """Send what has become due and return the bytes that left; SinkUnavailable."""
        ...


@runtime_checkable
class ShowsAlarms(Protocol):
    """An optional capability of a sink: it shows every alarm of the line, normal ones too."""

    def set_alarms(self, alarms: Mapping[str, Sequence[Alarm]]) -> None:
        """The alarms of each detector, once, after `restore`; no others exist any more."""
        ...


@runtime_checkable
class SendsTests(Protocol):
    """An optional capability of a sink: it sends a test message, for `andon notify FILE test`."""

    async def send_test(self, target: str = "") -> Mapping[str, Probe]:
        """Send one to a receiver of this name, or to all; the outcomes. KeyError: no such one."""
        ...


class Detector(Protocol):
    """Turns windows into scores. Pure and synchronous: no clock, and no I/O once it is built.

    Built with the line's tags by name; raises ConfigError or ModelError. Runs in a worker thread,
    so it may block, but it never sees two calls at once.
    """

    Options: ClassVar[type[BaseModel]]
    spec: WindowSpec
    alarms: Sequence[Alarm]

    def __init__(
        self, name: str, options: Any, tags: Mapping[str, Tag], places: Places
    ) -> None: ...

    def score(self, windows: Sequence[Window]) -> Sequence[Score]:
        """One score for each window, in order, independent of the other windows in the call."""
        ...


class Sink(Protocol):
    """Writes batches of finished points. Opened once, kept open."""

    Options: ClassVar[type[BaseModel]]
    accepts: frozenset[Kind]

    def __init__(self, name: str, options: Any, places: Places) -> None: ...

    def open(self) -> AbstractAsyncContextManager[None]:
        """Resources for the sink's whole life; reaching the server is `write`'s business."""
        ...

    async def write(self, batch: Sequence[Envelope]) -> int:
        """Write all of it and return the bytes that left; else SinkUnavailable or SinkRejected."""
        ...

    async def probe(self) -> Probe:
        """Try the sink once without storing anything; used by `andon check --connect`."""
        ...
