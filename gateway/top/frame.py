"""One frame of `andon top` as plain text, for scripts and mails (pure)."""

from collections.abc import Sequence

from gateway.api.model import Nanos
from gateway.api.visible import SENTENCE, brief
from gateway.api.wording import counted
from gateway.top.rows import (
    Line,
    Row,
    alarm_rows,
    bounded,
    headline,
    journal_rows,
    state_rows,
    tag_rows,
)

JOURNAL = 10
WIDEST = 40
"""Columns of a cell that is not the last."""


def frame(lines: Sequence[Line], now: Nanos) -> str:
    """All that is shown, one row below the other."""
    several = len(lines) > 1
    tags = tag_rows(lines)
    abnormal = bounded([row for row in tags if row.weight])
    parts = [headline(line, now) for line in lines]
    unknown = [line.name for line in lines if not line.answered_at]

    def known(nothing: str) -> str:
        """What an empty part says: what a daemon has never answered is not known to be well."""
        if len(unknown) == len(lines):
            return "nothing known"
        return f"{nothing}; nothing known of {', '.join(unknown)}" if unknown else nothing

    fresh = f"{counted(len(tags), 'tag')}, all fresh"
    parts += _part("ALARMS", _alarms(lines, now), known("no alarm"), several=several)
    parts += _part("STATE", state_rows(lines, now), "nothing known", several=several)
    parts += _part("TAGS", abnormal, known(fresh), several=several)
    parts += _part(
        "JOURNAL", journal_rows(lines, now)[:JOURNAL], known("no entry"), several=several
    )
    return "\n".join(parts)


def _alarms(lines: Sequence[Line], now: Nanos) -> list[Row]:
    """The message last, where it has all the room that it takes."""
    rows = alarm_rows(lines, now)
    return [row._replace(cells=(*row.cells[:3], row.cells[4], row.cells[3])) for row in rows]


def _part(title: str, rows: Sequence[Row], empty: str, *, several: bool) -> list[str]:
    if not rows:
        return ["", title, f"  {empty}"]
    cells = [(row.line, *row.cells) if several else row.cells for row in rows]
    widths = [min(max(map(len, column)), WIDEST) for column in zip(*cells, strict=True)]
    return ["", title, *(_aligned(row, widths) for row in cells)]


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    fixed = [
        brief(cell, WIDEST).ljust(width)
        for cell, width in zip(cells[:-1], widths[:-1], strict=True)
    ]
    return f"  {'  '.join([*fixed, brief(cells[-1], SENTENCE)])}".rstrip()
