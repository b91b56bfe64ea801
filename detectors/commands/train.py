"""`andon train`: from recorded normal running to a bundle that a line can use."""

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from gateway.api import progress
from gateway.api.click_types import DURATION
from gateway.api.contracts import ConfigError
from gateway.api.model import Nanos

_EXTRA = {
    "jinja2": "jinja2",
    "matplotlib": "matplotlib",
    "onnx": "onnx",
    "pyarrow": "pyarrow",
    "sklearn": "scikit-learn",
}


class Budget(click.ParamType[Nanos]):
    name = "budget"

    def convert(self, value: Any, param: Any, ctx: Any) -> Nanos:
        from detectors.bundle.threshold import parse_budget

        try:
            return parse_budget(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Condition(click.ParamType[str]):
    """A tag against a number, as text that was found to be right."""

    name = "condition"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        from gateway.api.conditions import parse_condition

        try:
            parse_condition(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


_PATH = click.Path(path_type=Path)


@click.command("train")
@click.argument("files", nargs=-1, type=_PATH, metavar="[LINE.yaml]")
@click.option("--data", multiple=True, type=_PATH, help="CSV or Parquet; may be given repeatedly.")
@click.option("--out", required=True, type=_PATH, help="Folder of the bundle to write.")
@click.option("--name", help="The model's id; the folder's name if not given.")
@click.option("--model-version", help="The model's version; the time in UTC if not given.")
@click.option("--tags", help="Only these tags, separated by commas.")
@click.option("--period", type=DURATION, help="The grid; the data's own step if not given.")
@click.option(
    "--window", type=DURATION, help="Length of a window; at most 29 periods if not given."
)
@click.option("--hop", type=DURATION, help="Distance of two windows; one period if not given.")
@click.option(
    "--when",
    multiple=True,
    type=Condition(),
    help="Learn only from where this held, as in 'speed > 100'; given repeatedly, all of it.",
)
@click.option(
    "--settle", type=DURATION, default="0s", help="How long it must have held before, at a start."
)
@click.option(
    "--labels",
    help="Column that is not 0 where something was wrong: not learnt from, but to be found.",
)
@click.option(
    "--candidates",
    help="Methods to try, separated by commas, the preferred first: regimes, mahalanobis, pca, "
    "kmeans, statistics, autoencoder, robust, forest, lof; the first six if not given.",
)
@click.option(
    "--false-alarms",
    type=Budget(),
    help="As many as may be borne, as in '1 per week'; as few as the data allows if not given.",
)
@click.option("--report", "page", type=_PATH, help="HTML to write; beside the bundle if not given.")
@click.option("--no-report", is_flag=True, help="Write no HTML.")
@click.option("--force", is_flag=True, help="Replace the bundle that is there, and its report.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def train(
    files: tuple[Path, ...],
    data: tuple[Path, ...],
    out: Path,
    name: str | None,
    model_version: str | None,
    tags: str | None,
    as_json: bool,
    force: bool,
    page: Path | None,
    no_report: bool,
    period: Nanos | None,
    window: Nanos | None,
    hop: Nanos | None,
    candidates: str | None,
    false_alarms: Nanos | None,
    when: tuple[str, ...],
    settle: Nanos,
    labels: str | None,
) -> None:
    """Train a model on recorded normal running, and write a bundle.

    The data is wide: a column of times and one column per tag. With a line file only its tags are
    used, with their units; without one every column is a tag.
    """
    check_extra()
    started = time.perf_counter()
    # These pull in numerical libraries, which `andon --help` must not wait for.
    from detectors.training.job import Job, run
    from detectors.training.prepare import TrainingOptions
    from detectors.training.report import as_text, as_values

    line, recordings = split_files((*files, *data))
    page = None if no_report else _page(page, out, force)
    job = Job(
        recordings,
        out,
        identity(name or out.absolute().name, model_version),
        TrainingOptions(
            period,
            window,
            hop,
            false_alarms=false_alarms,
            running=_running(when, settle),
            labels=labels,
        ),
        line,
        [tag.strip() for tag in (tags or "").split(",") if tag.strip()],
        force,
        _methods(candidates),
    )
    with progress.steps() as say:
        learnt, manifest = run(job, say)
        report = as_values(learnt, manifest.model, out, time.perf_counter() - started)
        report["report"] = page and str(page)
        if page is not None:
            from detectors.reporting.page import write
            from detectors.reporting.training_page import training_page

            say("drawing the report")
            write(page, training_page(learnt, report, {t.name: t.unit for t in manifest.tags}))
    print(json.dumps(report) if as_json else "\n".join(as_text(report)))


def _running(when: tuple[str, ...], settle: Nanos) -> Any:
    from detectors.training.running import Running

    if settle and not when:
        raise click.UsageError("--settle waits after --when, which is not given")
    return Running(when, settle)


def _page(asked: Path | None, bundle: Path, force: bool) -> Path:
    """Where the report goes; ConfigError if it cannot, or would replace what was not named."""
    from detectors.reporting.page import check_file

    page = asked or bundle.with_name(f"{bundle.name}.html")
    if asked is not None:
        check_file(page)
    elif page.exists() and not force:
        raise ConfigError(f"{page} exists: name another --report, or --force to replace it")
    return page


def check_extra() -> None:
    missing = [package for module, package in _EXTRA.items() if find_spec(module) is None]
    if missing:
        raise ConfigError(
            f"learning needs {', '.join(missing)}, which a line does not: install andon[train]"
        )


def _methods(asked: str | None) -> Sequence[str]:
    from detectors.training.choose import METHODS, USUAL

    names = [name.strip() for name in (asked or "").split(",") if name.strip()]
    unknown = [name for name in names if name not in METHODS]
    if unknown:
        raise click.UsageError(
            f"--candidates: no method {unknown[0]!r}, there are {', '.join(METHODS)}"
        )
    return tuple(dict.fromkeys(names)) or USUAL


def identity(name: str, version: str | None) -> Any:
    from detectors.training.publish import ModelIdentity

    now = datetime.now(UTC).replace(microsecond=0)
    try:
        return ModelIdentity(
            id=name, version=version or now.strftime("%Y%m%dT%H%M%SZ"), created=now
        )
    except ValidationError as error:
        raise click.UsageError(
            f"{name!r} and {version!r} must do as names of files: letters, digits, '_', '-' and "
            "'.'; choose them with --name and --model-version"
        ) from error


def split_files(files: tuple[Path, ...]) -> tuple[Path | None, list[Path]]:
    """The line file and the data, told apart by suffix so that `--data *.csv` works as well."""
    lines = [file for file in files if file.suffix in (".yaml", ".yml")]
    data = [file for file in files if file not in lines]
    if len(lines) > 1:
        raise click.UsageError(f"one line file at most, not {', '.join(map(str, lines))}")
    if not data:
        raise click.UsageError("no data: add --data FILE, a CSV or Parquet file")
    return next(iter(lines), None), data
