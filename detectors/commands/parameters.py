"""Parameters that the commands share: types of options, and what arguments become."""

from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from gateway.api.contracts import ConfigError
from gateway.api.extras import how_to_install
from gateway.api.model import Nanos

_EXTRA = {
    "jinja2": "jinja2",
    "matplotlib": "matplotlib",
    "onnx": "onnx",
    "pyarrow": "pyarrow",
    "sklearn": "scikit-learn",
}


class BudgetParameter(click.ParamType[Nanos]):
    """A budget of false alarms, as in '1 per week', as the time between two in ns."""

    name = "budget"

    def convert(self, value: Any, param: Any, ctx: Any) -> Nanos:
        from detectors.bundle.threshold import parse_budget

        try:
            return parse_budget(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class NoValueParameter(click.ParamType[Any]):
    """A number that means no value, as in '-9999' or 'flow=-9999'; 'none' is None."""

    name = "number"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        from gateway.history.as_live import NoValue

        column, _, number = str(value).rpartition("=")
        if value == "none":
            return None
        try:
            return NoValue(float(number), column.strip() or None)
        except ValueError:
            self.fail(f"{value!r} must be a number, TAG=number, or none", param, ctx)


def _no_values(_context: Any, parameter: Any, given: tuple[Any, ...]) -> Any:
    from gateway.history.as_live import NoValues

    if None in given and len(given) > 1:
        raise click.BadParameter(
            "none excludes every number: give only one of them", param=parameter
        )
    numbers = tuple(each for each in given if each is not None)
    return NoValues(numbers, search=None not in given)


no_value_option = click.option(
    "--no-value",
    "no_values",
    multiple=True,
    type=NoValueParameter(),
    callback=_no_values,
    help="A number that means no value, as in -9999 or flow=-9999; none: there is none, do not "
    "look for any.",
)
"""Adds --no-value, as a NoValues."""


class ConditionParameter(click.ParamType[str]):
    """A condition, as in 'speed > 100', as validated text."""

    name = "condition"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        from gateway.api.conditions import parse_condition

        try:
            parse_condition(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


def check_extra() -> None:
    """ConfigError if a package of the extra `train` is not installed."""
    missing = [package for module, package in _EXTRA.items() if find_spec(module) is None]
    if missing:
        raise ConfigError(f"{', '.join(missing)} not installed: {how_to_install('train')}")


def model_identity(name: str, version: str | None) -> Any:
    """A ModelIdentity created now; the version defaults to the time."""
    from detectors.training.publish import ModelIdentity

    now = datetime.now(UTC).replace(microsecond=0)
    version = version or now.strftime("%Y%m%dT%H%M%SZ")
    try:
        return ModelIdentity(id=name, version=version, created=now)
    except ValidationError as error:
        raise click.UsageError(
            f"{name!r} and {version!r} must be valid file names: letters, digits, '_', '-' and "
            "'.'; choose them with --name and --model-version"
        ) from error


def split_files(files: tuple[Path, ...]) -> tuple[Path | None, list[Path]]:
    """Splits arguments by suffix into the line file and the data, so that `--data *.csv` works."""
    lines = [file for file in files if file.suffix in (".yaml", ".yml")]
    data = [file for file in files if file not in lines]
    if len(lines) > 1:
        raise click.UsageError(f"only one line file is allowed, not {', '.join(map(str, lines))}")
    if not data and not lines:
        raise click.UsageError(
            "no data: give a CSV or Parquet file, or the LINE.yaml whose history is to be used"
        )
    return next(iter(lines), None), data
