"""Finds plugins by name. Built-in plugins use the same entry points as third-party ones."""

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from gateway.api.contracts import ConfigError

CONNECTORS = "andon.connectors"
DETECTORS = "andon.detectors"
SINKS = "andon.sinks"
COMMANDS = "andon.commands"


@cache
def installed(group: str) -> dict[str, EntryPoint]:
    """All registered plugins of a group by name, not yet imported."""
    return {entry.name: entry for entry in entry_points(group=group)}


@cache
def load(group: str, name: str) -> Any:
    """The plugin's class (or command); ConfigError lists what is installed."""
    entry = installed(group).get(name)
    if entry is None:
        known = ", ".join(sorted(installed(group))) or "none"
        raise ConfigError(f"no plugin {name!r} in {group}; installed: {known}")
    try:
        return entry.load()
    except Exception as error:  # whatever the code of a stranger raises when it is imported
        why = str(error) if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
        raise ConfigError(f"the plugin {name!r} of {group} cannot be loaded: {why}") from error


def usable(group: str) -> dict[str, Any]:
    """The loadable plugins of a group by name; a broken one affects only lines that use it."""
    names = sorted(installed(group))
    return {name: load(group, name) for name in names if not why_broken(group, name)}


def why_broken(group: str, name: str) -> str:
    """Why a plugin cannot be loaded; empty if it can be, or is not installed."""
    try:
        if name in installed(group):
            load(group, name)
    except ConfigError as error:
        return str(error)
    return ""
