"""`andon train`: from recorded normal running to a bundle for a line."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from detectors.commands.parameters import (
    BudgetParameter,
    ConditionParameter,
    check_extra,
    model_identity,
    no_value_option,
    split_files,
)
from gateway.api import progress
from gateway.api.click_types import DURATION
from gateway.api.contracts import ConfigError
from gateway.api.json_values import finite
from gateway.api.model import Nanos
from gateway.api.visible import LINES, visible
from gateway.history.reader_options import reader_options

_PATH = click.Path(path_type=Path)


@click.command("train")
@click.argument("files", nargs=-1, type=_PATH, metavar="[LINE.yaml]")
@click.option(
    "--data",
    multiple=True,
    type=_PATH,
    help="CSV, Parquet or history; may be repeated.  [default: the line's own history]",
)
@reader_options
@click.option("--out", required=True, type=_PATH, help="Folder of the bundle.")
@click.option("--name", help="Id of the model.  [default: name of the folder]")
@click.option("--model-version", help="Version of the model.  [default: time in UTC]")
@click.option("--tags", help="Use only these tags, separated by commas.")
@click.option("--period", type=DURATION, help="Time between two rows.  [default: that of the data]")
@click.option("--window", type=DURATION, help="Length of a window.  [default: at most 29 periods]")
@click.option("--hop", type=DURATION, help="Time between two windows.  [default: one period]")
@click.option(
    "--when",
    multiple=True,
    type=ConditionParameter(),
    help="Use only data in which this held, as in 'speed > 100'; if repeated, all must hold.",
)
@click.option(
    "--settle",
    type=DURATION,
    default="0s",
    help="How long --when must have held before: the duration of a start-up.",
)
@click.option(
    "--labels",
    help="Column that is not 0 during faults, or a .csv file of `andon alarms LINE.yaml labels`: "
    "excluded from training, used to compare candidates.",
)
@click.option(
    "--candidates",
    help="Methods to try, separated by commas, in order of preference: regimes, mahalanobis, pca, "
    "kmeans, statistics, autoencoder, robust, forest, lof.  [default: the first six]",
)
@click.option(
    "--false-alarms",
    type=BudgetParameter(),
    help="Budget of false alarms, as in '1 per week'.  [default: as few as the data supports]",
)
@click.option(
    "--report", "page", type=_PATH, help="HTML file of the report.  [default: beside the bundle]"
)
@click.option("--no-report", is_flag=True, help="Do not write an HTML report.")
@no_value_option
@click.option("--force", is_flag=True, help="Replace an existing bundle and its report.")
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
    no_values: Any,
) -> None:
    """Train a model on recorded normal running, and write a bundle.

    The data is wide: one column of times and one column per tag. With a line file only its tags are
    used, with their units, and what the line would call bad (low, high, no_value) is not learnt
    from; without one every column is a tag. Without --data the line's own history is used.
    """
    check_extra()
    started = time.perf_counter()
    # These import numerical libraries, which would slow down `andon --help`.
    from detectors.data.labels import NO_INTERVALS, is_file_of_labels, read_labels
    from detectors.training.job import Job, run
    from detectors.training.prepare import TrainingOptions
    from detectors.training.report import as_text, as_values

    line, recordings = split_files((*files, *data))
    page = None if no_report else _page(page, out, force)
    intervals = NO_INTERVALS
    if labels is not None and is_file_of_labels(labels):
        intervals, labels = read_labels(Path(labels)), None
    job = Job(
        recordings,
        out,
        model_identity(name or out.absolute().name, model_version),
        TrainingOptions(
            period,
            window,
            hop,
            false_alarms=false_alarms,
            running=_running(when, settle),
            labels=labels,
            intervals=intervals,
        ),
        line,
        [tag.strip() for tag in (tags or "").split(",") if tag.strip()],
        force,
        _methods(candidates),
        no_values,
    )
    with progress.steps() as on_step:
        trained, manifest, inputs = run(job, on_step)
        seconds = time.perf_counter() - started
        report = as_values(trained, manifest.model, out, seconds, inputs.remarks)
        report["report"] = page and str(page)
        if page is not None:
            from detectors.reporting.page import write
            from detectors.reporting.training_page import training_page

            on_step("drawing the report")
            write(page, training_page(trained, report, {t.name: t.unit for t in manifest.tags}))
    print(json.dumps(finite(report)) if as_json else visible("\n".join(as_text(report)), LINES))


def _running(when: tuple[str, ...], settle: Nanos) -> Any:
    from detectors.training.running import Running

    if settle and not when:
        raise click.UsageError("--settle needs --when, which is not given")
    return Running(when, settle)


def _page(requested: Path | None, bundle: Path, force: bool) -> Path:
    """Path of the report; ConfigError if it cannot be written, or would replace another file."""
    from detectors.reporting.page import check_file

    page = requested or bundle.with_name(f"{bundle.name}.html")
    if requested is not None:
        check_file(page)
    elif page.exists() and not force:
        raise ConfigError(f"{page} exists: choose another --report, or use --force to replace it")
    return page


def _methods(requested: str | None) -> Sequence[str]:
    from detectors.training.choose import DEFAULT_METHODS, METHODS

    names = [name.strip() for name in (requested or "").split(",") if name.strip()]
    unknown = [name for name in names if name not in METHODS]
    if unknown:
        raise click.UsageError(
            f"--candidates: unknown method {unknown[0]!r}; choose from {', '.join(METHODS)}"
        )
    return tuple(dict.fromkeys(names)) or DEFAULT_METHODS
