"""Where a line's state may be, seen from a command and not from the service itself."""

from pathlib import Path
from typing import Protocol

from gateway.api.contracts import Places

SERVICE_STATE = Path("/var/lib/andon")
"""The state folder of the systemd service."""


class HasState(Protocol):
    """What is needed of a LineConfig."""

    @property
    def line(self) -> str: ...

    @property
    def places(self) -> Places: ...


def state_folders(config: HasState) -> list[Path]:
    """The folders that may hold the line's state; a shell lacks the service's $STATE_DIRECTORY."""
    return list(dict.fromkeys((config.places.state, SERVICE_STATE / config.line)))
