"""Every fault against every protocol, from real servers: `make kill-matrix` (about ten minutes).

A whole run writes its tables into docs/reconnect.md and its picture beside it; JSON=FILE also
writes the figures. The protocols run side by side, the faults of one after the other. Exit code 1
if a cell misses its goal.
"""

import argparse
import asyncio
import json
import logging
import os
import sys
from pathlib import Path

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from kill_matrix import report  # noqa: E402 - from the path above
from kill_matrix.cell import measure  # noqa: E402
from kill_matrix.faults import FAULTS  # noqa: E402
from kill_matrix.plants import PLANTS  # noqa: E402

PAGE, PICTURE = ROOT / "docs" / "reconnect.md", ROOT / "docs" / "reconnect.svg"
BEGIN, END = "<!-- written by make kill-matrix -->", "<!-- end of what it wrote -->"


def main():
    asked = parse()
    structlog.configure(logger_factory=lambda *_: structlog.ReturnLogger())
    logging.disable(logging.CRITICAL)
    faults = [f for family in FAULTS.values() for f in family if asked.fault in f.name]
    cells = asyncio.run(run(asked.only, faults))
    if target := os.environ.get("JSON"):
        Path(target).write_text(json.dumps([cell.facts() for cell in cells], indent=1) + "\n")
    if asked.only == list(PLANTS) and not asked.fault:
        write(cells)
    print(report.tables(cells))
    sys.exit(0 if all(cell.meets_goal for cell in cells) else 1)


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PLANTS, default=list(PLANTS))
    parser.add_argument("--fault", default="", help="only faults whose name holds this")
    return parser.parse_args()


async def run(kinds, faults):
    """The cells, in the order of the tables."""
    columns = (TextColumn("{task.description:22}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    last = (TimeElapsedColumn(), TextColumn("{task.fields[fault]}"))
    with Progress(*columns, *last, console=console) as progress:
        lanes = await asyncio.gather(*(lane(kind, faults, progress) for kind in kinds))
    return [cell for cells in lanes for cell in cells]


async def lane(kind, faults, progress):
    bar = progress.add_task(PLANTS[kind].name, total=len(faults), fault="")
    cells = []
    for fault in faults:
        progress.update(bar, fault=fault.name)
        cells.append(await measure(kind, fault))
        progress.advance(bar)
        if not cells[-1].meets_goal:
            progress.console.print(f"misses its goal: {cells[-1].facts()}", highlight=False)
        elif not progress.console.is_terminal:
            progress.console.print(f"{PLANTS[kind].name}: {fault.name}: fine", highlight=False)
    progress.update(bar, fault="done")
    return cells


def write(cells):
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{report.tables(cells)}\n{END}{after}")
    PICTURE.write_text(report.picture(cells))


if __name__ == "__main__":
    main()
