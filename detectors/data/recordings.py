"""Reader of recorded data: wide CSV or Parquet, or the gateway's own history as files or folder."""

from collections.abc import Sequence
from pathlib import Path

from detectors.data import history
from gateway.history.wide import Recording, joined, read_file, read_files

__all__ = ["Recording", "read"]


def read(paths: Sequence[Path]) -> Recording:
    """Reads files with the same columns, or folders of history, as one recording; ConfigError."""
    own = history.files(paths)
    wide = [path for path in paths if path not in own and not path.is_dir()]
    if not own:
        return read_files(wide)
    ours = (own[0], Recording(*history.read(own), {}))
    return joined([*((path, read_file(path)) for path in wide), ours])
