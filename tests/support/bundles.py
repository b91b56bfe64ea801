"""Small model bundles and plant-like data for tests, made by the real training code."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from detectors.data.recordings import Recording
from detectors.models.export import graph_bytes
from detectors.training.choose import choose
from detectors.training.learn import TrainedModel, examples, learn
from detectors.training.prepare import TrainingOptions, prepare
from detectors.training.publish import ModelIdentity, manifest_for, write_bundle
from gateway.api.model import SECOND, Tag, Window

NAMES = ("speed", "flow", "pressure", "current")
UNITS = {"speed": "rpm", "flow": "m3/h", "pressure": "bar", "current": "A"}
TAGS = {name: Tag(name, "plc", SECOND, UNITS[name]) for name in NAMES}
START = 1_767_225_600 * SECOND


def recording(
    rows: int = 1200, seed: int = 1, level: float = 0.0, spread: float = 1.0
) -> Recording:
    """Four tags that follow one hidden load; `level` and `spread` place the first one anywhere."""
    rng = np.random.default_rng(seed)
    load = np.sin(np.arange(rows) / 17) + np.sin(np.arange(rows) / 53)
    noise = rng.normal(0, 0.05, (rows, 4))
    values = np.stack((load, 2 * load, -load, load**2), axis=1) + noise
    values[:, 0] = level + spread * values[:, 0]
    times = START + np.arange(1, rows + 1, dtype=np.int64) * SECOND
    return Recording(NAMES, times, values, {})


def write_csv(path: Path, source: Recording) -> Path:
    """The recording as `andon train` reads it."""
    lines = [",".join(("timestamp", *source.names))]
    for at, row in zip(source.times, source.values, strict=True):
        moment = datetime.fromtimestamp(int(at) / 1e9, UTC).isoformat()
        lines.append(",".join((moment, *map(repr, row.tolist()))))
    path.write_text("\n".join(lines) + "\n")
    return path


def learnt(
    source: Recording | None = None,
    say: Callable[[str], None] = lambda _step: None,
    methods: Sequence[str] = ("pca",),
    **wishes: object,
) -> TrainedModel:
    """A model of this recording, with windows of ten rows unless wished otherwise."""
    asked = {"window": 10 * SECOND} | wishes
    return learn(source or recording(), TrainingOptions(**asked), say, methods)


def untried(source: Recording, *methods: str, window: int | None = 10 * SECOND) -> TrainedModel:
    """The same without its test on the newest part, which takes as long again."""
    prepared = prepare(source, TrainingOptions(window=window))
    windows = prepared.windows
    choice = choose(windows, prepared.lag, prepared.recency, methods, lambda _step: None)
    graph, golden = graph_bytes(choice.model), examples(prepared, choice)
    return TrainedModel(prepared, choice, graph, golden, len(source.times), {}, None, None)


def write(folder: Path, model: TrainedModel | None = None) -> Path:
    """A bundle in `folder`/pump."""
    model = model or learnt()
    identity = ModelIdentity(id="pump", version="1", created=datetime(2026, 1, 1, tzinfo=UTC))
    path = folder / "pump"
    write_bundle(path, manifest_for(model, identity, UNITS), model.graph)
    return path


def window(values: np.ndarray, end: int = START + 1000 * SECOND) -> Window:
    """A window float64[time, tag] at 1 s; NaN is what was not observed."""
    start = end - (len(values) - 1) * SECOND
    return Window(start, SECOND, values, ~np.isnan(values))


def windows(source: Recording, length: int = 10) -> list[Window]:
    """Every window of a gapless recording."""
    return [
        window(source.values[end - length : end], int(source.times[end - 1]))
        for end in range(length, len(source.times) + 1)
    ]
