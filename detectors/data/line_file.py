"""Names, units and periods of the tags of a line file.

Training reads the file as plain YAML, since the full check belongs to the gateway (`andon check`).
Unknown keys are ignored; known keys must have the right shape.
"""

from pathlib import Path
from typing import Any, NamedTuple

from gateway.api.contracts import ConfigError
from gateway.api.model import Nanos
from gateway.api.options import parse_duration


class LineTag(NamedTuple):
    """Unit of a tag, and its expected period in ns, or None."""

    unit: str
    period: Nanos | None


def read_line_tags(path: Path) -> dict[str, LineTag]:
    """Reads the tags of a line file, by name; ConfigError if it is not one."""
    import yaml
    import yamlcore

    try:
        content = yaml.load(path.read_text("utf-8"), Loader=yamlcore.CCoreLoader)  # noqa: S506 - a safe loader for YAML 1.2
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    try:
        tags = {
            name: _tag(source, options)
            for source in content["sources"].values()
            for name, options in source["tags"].items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{path} is not a line file: run `andon check {path}` for the reason"
        ) from error
    if not tags:
        raise ConfigError(f"{path} has no tags")
    return tags


def _tag(source: dict[str, Any], options: Any) -> LineTag:
    # The short form of a tag has neither unit nor period.
    given = options if isinstance(options, dict) else {}
    period = given.get("period", source.get("period"))
    return LineTag(str(given.get("unit", "")), None if period is None else parse_duration(period))
