"""Records the plant to a file as fast as it can be computed, without servers.

Promises
- A row holds the value of each tag that a poller would have read at its time.
- One column `timestamp` (UTC; ISO 8601 in CSV, nanoseconds in Parquet), then one per tag.
- The same seed, start and sample give the same file.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from connectors.simulator.instruments import Readings
from connectors.simulator.mqtt_publisher import iso
from connectors.simulator.pump import EPOCH, STEP, Plant
from connectors.simulator.signals import TAGS
from gateway.api.contracts import ConfigError
from gateway.api.extras import how_to_install
from gateway.api.model import SECOND, Nanos

Row = tuple[int, Readings]
_CHUNK = 3600


class Recipe(NamedTuple):
    """What to record; times in ns. A fault begins `fault_after` the start.

    `fault_over` is the time a slow fault takes to its full severity, after which it grows on.
    `stops` lists when the pump stops, each as the time after the start and the length.
    """

    length: Nanos
    seed: int = 1
    start: Nanos = EPOCH
    sample: Nanos = SECOND // 2
    fault: str | None = None
    fault_after: Nanos = 0
    fault_over: Nanos | None = None
    stops: Sequence[tuple[Nanos, Nanos]] = ()

    def is_stopped(self, since: Nanos) -> bool:
        """True if the pump is stopped at this time after the start."""
        return any(begin <= since < begin + length for begin, length in self.stops)


def rows(recipe: Recipe) -> Iterator[Row]:
    """Time in ns and readings, every `sample`; the first one `sample` after the start."""
    if recipe.sample <= 0 or recipe.sample % STEP:
        raise ConfigError("the sample must be a multiple of 100ms, the plant's own step")
    plant = Plant(recipe.seed, start=recipe.start)
    every = recipe.sample // STEP
    waiting = recipe.fault
    over = None if recipe.fault_over is None else recipe.fault_over / SECOND
    for _ in range(recipe.length // recipe.sample):
        for _ in range(every):
            plant.is_running = not recipe.is_stopped(plant.at - recipe.start)
            if waiting is not None and plant.at - recipe.start >= recipe.fault_after:
                plant.inject(waiting, over)
                waiting = None
            plant.step()
        yield plant.at, plant.readings()


def record(path: Path, recipe: Recipe, progress: Callable[[float], None] = lambda _: None) -> int:
    """Writes the file, returns its number of rows; `progress` gets the share done, 0 to 1."""
    total, written, chunk = recipe.length // recipe.sample, 0, list[Row]()
    with _writer(path) as write:
        for row in rows(recipe):
            chunk.append(row)
            if len(chunk) == _CHUNK or written + len(chunk) == total:
                write(chunk)
                written, chunk = written + len(chunk), []
                progress(written / total)
    return written


@contextmanager
def _writer(path: Path) -> Iterator[Callable[[list[Row]], None]]:
    kinds = {".csv": _csv_writer, ".parquet": _parquet_writer}
    if path.suffix not in kinds:
        raise ConfigError(f"{path} must end in .csv or .parquet")
    try:
        with kinds[path.suffix](path) as write:
            yield write
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error


@contextmanager
def _csv_writer(path: Path) -> Iterator[Callable[[list[Row]], None]]:
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(("timestamp", *TAGS))
        yield lambda chunk: out.writerows(
            (iso(at), *[f"{value:.10g}" for value in readings]) for at, readings in chunk
        )


@contextmanager
def _parquet_writer(path: Path) -> Iterator[Callable[[list[Row]], None]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ConfigError(
            f"Parquet needs pyarrow: {how_to_install('train')}; or record to a .csv file"
        ) from error
    columns = [pa.field("timestamp", pa.timestamp("ns", tz="UTC"))]
    schema = pa.schema([*columns, *(pa.field(tag, pa.float64()) for tag in TAGS)])
    with pq.ParquetWriter(path, schema) as out:

        def write(chunk: list[Row]) -> None:
            values = zip(*(readings for _, readings in chunk), strict=True)
            arrays = [[at for at, _ in chunk], *map(list, values)]
            out.write_table(pa.table(arrays, schema=schema))

        yield write
