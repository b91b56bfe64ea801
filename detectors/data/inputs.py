"""The data of a training, an import or a backtest: as recorded, and as the line would take it.

Promises
- A line file is read as by `andon run`, and applies as on the line: bounds, `no_value`, texts of
  enumerations. Nothing is scaled: values are taken in the tags' units.
- What was made missing, left out or assumed is in `remarks`, one sentence each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from detectors.data.line_file import LineFile, read_line_file
from detectors.data.recordings import Recording, read
from gateway.api.contracts import ConfigError
from gateway.api.model import Nanos, Tag
from gateway.history.as_live import ASK, NoValues, as_live
from gateway.history.reading import current, reading_as


@dataclass(frozen=True, slots=True)
class Inputs:
    """A recording, the tags that its columns belong to, and what is to be said about it.

    `tags` is by column, and empty without a line file.
    """

    recording: Recording
    line: LineFile | None
    tags: Mapping[str, Tag]
    remarks: tuple[str, ...] = ()

    @property
    def periods(self) -> dict[str, Nanos]:
        """Expected periods by column, ns."""
        return {column: tag.period for column, tag in self.tags.items()}

    @property
    def units(self) -> dict[str, str]:
        """Units by column."""
        return {column: tag.unit for column, tag in self.tags.items()}

    def only(self, columns: Sequence[str]) -> "Inputs":
        """The inputs with these columns only."""
        return replace(self, recording=self.recording.only(columns))

    def named_as(self, names: Sequence[str]) -> "Inputs":
        """The inputs with these names of a model for the columns that are named after the tags."""
        recording, mapped = self.recording, self.line.mapped if self.line else {}
        column = {
            mapped[name]: name
            for name in names
            if name not in recording.names and mapped.get(name) in recording.names
        }
        renamed = tuple(column.get(name, name) for name in recording.names)
        tags = {column.get(name, name): tag for name, tag in self.tags.items()}
        return replace(self, recording=recording._replace(names=renamed), tags=tags)

    def noting(self, remarks: Sequence[str]) -> "Inputs":
        """The inputs with further remarks; empty ones are left out."""
        return replace(self, remarks=(*self.remarks, *filter(None, remarks)))

    def as_live(self, no_values: NoValues = ASK, exempt: Sequence[str] = ()) -> "Inputs":
        """The inputs without the values that a line calls bad; `exempt`: no measurements."""
        _check_is_scaled(self)
        live = as_live(self.recording, self.tags, no_values, exempt)
        return replace(self, recording=live.recording).noting(live.remarks)


def read_inputs(
    paths: Sequence[Path], line_file: Path | None, bundle: Path | None = None
) -> Inputs:
    """Reads recordings, or the line's own history if there are none; ConfigError.

    `bundle`: the model for which a detector of the line may map columns to tags.
    """
    line = read_line_file(line_file, bundle) if line_file else None
    if not paths and line is None:
        raise ConfigError("no data: give a recording, or the line file whose history is to be used")
    folder = line.history() if line is not None and not paths else None
    with reading_as(replace(current(), texts=line.texts if line else {})):
        recording = read([folder] if folder else paths)
    tags = line.of_columns(recording.names) if line else {}
    remarks: list[str] = []
    if folder is not None and line is not None:
        remarks.append(f"history of {line.config.line} in {folder}")
    if line is not None and not all(path.is_dir() for path in paths):
        remarks += _not_scaled(line, tags)
    return Inputs(recording, line, tags, tuple(remarks))


def _not_scaled(line: LineFile, tags: Mapping[str, Tag]) -> list[str]:
    scaled = [tag.name for tag in tags.values() if line.scale_of(tag) != (1.0, 0.0)]
    if not scaled:
        return []
    not_applied = f"`scale` and `offset` of {listed(scaled)} are not applied to it"
    return [f"not scaled: the data is taken in the tags' units, {not_applied}"]


def listed(names: Sequence[str]) -> str:
    """The names, at most twenty of them, and the number of the others."""
    more = f" and {len(names) - 20:,} more" if len(names) > 20 else ""
    return f"{', '.join(names[:20])}{more}"


def _check_is_scaled(inputs: Inputs) -> None:
    """ConfigError if most values of a tag are impossible, and would not be if they were scaled."""
    line, recording = inputs.line, inputs.recording
    for column, name in enumerate(recording.names):
        tag = inputs.tags.get(name)
        scale, offset = line.scale_of(tag) if line and tag else (1.0, 0.0)
        if line is None or tag is None or (scale, offset) == (1.0, 0.0):
            continue
        values = recording.values[:, column]
        middle = float(np.nanmedian(values)) if np.isfinite(values).any() else 0.0
        if not _possible(tag, middle) and _possible(tag, middle * scale + offset):
            raise ConfigError(
                f"{name}: most values are impossible, as {middle:g}, and possible once scaled as "
                f"in {line.path} (scale {scale:g}, offset {offset:g}): the data seems to hold raw "
                f"values; convert them to {tag.unit or 'the unit of the tag'}, since andon scales "
                "no recording"
            )


def _possible(tag: Tag, value: float) -> bool:
    return (tag.low is None or value >= tag.low) and (tag.high is None or value <= tag.high)
