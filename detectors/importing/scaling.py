"""Scaling of the inputs of a foreign model.

A model needs the scaling it was trained with. If that is not the mean and standard deviation of
normal data, its author supplies it as a JSON file.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gateway.api.contracts import ConfigError
from gateway.api.files import FileUnreadable, read_text
from gateway.api.model import Floats
from gateway.api.wording import listed

LARGEST = 1_000_000
"""Bytes of a file with the scaling."""
_LARGEST_NUMBER = 1e100
_PAIRS = (("mean", "std"), ("min", "max"))


@dataclass(frozen=True, slots=True)
class Scaling:
    """Scaling (value - offset) / scale; mean and std are of normal data. Each float64[tag]."""

    offset: Floats
    scale: Floats
    mean: Floats
    std: Floats
    description: str = ""


def scaling_for(scaling: str, names: Sequence[str], windows: Floats) -> Scaling:
    """Scaling by `standard`, `none`, or a JSON file with mean and std, or min and max, of each tag.

    `windows` float64[window, time, tag] of normal running. ConfigError if a tag is constant in
    them, or the file is incomplete.
    """
    rows = windows[:, -1]
    mean, std = rows.mean(axis=0), rows.std(axis=0)
    constant = [name for name, spread in zip(names, std, strict=True) if not spread]
    if constant:
        raise ConfigError(
            f"{', '.join(constant)}: constant in the data: record data in which it varies"
        )
    if scaling == "standard":
        return Scaling(mean, std, mean, std, "(value - mean) / std per tag, inside the graph")
    if scaling == "none":
        none = np.zeros_like(mean), np.ones_like(std)
        return Scaling(*none, mean, std, "none: the model takes engineering units")
    offset, scale = _of_file(Path(scaling), names)
    return Scaling(offset, scale, mean, std, "given by the model's author, inside the graph")


def _of_file(path: Path, names: Sequence[str]) -> tuple[Floats, Floats]:
    try:
        content = json.loads(read_text(path, LARGEST))
    except FileUnreadable as error:
        raise ConfigError(f"--scaling is standard, none or a JSON file; {error}") from error
    except (ValueError, RecursionError) as error:
        why = (
            error
            if isinstance(error, json.JSONDecodeError)
            else "it is nested too deeply, or has a number of thousands of digits"
        )
        raise ConfigError(
            f"--scaling is standard, none or a JSON file; {path} cannot be read as JSON: {why}"
        ) from error
    pair = next((p for p in _PAIRS if isinstance(content, dict) and set(p) <= set(content)), None)
    if pair is None:
        raise ConfigError(f'{path} must contain {{"mean": …, "std": …}} or {{"min": …, "max": …}}')
    first, second = (_numbers(path, key, content[key], names) for key in pair)
    scale = second if pair[0] == "mean" else second - first
    if not (scale > 0).all():
        raise ConfigError(f"{path}: {pair[1]} must be above {'0' if pair[0] == 'mean' else 'min'}")
    return first, scale


def _numbers(path: Path, key: str, given: Any, names: Sequence[str]) -> Floats:
    """One number for each tag: a list in the order of the tags, or a mapping by name."""
    if isinstance(given, Mapping):
        lacking = [name for name in names if name not in given]
        if lacking:
            raise ConfigError(f"{path}: {key} lacks a number for {listed(lacking)}")
        given = [given[name] for name in names]
    if not isinstance(given, list) or len(given) != len(names) or not all(map(_is_number, given)):
        raise ConfigError(f"{path}: {key} must be {len(names)} finite numbers, one for each tag")
    return np.array(given, dtype=np.float64)


def _is_number(value: Any) -> bool:
    """Whether it is a number as small as a measurement."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and abs(value) <= _LARGEST_NUMBER
