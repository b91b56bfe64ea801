"""`andon clip LINE.yaml ALERT`: raw samples around an alert, from the local history."""

import csv
import json
import re
import sys
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TextIO

import click

from gateway.api.click_types import DURATION
from gateway.api.contracts import ConfigError
from gateway.api.model import Nanos, Quality
from gateway.api.nearest import nearest
from gateway.api.options import format_duration
from gateway.cli.replay import need_pyarrow

_OPENED = re.compile(r".+-([0-9a-f]+)(?:\.\d+)?")
_MILLI: Nanos = 1_000_000
COLUMNS = ("time", "tag", "value", "unit", "quality")


def _opened_at(_context: Any, parameter: Any, alert: str) -> Nanos:
    """The time of an alert's activation, which its id ends with."""
    match = _OPENED.fullmatch(alert)
    if match is None:
        raise click.BadParameter(
            f"{alert!r} is not the id of an alert, as in pump.anomaly-19b2c4d5e6f: see `andon "
            "alarms LINE.yaml list`, `andon status --json` or the field `id` in InfluxDB",
            param=parameter,
        )
    return int(match[1], 16) * _MILLI


@click.command("clip")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("alert", callback=_opened_at)
@click.argument("glob", default="*")
@click.option("--before", type=DURATION, help="Default: as in history.clip, else 2min.")
@click.option("--after", type=DURATION, help="Default: as in history.clip, else 1min.")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="History folder; default: the line's own.",
)
@click.option("--out", type=click.File("w", encoding="utf-8"), default="-", help="CSV to write.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per row.")
def command(
    file: Path,
    alert: Nanos,
    glob: str,
    *,
    before: Nanos | None,
    after: Nanos | None,
    data: Path | None,
    out: TextIO,
    as_json: bool,
) -> None:
    """Write the raw samples around an alert, from the history.

    ALERT is the alert's id, which contains its time; GLOB selects tags (quote it: 'press-*.oil').
    Only samples that were flushed to disk are in the history. Exit code 1 if there is none.
    """
    from gateway.config.load import load
    from gateway.config.schema import ClipSection

    config = load(file)
    default = (config.file.history and config.file.history.clip) or ClipSection()
    before = default.before if before is None else before
    after = default.after if after is None else after
    excerpt = _excerpt(config, data, glob, (alert - before, alert + after))
    rows = _rows(config, excerpt.samples)
    if as_json:
        out.writelines(f"{json.dumps(row)}\n" for row in rows)
    else:
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for name in excerpt.damaged:
        click.echo(f"{name} is damaged: its samples are missing", err=True)
    count, span = len(excerpt.samples), _span(excerpt.samples)
    asked = f"{format_duration(before)} before to {format_duration(after)} after the alert"
    click.echo(f"{count:,} samples{span}; asked: {asked}", err=True)
    sys.exit(0 if count else 1)


def _excerpt(config: Any, data: Path | None, glob: str, span: tuple[Nanos, Nanos]) -> Any:
    numbers = {t.name: n for n, t in enumerate(config.tags) if fnmatchcase(t.name, glob)}
    if not numbers:
        names = [tag.name for tag in config.tags]
        raise ConfigError(f"no tag of {config.line} matches {glob!r}: {nearest(glob, names)}")
    need_pyarrow()
    from gateway.history.excerpt import excerpt
    from gateway.history.own import own_history

    folder = data or own_history(config)

    try:
        return excerpt(folder, span, numbers)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be read: {error.strerror}") from error


def _span(samples: Any) -> str:
    """The first and last time of the samples; the newest may not be on disk yet."""
    from gateway.sinks.file import iso

    return f", {iso(int(samples.at[0]))} to {iso(int(samples.at[-1]))}" if len(samples) else ""


def _rows(config: Any, samples: Any) -> Iterator[Mapping[str, Any]]:
    from gateway.sinks.file import iso

    columns = (samples.tag, samples.at, samples.value, samples.quality)
    for number, at, value, quality in zip(*(each.tolist() for each in columns), strict=True):
        tag = config.tags[number]
        # NaN is not equal to itself: a bad sample has no value.
        shown = value if value == value else None  # noqa: PLR0124
        word = Quality(quality).name.lower()
        yield dict(zip(COLUMNS, (iso(at), tag.name, shown, tag.unit, word), strict=True))
