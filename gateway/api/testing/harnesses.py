"""What a plugin's own tests bring to a suite: the far end, on this machine, and how to fill it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gateway.api.model import Floats, Nanos, Tag
from gateway.api.testing.readings import Values


class ConnectorHarness:
    """A source of your protocol, on this machine: a server, a broker or a file.

    It is away until `start`, and may be stopped and started again. `stop` may be called twice.
    """

    options: Mapping[str, Any]
    """The source as in a line file, with at least two `tags`, one of them with `low` or `high`."""
    has_time: bool = True
    """Whether the source says when a value was taken; if not, that is when it was read."""
    time_resolution: Nanos = 1_000_000
    """How exact the source's times are, in ns."""
    has_bad: bool = True
    """Whether the source can say that it has no value for a tag."""

    async def start(self) -> None:
        """Start the server, or create the file."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Stop it and close every connection, or remove the file."""
        raise NotImplementedError

    async def publish(self, at: Nanos, readings: Values) -> None:
        """Show these values, by tag, as taken at `at`; NaN means that there is no value."""
        raise NotImplementedError

    def expect(self, tag: str, value: float) -> float:  # noqa: ARG002 - for a subclass
        """What a reader gets for a published value: rounded, where the protocol rounds."""
        return value


class DetectorHarness:
    """A line for your detector: its tags, and what they show in normal running."""

    options: Mapping[str, Any]
    """The detector as in a line file."""
    tags: Sequence[Tag]
    """The tags of the line."""

    def normal(self, tag: str, rows: int) -> Floats:
        """Values of a tag in normal running, one for each row of the detector's grid."""
        number = [each.name for each in self.tags].index(tag)
        noise = np.random.default_rng(number).normal(0, 0.1, rows)
        return 2.0 + number + np.sin(np.arange(rows) / (7 + number)) + noise

    def strange(self, tag: str, values: Floats) -> Floats:  # noqa: ARG002 - for a subclass
        """These normal values of a tag, made so strange that the detector must name the tag."""
        strange = values.copy()
        strange[-1] += 20 * (np.ptp(values) or 1.0)
        return strange


class SinkHarness:
    """The far end of your sink, on this machine: a server, a broker or a file.

    It is away until `start`, and may be stopped and started again; what is stored stays.
    `stop` may be called twice.
    """

    options: Mapping[str, Any]
    """The sink as in a line file."""
    refused: bytes | None = None
    """The body of a point that the far end, or the sink itself, will never take."""

    async def start(self) -> None:
        """Start the server, or make the file writable."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Stop it and close every connection, or make the file unwritable."""
        raise NotImplementedError

    async def stored(self) -> Sequence[Any]:
        """Every point that has arrived, each as `expect` gives it."""
        raise NotImplementedError

    def expect(self, body: bytes) -> Any:
        """What must be stored for a point, whose body is one line of line protocol."""
        return body
