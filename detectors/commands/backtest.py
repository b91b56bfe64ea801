"""`andon score` and `andon backtest`: what a bundle would have done on recorded data."""

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from detectors.commands.train import Condition, check_extra
from gateway.api import progress
from gateway.api.click_types import DURATION
from gateway.api.contracts import ConfigError
from gateway.api.model import SECOND, Nanos
from gateway.api.options import format_duration

_PATH = click.Path(path_type=Path)


def _alarm_options(command: Callable[..., None]) -> Callable[..., None]:
    """What a line file says of an `onnx` detector's alarm, with the same defaults."""
    for option in (
        click.option("--threshold", type=float, help="Alarm above this; the bundle's if none."),
        click.option("--hysteresis", type=float, default=0.1, show_default=True,
                     help="How far below it the score must fall, as a fraction."),
        click.option("--when", multiple=True, type=Condition(),
                     help="Judge only while this holds: 'speed > 100'; the bundle's if none."),
        click.option("--settle", type=DURATION,
                     help="How long it must have held before; the bundle's if none."),
        click.option("--on-delay", type=DURATION,
                     help="How long the score must be above; the bundle's if none."),
        click.option("--off-delay", type=DURATION,
                     help="How long the score must be below; the bundle's if none."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command("score")
@click.argument("bundle", type=_PATH)
@click.argument("data", nargs=-1, required=True, type=_PATH)
@click.option("--out", required=True, type=_PATH, help="CSV to write.")
@_alarm_options
def score(bundle: Path, data: tuple[Path, ...], out: Path, **alarm: Any) -> None:
    """Score recorded data with the model of BUNDLE, window by window.

    Writes timestamp, score, threshold and alarm (0 or 1, after hysteresis and delays), by the code
    that runs live. A window that could not be judged has no score.
    """
    from detectors.data.recordings import read
    from detectors.evaluation.apply import judge

    detector, recording = _detector(bundle, alarm), read(data)
    with progress.share("scoring") as done:
        judged = judge(detector, recording, done)
    rows = zip(judged.at.tolist(), judged.score.tolist(), judged.alarm.tolist(), strict=True)
    try:
        with out.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("timestamp", "score", "threshold", "alarm"))
            for at, value, active in rows:
                known = repr(value) if value == value else ""  # noqa: PLR0124 - NaN is not itself
                writer.writerow((_timestamp(at), known, repr(judged.threshold), int(active)))
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror}") from error
    print(f"{len(judged.at)} windows scored, written to {out}")


@click.command("backtest")
@click.argument("bundle", type=_PATH)
@click.argument("data", nargs=-1, required=True, type=_PATH)
@click.option("--labels", help="Column of the data that is not 0 where something was wrong.")
@click.option("--grace", type=DURATION, default="60s", show_default=True,
              help="Time after an event in which the machine may recover.")  # fmt: skip
@click.option("--report", "page", type=_PATH, help="HTML to write, with plots.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@_alarm_options
def backtest(
    bundle: Path,
    data: tuple[Path, ...],
    labels: str | None,
    grace: Nanos,
    page: Path | None,
    as_json: bool,
    **alarm: Any,
) -> None:
    """Report the alarms that a model would have raised on DATA.

    With labels also: events found and how late, F1 with what alarming always and at random would
    reach, false and missed alarm rates with and without a grace for recovery, average precision
    and VUS-PR. No point adjustment; no threshold is chosen on this data.
    """
    import numpy as np

    from detectors.data.recordings import read
    from detectors.evaluation.apply import judge
    from detectors.evaluation.report import as_text, as_values

    if page is not None:
        check_extra()
        from detectors.reporting.page import check_file

        check_file(page)
    detector = _detector(bundle, alarm)
    recording = read(data)
    if labels is not None and labels not in recording.names:
        raise ConfigError(f"the data has no column {labels!r}: it has {', '.join(recording.names)}")
    with progress.share("judging") as done:
        judged = judge(detector, recording, done).at_times(recording.times)
    wrong = None
    if labels is not None:
        wrong = np.nan_to_num(recording.only([labels]).values[:, 0]) != 0
    report = as_values(judged, wrong, grace)
    if page is not None:
        from detectors.bundle.bundle import load
        from detectors.reporting.backtest_page import backtest_page
        from detectors.reporting.page import write

        write(page, backtest_page(load(bundle).manifest, recording, judged, wrong, report))
    print(json.dumps(report) if as_json else "\n".join(as_text(report)))


def _detector(bundle: Path, alarm: dict[str, Any]) -> Any:
    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        raise ConfigError("reading recorded data needs pyarrow: install andon[train]")
    from detectors.evaluation.apply import detector_for

    times = ("settle", "on_delay", "off_delay")
    said = {name: format_duration(alarm[name]) for name in times if alarm[name] is not None}
    return detector_for(bundle, **alarm | said | {"when": alarm["when"] or None})


def _timestamp(at: Nanos) -> str:
    return datetime.fromtimestamp(at / SECOND, UTC).isoformat(timespec="milliseconds")
