"""Recordings of other systems, CSV and Parquet."""

from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from fuzzing.targets import check_sentence
from gateway.api.contracts import ConfigError
from gateway.history.reading import Reading
from gateway.history.wide import read_file

_FOLDER = Path(mkdtemp(prefix="andon-fuzz-"))


def _read(name: str, data: bytes) -> None:
    path = _FOLDER / name
    path.write_bytes(data)
    try:
        recording = read_file(path, Reading(tell=lambda _sentence: None))
    except ConfigError as error:
        check_sentence(str(error))
        return
    assert recording.values.shape == (len(recording.times), len(recording.names))
    assert (np.diff(recording.times) >= 0).all()
    assert not np.isinf(recording.values).any()
    for note in recording.notes:
        check_sentence(note)


def csv(data: bytes) -> None:
    """A text file."""
    _read("recorded.csv", data)


def parquet(data: bytes) -> None:
    """A Parquet file."""
    _read("recorded.parquet", data)
