"""Colours of the commands on alarms, which only repeat what a word says.

Promises
- None where NO_COLOR is set; `click.echo` removes them where the output is no terminal.
"""

import os
from collections.abc import Mapping
from typing import Any

import click

_SEVERITIES: Mapping[str, Mapping[str, Any]] = {
    "low": {"fg": "cyan"},
    "medium": {"fg": "yellow"},
    "high": {"fg": "red", "bold": True},
    "critical": {"fg": "white", "bg": "red", "bold": True},
}


def styled(text: str, **style: Any) -> str:
    """The text in a style of `click.style`."""
    return text if os.environ.get("NO_COLOR") else click.style(text, **style)


def coloured(text: str, severity: str) -> str:
    """The text in the colour of a severity; plain for one that is not known."""
    return styled(text, **_SEVERITIES.get(severity, {}))
