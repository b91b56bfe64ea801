"""`andon models import`: a model from PyTorch, Keras or scikit-learn becomes a bundle."""

import json
from pathlib import Path
from typing import Any

import click

from detectors.commands.parameters import (
    BudgetParameter,
    check_extra,
    model_identity,
    no_value_option,
    split_files,
)
from detectors.importing.signature import KINDS, LAYOUTS
from gateway.api import progress
from gateway.api.click_types import DURATION
from gateway.api.json_values import finite
from gateway.api.visible import LINES, visible
from gateway.history.reader_options import reader_options

_PATH = click.Path(path_type=Path)


@click.group("models")
def models() -> None:
    """Import model bundles."""


@models.command("import")
@click.argument("model", type=_PATH, metavar="MODEL.onnx")
@click.argument("files", nargs=-1, type=_PATH, metavar="[LINE.yaml]")
@click.option(
    "--data",
    multiple=True,
    type=_PATH,
    help="Normal running: CSV, Parquet or history; may be repeated.  [default: the line's history]",
)
@reader_options
@click.option("--out", required=True, type=_PATH, help="Folder of the bundle.")
@click.option("--name", help="Id of the model.  [default: name of the folder]")
@click.option("--model-version", help="Version of the model.  [default: time in UTC]")
@click.option("--tags", help="Tags of the model, in its order, separated by commas.")
@click.option("--kind", type=click.Choice(KINDS), help="Meaning of the output.")
@click.option("--layout", type=click.Choice(LAYOUTS), help="Layout of a window in the input.")
@click.option("--input", "input_name", help="Name of the input, if there are several.")
@click.option("--output", "output_name", help="Name of the output, if there are several.")
@click.option(
    "--scaling",
    default="standard",
    show_default=True,
    help="standard: mean and std of the data; none; or a JSON file with mean and std, or min and "
    "max, of each tag.",
)
@click.option(
    "--lower-is-worse", is_flag=True, help="A low score is an anomaly, as in scikit-learn."
)
@click.option(
    "--threshold",
    type=click.FloatRange(min=0, min_open=True),
    help="Alarm above this score.  [default: calibrated on the data]",
)
@click.option(
    "--false-alarms",
    type=BudgetParameter(),
    help="Budget of false alarms, as in '1 per week'.  [default: as few as the data supports]",
)
@click.option("--period", type=DURATION, help="Time between two rows.  [default: that of the data]")
@click.option("--window", type=DURATION, help="Length of the model's input, if it is not fixed.")
@click.option("--hop", type=DURATION, help="Time between two windows.  [default: one period]")
@click.option("--quantize", is_flag=True, help="Try 8 bits; keep them if faster and as accurate.")
@no_value_option
@click.option(
    "--no-trial",
    "trial",
    is_flag=True,
    default=True,
    flag_value=False,
    help="Import it even if no disturbed window would raise an alarm.",
)
@click.option("--force", is_flag=True, help="Replace an existing bundle.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def import_model(
    model: Path,
    files: tuple[Path, ...],
    data: tuple[Path, ...],
    out: Path,
    name: str | None,
    model_version: str | None,
    tags: str | None,
    as_json: bool,
    input_name: str | None,
    output_name: str | None,
    **options: Any,
) -> None:
    """Make a bundle of MODEL.onnx, calibrated on normal running.

    The model may reconstruct its window, forecast the next row, or return a probability or a score.
    Options are only needed for what its shapes leave open.
    """  # fmt: skip
    check_extra()
    if options["threshold"] and options["false_alarms"]:
        raise click.UsageError(
            "--threshold and --false-alarms both set the threshold: give only one of them"
        )
    from detectors.importing.job import Import, run
    from detectors.importing.report import as_text, as_values
    from detectors.importing.signature import SignatureHints

    line, recordings = split_files((*files, *data))
    job = Import(
        model,
        recordings,
        out,
        model_identity(name or out.absolute().name, model_version),
        SignatureHints(options.pop("kind"), options.pop("layout"), None, input_name, output_name),
        line,
        [tag.strip() for tag in (tags or "").split(",") if tag.strip()],
        **options,
    )
    with progress.steps() as on_step:
        imported = run(job, on_step)
    report = as_values(imported, out)
    print(json.dumps(finite(report)) if as_json else visible("\n".join(as_text(report)), LINES))
