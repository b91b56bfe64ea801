"""How values are scaled before a foreign model sees them.

A model is only right with the scaling it was trained with. Where that is not the mean and standard
deviation of normal data, its author hands it over as a JSON file.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gateway.api.contracts import ConfigError
from gateway.api.model import Floats

_PAIRS = (("mean", "std"), ("min", "max"))


@dataclass(frozen=True, slots=True)
class Scaling:
    """float64[tag] each: the model takes (value - offset) / scale; mean and std of normal data."""

    offset: Floats
    scale: Floats
    mean: Floats
    std: Floats
    words: str = ""


def scaling_for(asked: str, names: Sequence[str], windows: Floats) -> Scaling:
    """`standard`, `none`, or a JSON file with mean and std, or min and max, of each tag.

    `windows` float64[window, time, tag] of normal running. ConfigError if a tag is constant there,
    or the file does not say what it must.
    """
    rows = windows[:, -1]
    mean, std = rows.mean(axis=0), rows.std(axis=0)
    still = [name for name, spread in zip(names, std, strict=True) if not spread]
    if still:
        raise ConfigError(f"{', '.join(still)}: constant in the data, so nothing can be calibrated")
    if asked == "standard":
        return Scaling(mean, std, mean, std, "(value - mean) / std per tag, inside the graph")
    if asked == "none":
        none = np.zeros_like(mean), np.ones_like(std)
        return Scaling(*none, mean, std, "none: the model takes engineering units")
    offset, scale = _of_file(Path(asked), names)
    return Scaling(offset, scale, mean, std, "as the model's author gave it, inside the graph")


def _of_file(path: Path, names: Sequence[str]) -> tuple[Floats, Floats]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"--scaling takes standard, none or a JSON file; {path} cannot be read: {error}"
        ) from error
    pair = next((p for p in _PAIRS if isinstance(content, dict) and set(p) <= set(content)), None)
    if pair is None:
        raise ConfigError(f'{path} must hold {{"mean": …, "std": …}} or {{"min": …, "max": …}}')
    first, second = (_numbers(path, key, content[key], names) for key in pair)
    scale = second if pair[0] == "mean" else second - first
    if not (scale > 0).all():
        raise ConfigError(f"{path}: {pair[1]} must be above {'0' if pair[0] == 'mean' else 'min'}")
    return first, scale


def _numbers(path: Path, key: str, given: Any, names: Sequence[str]) -> Floats:
    """One number for each tag: a list in the order of the tags, or a mapping by name."""
    try:
        found = [given[name] for name in names] if isinstance(given, Mapping) else given
        numbers = np.array(found, dtype=np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: {key} must give a number for each tag ({error})") from error
    if numbers.shape != (len(names),) or not np.isfinite(numbers).all():
        raise ConfigError(f"{path}: {key} must be {len(names)} finite numbers, one for each tag")
    return numbers
