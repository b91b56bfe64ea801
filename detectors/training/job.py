"""One training job of `andon train`, from files to a bundle."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from detectors.bundle.bundle import Manifest
from detectors.data.line_tags import read_line_tags
from detectors.data.recordings import read
from detectors.training.choose import DEFAULT_METHODS
from detectors.training.learn import TrainedModel, learn
from detectors.training.prepare import TrainingOptions
from detectors.training.publish import ModelIdentity, check_place, manifest_for, write_bundle
from gateway.api.contracts import ConfigError


@dataclass(frozen=True, slots=True)
class Job:
    """Input files, options and output folder of a training. `tags` empty: all tags."""

    data: Sequence[Path]
    out: Path
    identity: ModelIdentity
    options: TrainingOptions
    line: Path | None = None
    tags: Sequence[str] = ()
    force: bool = False
    candidates: Sequence[str] = DEFAULT_METHODS


def run(job: Job, on_step: Callable[[str], None]) -> tuple[TrainedModel, Manifest]:
    """Trains a model and writes its bundle; ConfigError if files or options are wrong."""
    check_place(job.out, replace=job.force)
    line = read_line_tags(job.line) if job.line else {}
    on_step("reading the data")
    recording = read(job.data)
    gate, labels = job.options.running.tags, job.options.labels
    _check_known(recording.names, [labels] if labels else [], ())
    tags = choose_tags([name for name in recording.names if name != labels], job.tags, tuple(line))
    _check_known(recording.names, gate, tuple(line))
    auxiliary = [name for name in dict.fromkeys((*gate, labels)) if name and name not in tags]
    recording = recording.only([*tags, *auxiliary])
    periods = {name: tag.period for name, tag in line.items() if tag.period}
    options = replace(job.options, tag_periods=periods, auxiliary=auxiliary)
    trained = learn(recording, options, on_step, job.candidates)
    on_step("writing the bundle")
    units = {name: tag.unit for name, tag in line.items()}
    manifest = manifest_for(trained, job.identity, units)
    write_bundle(job.out, manifest, trained.graph, replace=job.force)
    return trained, manifest


def choose_tags(
    recorded: Sequence[str], wanted: Sequence[str], line: Sequence[str]
) -> tuple[str, ...]:
    """Chooses columns: the wanted ones, or the tags of the line, or all; ConfigError if unknown."""
    _check_known(recorded, wanted, line)
    chosen = tuple(wanted) or tuple(name for name in recorded if not line or name in line)
    if not chosen:
        raise ConfigError(
            f"no column of the data is a tag of the line: the data has {', '.join(recorded)}; "
            f"the line has {', '.join(line)}"
        )
    return chosen


def _check_known(recorded: Sequence[str], wanted: Sequence[str], line: Sequence[str]) -> None:
    for name in wanted:
        if name not in recorded or (line and name not in line):
            where = "column of the data" if name not in recorded else "tag of the line"
            close = get_close_matches(name, recorded, n=1)
            hint = f", did you mean {close[0]!r}?" if close else f": {', '.join(recorded)}"
            raise ConfigError(f"{name!r} is not a {where}{hint}")
