"""`andon alarms LINE.yaml labels`: verdicts and maintenance as a file of labelled intervals.

Promises
- All entries of the journal count, also those before `--since`: an alarm may have begun there.
"""

import csv
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import click

from gateway.api.click_types import MOMENT
from gateway.api.contracts import ConfigError
from gateway.api.model import SECOND, Nanos
from gateway.api.visible import visible
from gateway.cli.alarm.journal_source import read_journal
from gateway.cli.daemon import understood
from gateway.core.alarms.labels import COLUMNS, Label, labels, needed


@click.command("labels")
@click.option("--since", type=MOMENT, help="Only those of alarms that began since then.")
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path),
              help="CSV file to write.  [default: the terminal]")  # fmt: skip
@click.pass_obj
def export_labels(file: Path, since: Nanos | None, out: Path | None) -> None:
    """Write verdicts and maintenance as labels, for training.

    If no daemon runs, its buffer is read.
    """
    entries = read_journal(file, keep=needed).entries
    with understood():
        found = labels(entry.as_json() for entry in reversed(entries))
        wanted = [label for label in found if since is None or label.start >= since]
    if out is None:
        _write(sys.stdout, wanted)
        return
    try:
        with out.open("w", newline="", encoding="utf-8") as stream:
            _write(stream, wanted)
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror}") from error
    counts = Counter(label.verdict for label in wanted)
    numbers = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
    click.echo(f"{len(wanted)} labels written to {out}" + (f": {numbers}" if numbers else ""))


def _write(stream: TextIO, found: Sequence[Label]) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for label in found:
        end = "" if label.end is None else _moment(label.end)
        times = (_moment(label.start), end)
        what = (label.detector, label.alarm, label.verdict, " ".join(label.tags))
        texts = (*what, label.by, label.comment, label.id)
        writer.writerow((*times, *map(visible, texts)))


def _moment(at: Nanos) -> str:
    return datetime.fromtimestamp(at / SECOND, UTC).isoformat(timespec="milliseconds")
