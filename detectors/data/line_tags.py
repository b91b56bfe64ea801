"""What a line file says of its tags: names, units and periods, nothing else.

Training reads the file as plain YAML, since its full check belongs to the gateway (`andon check`).
Keys it does not know are passed over; what it knows must have the right shape.
"""

from pathlib import Path
from typing import Any, NamedTuple

from gateway.api.contracts import ConfigError
from gateway.api.model import Nanos
from gateway.api.options import parse_duration


class LineTag(NamedTuple):
    """A tag's unit and its expected period in ns, where the file gives one."""

    unit: str
    period: Nanos | None


def read_line_tags(path: Path) -> dict[str, LineTag]:
    """The tags of a line by name; ConfigError where the file cannot be understood."""
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
        raise ConfigError(f"{path} is no line file; `andon check {path}` says why") from error
    if not tags:
        raise ConfigError(f"{path} names no tags")
    return tags


def _tag(source: dict[str, Any], options: Any) -> LineTag:
    # A tag may be written in a short form that has neither unit nor period.
    given = options if isinstance(options, dict) else {}
    period = given.get("period", source.get("period"))
    return LineTag(str(given.get("unit", "")), None if period is None else parse_duration(period))
