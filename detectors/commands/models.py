"""`andon models import`: a model made with PyTorch, Keras or scikit-learn, as a bundle of ours."""

import json
from pathlib import Path
from typing import Any

import click

from detectors.commands.train import Budget, check_extra, identity, split_files
from detectors.importing.signature import KINDS, LAYOUTS
from gateway.api import progress
from gateway.api.click_types import DURATION

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
    help="Normal running, CSV or Parquet; may be given repeatedly.",
)
@click.option("--out", required=True, type=_PATH, help="Folder of the bundle to write.")
@click.option("--name", help="The model's id; the folder's name if not given.")
@click.option("--model-version", help="The model's version; the time in UTC if not given.")
@click.option("--tags", help="The model's tags in its own order, separated by commas.")
@click.option("--kind", type=click.Choice(KINDS), help="What the model gives.")
@click.option("--layout", type=click.Choice(LAYOUTS), help="How it takes a window.")
@click.option("--input", "input_name", help="The input's name, if there are several.")
@click.option("--output", "output_name", help="The output's name, if there are several.")
@click.option(
    "--scaling",
    default="standard",
    show_default=True,
    help="standard: by mean and std of the data; none; or a JSON file with mean and std "
    "or min and max of each tag.",
)
@click.option("--lower-is-worse", is_flag=True, help="A low score is strange, as in scikit-learn.")
@click.option(
    "--threshold",
    type=click.FloatRange(min=0, min_open=True),
    help="Alarm above this; calibrated on the data if not given.",
)
@click.option(
    "--false-alarms",
    type=Budget(),
    help="As many as may be borne, as in '1 per week'; as few as the data allows if not given.",
)
@click.option("--period", type=DURATION, help="The grid; the data's own step if not given.")
@click.option("--window", type=DURATION, help="What the model sees; its own if it is fixed.")
@click.option("--hop", type=DURATION, help="Distance of two windows; one period if none.")
@click.option("--quantize", is_flag=True, help="Try 8 bits, and keep them if it costs nothing.")
@click.option("--force", is_flag=True, help="Replace the bundle that is there.")
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
    **wishes: Any,
) -> None:
    """Make a bundle of MODEL.onnx, calibrated on normal running.

    It may reconstruct its window, forecast the next row, or give a probability or a score. What
    follows from its shapes need not be said.
    """  # fmt: skip
    check_extra()
    if wishes["threshold"] and wishes["false_alarms"]:
        raise click.UsageError("--threshold and --false-alarms set the same: give one of them")
    from detectors.importing.job import Import, run
    from detectors.importing.report import as_text, as_values
    from detectors.importing.signature import SignatureHints

    line, recordings = split_files((*files, *data))
    job = Import(
        model,
        recordings,
        out,
        identity(name or out.absolute().name, model_version),
        SignatureHints(wishes.pop("kind"), wishes.pop("layout"), None, input_name, output_name),
        line,
        [tag.strip() for tag in (tags or "").split(",") if tag.strip()],
        **wishes,
    )
    with progress.steps() as say:
        done = run(job, say)
    report = as_values(done, out)
    print(json.dumps(report) if as_json else "\n".join(as_text(report)))
