"""`andon replay LINE.yaml --out DIR`: replays recorded data through a line at full speed."""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import click

from gateway.api import progress
from gateway.api.click_types import MOMENT
from gateway.api.contracts import ConfigError
from gateway.api.extras import how_to_install
from gateway.api.model import Envelope, Kind, Nanos
from gateway.api.visible import visible
from gateway.history.reader_options import reader_options

FILES = {Kind.ALERT: "alerts.lp", Kind.SUMMARY: "summaries.lp"}
_FOREVER: Nanos = 2**62
_SHOWN = 20
"""Names that a sentence lists; further ones are counted."""


_PATH = click.Path(exists=True, path_type=Path)


@click.command("replay")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--data",
    multiple=True,
    type=_PATH,
    help="History files or folders, or CSV or Parquet; default: the line's own history.",
)
@reader_options
@click.option("--from", "since", type=MOMENT, help="ISO 8601, UTC unless it has an offset.")
@click.option("--to", "until", type=MOMENT, help="Up to, but not including.")
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for alerts.lp and summaries.lp.",
)
@click.option("--force", is_flag=True, help="Replace existing files.")
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON.")
def command(
    file: Path,
    data: tuple[Path, ...],
    since: Nanos | None,
    until: Nanos | None,
    out: Path,
    force: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Replay recorded data through a line, on the recorded clock.

    Writes exactly what the line would have sent, as line protocol; nothing is sent. Change a
    limit, a delay or a model in FILE, and see which alerts last week would have raised. CSV and
    Parquet have a column of times and one for each tag.
    """
    from gateway.config.build import build_detectors
    from gateway.config.load import load
    from gateway.history.own import own_history
    from gateway.line.replay import Replay

    config = load(file)
    detectors = build_detectors(config)
    _log_errors_only(config.line)
    play = _player(config, data or [own_history(config)])
    span = (since or -_FOREVER, until or _FOREVER)
    begun = time.perf_counter()
    with _written(out, force=force) as points, progress.share("replaying") as done:
        replay = Replay(config, detectors, points.take)
        asyncio.run(play(replay, span, done))
        if not replay.samples:
            raise ConfigError("the data has no sample of this line's tags in that time")
    figures = {
        "line": config.line,
        "looks": replay.ticks,
        "samples": replay.samples,
        "alerts": points.count[Kind.ALERT],
        "summaries": points.count[Kind.SUMMARY],
        "seconds": round(time.perf_counter() - begun, 3),
        "out": str(out),
    }
    click.echo(json.dumps(figures) if as_json else _summary(figures))


def _log_errors_only(line: str) -> None:
    """Logs errors only: the alerts are in the output file."""
    import logging

    from gateway.telemetry import logs

    logs.configure(line, level=logging.ERROR)


def _player(config: Any, paths: Sequence[Path]) -> Any:
    """The function that plays these paths, given the replay, the span and a progress callback."""
    need_pyarrow()
    from gateway.history.read import runs

    wide = [path for path in paths if _is_wide(path)]
    if not wide:
        return partial(_play, config, runs(paths))
    if len(wide) < len(paths):
        raise ConfigError(
            f"{wide[0]} is not history: replay it separately, since only history knows when its "
            "samples arrived"
        )
    return partial(_play_wide, config, wide)


def _is_wide(path: Path) -> bool:
    """Whether a file is a foreign recording, with a column for each tag."""
    from gateway.history import table
    from gateway.history.names import name_of

    if path.is_dir() or name_of(path) is not None:
        return False
    return path.suffix.lower() not in (".parquet", ".pq") or not table.read_facts(path)


def need_pyarrow() -> None:
    """Raises ConfigError if pyarrow, which reads history, is not installed."""
    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        raise ConfigError(f"reading history needs pyarrow: {how_to_install('history')}")


async def _play_wide(
    config: Any,
    paths: Sequence[Path],
    replay: Any,
    span: tuple[Nanos, Nanos],
    report: Callable[[float], None],
) -> None:
    from gateway.history.as_live import described
    from gateway.history.reading import current
    from gateway.history.wide import read_files, samples_of

    reading = replace(current(), texts={tag.name: tag.texts for tag in config.tags})
    recording = read_files(paths, reading)
    number = {tag.name: n for n, tag in enumerate(config.tags)}
    _warn_of_differences(number, recording)
    for sentence in described(recording, {tag.name: tag for tag in config.tags}):
        click.echo(visible(sentence), err=True)
    samples = samples_of(recording, number)
    samples = samples.rows((samples.at >= span[0]) & (samples.at < span[1]))
    if not len(samples):
        return
    start, end = int(samples.at[0]), int(samples.at[-1])
    length = max(end - start, 1)
    await replay.play_samples(start, samples, end + 1, lambda now: report((now - start) / length))


def _warn_of_differences(tags: Iterable[str], recording: Any) -> None:
    missing = [tag for tag in tags if tag not in recording.names]
    if missing:
        click.echo(f"not in the recording, treated as missing: {_listed(missing)}", err=True)
    unknown = [name for name in recording.names if name not in set(tags)]
    words = [name for name in recording.left_out if name not in tags]
    if left_out := [*unknown, *words]:
        names = visible(_listed(left_out))
        click.echo(f"left out, not tags of the line: {names}", err=True)
    for name, reason in recording.left_out.items():
        if name in tags:
            click.echo(f"left out, a tag of the line: {name}: {visible(reason)}", err=True)


def _listed(names: Sequence[str]) -> str:
    """The first of these names, and the number of the others."""
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


async def _play(
    config: Any, runs: Any, replay: Any, span: tuple[Nanos, Nanos], report: Callable[[float], None]
) -> None:
    from gateway.history.read import arrivals

    number = {tag.name: n for n, tag in enumerate(config.tags)}
    left = total = sum(len(run.paths) for run in runs)

    def within(paths: Sequence[Path]) -> Iterator[Any]:
        nonlocal left
        for path in paths:
            yield from (a for a in arrivals(path, number) if span[0] <= a[0] < span[1])
            left -= 1
            report(1 - left / total)

    for run in runs:
        batches = within(run.paths)
        first = next(batches, None)
        if first is not None:
            await replay.play(max(run.started, span[0]), chain([first], batches))


class _Points:
    """Writes points to the two output files and counts them."""

    def __init__(self, files: Mapping[Kind, BinaryIO]) -> None:
        self._files = files
        self.count = dict.fromkeys(FILES, 0)

    def take(self, envelope: Envelope) -> None:
        self.count[envelope.kind] += 1
        self._files[envelope.kind].write(envelope.body + b"\n")


@contextmanager
def _written(out: Path, *, force: bool) -> Iterator[_Points]:
    """The output files, under temporary names until they are complete."""
    existing = [str(out / name) for name in FILES.values() if (out / name).exists()]
    if existing and not force:
        raise ConfigError(f"{existing[0]} exists: choose another folder, or --force to replace it")
    try:
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".replay.", dir=out) as folder, ExitStack() as stack:
            new = {kind: Path(folder) / name for kind, name in FILES.items()}
            yield _Points({k: stack.enter_context(path.open("wb")) for k, path in new.items()})
            stack.close()
            for path in new.values():
                path.replace(out / path.name)
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror or error}") from error


def _summary(figures: Mapping[str, Any]) -> str:
    return (
        f"{figures['line']}: {figures['samples']:,} samples in {figures['looks']:,} ticks gave "
        f"{figures['alerts']:,} alert transitions and {figures['summaries']:,} summaries, "
        f"in {figures['seconds']:.1f} s; see {figures['out']}"
    )
