"""What training and scoring need of a line file, which is read as by every other command.

A recorded column belongs to the tag of its name, or to the tag that an onnx detector of the line
maps it to: `tags: {"Öldruck": oil}`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.api.contracts import ConfigError
from gateway.api.model import Tag
from gateway.config.load import LineConfig, load
from gateway.history.own import own_history


@dataclass(frozen=True, slots=True)
class LineFile:
    """The tags of a line by name, and the columns that are mapped to one of them."""

    path: Path
    config: LineConfig
    tags: Mapping[str, Tag]
    mapped: Mapping[str, str]

    def of_columns(self, columns: Iterable[str]) -> dict[str, Tag]:
        """The tags that these columns belong to, by column; ConfigError if two share one."""
        found: dict[str, Tag] = {}
        owner: dict[str, str] = {}
        for column in columns:
            tag = self.tags.get(column) or self.tags.get(self.mapped.get(column, ""))
            if tag is None:
                continue
            other = owner.setdefault(tag.name, column)
            if other != column:
                raise ConfigError(
                    f"the columns {other!r} and {column!r} both belong to the tag {tag.name}: "
                    "keep one of them in the data"
                )
            found[column] = tag
        return found

    @property
    def texts(self) -> dict[str, Mapping[str, float]]:
        """Numbers of the texts of enumerations, by the columns that belong to them."""
        of_tags = {name: tag.texts for name, tag in self.tags.items()}
        return of_tags | {name: of_tags.get(tag, {}) for name, tag in self.mapped.items()}

    def scale_of(self, tag: Tag) -> tuple[float, float]:
        """Scale and offset that the tag's connector applies to raw values; (1, 0) for none."""
        tags = getattr(self.config.sources.get(tag.source), "tags", {})
        options = tags.get(tag.name) if isinstance(tags, Mapping) else None
        return _number(options, "scale", 1.0), _number(options, "offset", 0.0)

    def history(self) -> Path:
        """The folder of the line's own history; ConfigError if there is none."""
        return own_history(self.config)


def _number(options: Any, name: str, otherwise: float) -> float:
    given = getattr(options, name, otherwise)
    return float(given) if isinstance(given, int | float) else otherwise


def read_line_file(path: Path, bundle: Path | None = None) -> LineFile:
    """Reads a line file; ConfigError with all that is wrong.

    The mapping is that of the detector with this bundle, or else of all onnx detectors.
    """
    if not path.is_file():
        raise ConfigError(f"{path} cannot be read: there is no such file")
    config = load(path)
    mappings = {
        (path.parent / detector.bundle).resolve(): dict(detector.tags)
        for detector in config.detectors.values()
        if detector.type == "onnx"
    }
    of_bundle = mappings.get(bundle.resolve()) if bundle else None
    every = {name: tag for mapping in mappings.values() for name, tag in mapping.items()}
    mapped = every if of_bundle is None else of_bundle
    return LineFile(path, config, {tag.name: tag for tag in config.tags}, mapped)
