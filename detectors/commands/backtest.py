"""`andon score` and `andon backtest`: a bundle applied to recorded data."""

import csv
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from detectors.commands.parameters import (
    ConditionParameter,
    check_extra,
    no_value_option,
    split_files,
)
from gateway.api import progress
from gateway.api.click_types import DURATION
from gateway.api.contracts import ConfigError
from gateway.api.extras import how_to_install
from gateway.api.json_values import finite
from gateway.api.model import SECOND, Nanos
from gateway.api.options import format_duration
from gateway.api.visible import LINES, visible
from gateway.history.reader_options import reader_options

_PATH = click.Path(path_type=Path)


def _alarm_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the alarm options of an `onnx` detector in a line file, with the same defaults."""
    for option in (
        click.option("--threshold", type=float,
                     help="Alarm above this score.  [default: the bundle's]"),
        click.option("--hysteresis", type=float, default=0.1, show_default=True,
                     help="How far below it the score must fall to clear, as a fraction."),
        click.option("--when", multiple=True, type=ConditionParameter(),
                     help="Score only while this holds: 'speed > 100'.  [default: the bundle's]"),
        click.option("--settle", type=DURATION,
                     help="How long --when must have held before.  [default: the bundle's]"),
        click.option("--on-delay", type=DURATION,
                     help="How long the score must be above.  [default: the bundle's]"),
        click.option("--off-delay", type=DURATION,
                     help="How long the score must be below.  [default: the bundle's]"),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command("score")
@click.argument("bundle", type=_PATH)
@click.argument("data", nargs=-1, type=_PATH, metavar="[LINE.yaml] [DATA]...")
@no_value_option
@click.option("--out", required=True, type=_PATH, help="CSV file to write.")
@reader_options
@_alarm_options
def score(
    bundle: Path, data: tuple[Path, ...], out: Path, no_values: Any, **alarm: Any
) -> None:  # fmt: skip
    """Score recorded data with the model of BUNDLE, by window.

    Writes timestamp, score, threshold and alarm (0 or 1, after hysteresis and delays), with the
    code that runs live. A window without enough data has no score. With a line file, what it calls
    bad is missing; without DATA its own history is scored.
    """
    from detectors.evaluation.apply import judge

    detector = _detector(bundle, alarm)
    inputs = _inputs(bundle, data, detector.spec.tags, no_values)
    with progress.share("scoring") as on_progress:
        judged = judge(detector, inputs.recording, on_progress, inputs.periods)
    rows = zip(judged.at.tolist(), judged.score.tolist(), judged.alarm.tolist(), strict=True)
    try:
        with out.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("timestamp", "score", "threshold", "alarm"))
            for at, value, active in rows:
                text = repr(value) if value == value else ""  # noqa: PLR0124 - NaN is not itself
                writer.writerow((_timestamp(at), text, repr(judged.threshold), int(active)))
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror}") from error
    print(f"{len(judged.at)} windows scored, written to {out}")
    for remark in inputs.remarks:
        print(f"  note          {visible(remark)}")


@click.command("backtest")
@click.argument("bundle", type=_PATH)
@click.argument("data", nargs=-1, type=_PATH, metavar="[LINE.yaml] [DATA]...")
@no_value_option
@click.option("--labels", help="Column of the data that is not 0 during faults, or a .csv file of "
              "`andon alarms LINE.yaml labels`.")  # fmt: skip
@click.option("--grace", type=DURATION, default="60s", show_default=True,
              help="Recovery time after an event, left out of the graced rates.")  # fmt: skip
@click.option("--report", "page", type=_PATH, help="HTML file of the report, with plots.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@reader_options
@_alarm_options
def backtest(
    bundle: Path,
    data: tuple[Path, ...],
    labels: str | None,
    grace: Nanos,
    page: Path | None,
    as_json: bool,
    no_values: Any,
    **alarm: Any,
) -> None:
    """Report the alarms that a model would have raised on DATA.

    With labels also: detected events and delays, F1 beside that of alarming always and at random,
    false and missed alarm rates with and without the recovery time, average precision and VUS-PR.
    No point adjustment; no threshold is chosen on this data. With a line file, what it calls bad is
    missing; without DATA its own history is used. With a file of labels, unclear alarms and
    maintenance are not counted.
    """
    import numpy as np

    from detectors.data.labels import NO_INTERVALS, is_file_of_labels, read_labels, within
    from detectors.evaluation.apply import judge
    from detectors.evaluation.left_out import without
    from detectors.evaluation.report import as_text, as_values

    if page is not None:
        check_extra()
        from detectors.reporting.page import check_file

        check_file(page)
    is_file = is_file_of_labels(labels)
    intervals = read_labels(Path(labels)) if labels is not None and is_file else NO_INTERVALS
    column = None if is_file else labels
    detector = _detector(bundle, alarm)
    inputs = _inputs(bundle, data, detector.spec.tags, no_values, column)
    recording = inputs.recording
    with progress.share("scoring") as on_progress:
        judged = judge(detector, recording, on_progress, inputs.periods).at_times(recording.times)
    labelled = within(intervals.faults, recording.times) if is_file else None
    if column is not None:
        labelled = np.nan_to_num(recording.only([column]).values[:, 0]) != 0
    first, last = recording.times[0], recording.times[-1]
    if elsewhere := sum(end < first or start > last for start, end in intervals.all):
        inputs = inputs.noting([f"{elsewhere} labels lie before or after the data: {labels}"])
    left_out = within(intervals.left_out, recording.times)
    if labelled is not None and left_out.any():
        if left_out.all():
            raise ConfigError(f"{labels}: unclear alarms or maintenance cover all of the data")
        judged, labelled = without(judged, left_out), labelled[~left_out]
        recording = recording.rows(~left_out)
        remark = f"{int(left_out.sum())} rows of unclear alarms or maintenance are not counted"
        inputs = inputs.noting([remark])
    report = as_values(judged, labelled, grace) | {"remarks": list(inputs.remarks)}
    if page is not None:
        from detectors.bundle.bundle import load
        from detectors.reporting.backtest_page import backtest_page
        from detectors.reporting.page import write

        write(page, backtest_page(load(bundle).manifest, recording, judged, labelled, report))
    print(json.dumps(finite(report)) if as_json else visible("\n".join(as_text(report)), LINES))


def _inputs(
    bundle: Path,
    files: tuple[Path, ...],
    tags: Sequence[str],
    no_values: Any,
    labels: str | None = None,
) -> Any:
    """The data of these tags of the model, as the line would take it."""
    from detectors.data.inputs import read_inputs

    line, data = split_files(files)
    inputs = read_inputs(data, line, bundle).named_as(tags)
    names = inputs.recording.names
    if labels is not None and labels not in names:
        raise ConfigError(f"the data has no column {labels!r}, only {', '.join(names)}")
    wanted = [name for name in names if name in tags or name == labels]
    exempt = [name for name in wanted if name == labels and name not in tags]
    return inputs.only(wanted).as_live(no_values, exempt)


def _detector(bundle: Path, alarm: dict[str, Any]) -> Any:
    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        raise ConfigError(f"reading recorded data needs pyarrow: {how_to_install('train')}")
    from detectors.evaluation.apply import detector_for

    names = ("settle", "on_delay", "off_delay")
    durations = {name: format_duration(alarm[name]) for name in names if alarm[name] is not None}
    return detector_for(bundle, **alarm | durations | {"when": alarm["when"] or None})


def _timestamp(at: Nanos) -> str:
    return datetime.fromtimestamp(at / SECOND, UTC).isoformat(timespec="milliseconds")
