"""What the tables of a status have in common: styles and rows to show."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

Facts = Mapping[str, Any]

# Normal states are dim, abnormal ones coloured. The state is always also written as a word.
STYLE = {
    "ok": "dim",
    "idle": "dim",
    "fresh": "dim",
    "up": "dim",
    "late": "yellow",
    "starting": "yellow",
    "degraded": "bold yellow",
    "stale": "bold yellow",
    "never_seen": "bold yellow",
    "blind": "bold magenta",
    "bad": "bold magenta",
    "failed": "bold red",
    "down": "bold yellow",
    "low": "cyan",
    "medium": "yellow",
    "high": "bold red",
    "critical": "bold white on red",
}
REASONS = 12
"""Reasons for not being ready that a page lists; the tables below show the rest."""
NAMED = 5
"""Tags that a reason names."""
MANY = 60
"""With more tags or sources than this, a page lists only the abnormal ones."""


def word(text: str) -> Text:
    """A state as styled text."""
    return Text(text, style=STYLE.get(text, ""))


def name_of(facts: Facts, family: str, key: str) -> str:
    """A state, a severity or a class by the daemon's own name for it, in its language."""
    return str(facts.get("names", {}).get(family, {}).get(key, key))


def rows_to_show(
    rows: Sequence[Facts], is_normal: Callable[[Facts], bool], every: bool
) -> tuple[Sequence[Facts], int]:
    """The rows for a page, and the number of abnormal ones."""
    abnormal = [row for row in rows if not is_normal(row)]
    return (rows if every or len(rows) <= MANY else abnormal[:MANY]), len(abnormal)


def shortened(head: str, table: Table, shown: int, abnormal: int) -> RenderableType:
    """The total, the abnormal rows, and a note on how to see the others."""
    rest = f"{abnormal - shown:,} more of these; " if abnormal > shown else ""
    parts: list[RenderableType] = [Text(head), *([table] if shown else [])]
    return Group(*parts, Text(f"({rest}--all shows every one)", style="dim"))


def plain_table(*columns: str) -> Table:
    """A table without borders, numbers aligned to the right."""
    table = Table(box=None, pad_edge=False, header_style="dim underline", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(
            column, justify="right" if column in ("value", "samples", "age") else "left"
        )
    return table
