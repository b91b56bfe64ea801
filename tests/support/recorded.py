"""Recorded history for tests: the simulated plant as a daemon would have taken it in."""

from itertools import groupby
from types import SimpleNamespace

import numpy as np

from connectors.simulator import configuration
from connectors.simulator.pump import EPOCH
from connectors.simulator.recording import Recipe, rows
from connectors.simulator.signals import TAGS
from gateway.api.model import SECOND, SampleBatch
from gateway.config.load import load
from gateway.history.archive import HOUR, Archive

OPTIONS = SimpleNamespace(max_bytes=2**40, max_age=2**62, flush=60 * SECOND)
LATENCY = 30_000_000


def line_file(folder, bundle=None):
    """The simulated plant's line file; nothing runs there."""
    options = {"bundle": str(bundle)} if bundle else {}
    file = folder / "line.yaml"
    file.write_text(f"{configuration.line_file(**options)}\nstate: state\n")
    return file


def record(file, length, joined=True, **recipe):
    """`length` ns of the plant in the history folder of that line, a flush a minute."""
    config = load(file)
    names = [tag.name for tag in config.tags]
    facts = {"line": config.line, "started": str(recipe.get("start", EPOCH) + LATENCY)}
    folder = config.places.state / "history"
    archive = Archive(folder, OPTIONS, facts, names, reserve=0)
    columns = [TAGS.index(name) for name in names]
    recording = rows(Recipe(length, **recipe))
    for _, minute in groupby(recording, key=lambda row: row[0] // (60 * SECOND)):
        arrivals = list(_arrivals(minute, columns))
        archive.store(arrivals)
    if joined:
        archive.maintain(arrivals[-1][0] + HOUR)
    return folder


def _arrivals(minute, columns):
    """Each row arrives late; the line also looked half way between, and found nothing."""
    for at, readings in minute:
        values = np.array(readings)[columns]
        number = np.arange(len(columns), dtype=np.int32)
        good = np.zeros(len(columns), dtype=np.uint8)
        yield at + LATENCY, SampleBatch(number, np.full(len(columns), at), values, good)
        yield at + LATENCY + SECOND // 4, None
