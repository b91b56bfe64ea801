"""One training job from files to a bundle: what `andon train` does once its options are read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from detectors.bundle.bundle import Manifest
from detectors.data.line_tags import read_line_tags
from detectors.data.recordings import read
from detectors.training.choose import USUAL
from detectors.training.learn import TrainedModel, learn
from detectors.training.prepare import TrainingOptions
from detectors.training.publish import ModelIdentity, check_place, manifest_for, write_bundle
from gateway.api.contracts import ConfigError


@dataclass(frozen=True, slots=True)
class Job:
    """What to learn from which files, and where to put it. `tags` empty: all there are."""

    data: Sequence[Path]
    out: Path
    identity: ModelIdentity
    wishes: TrainingOptions
    line: Path | None = None
    tags: Sequence[str] = ()
    force: bool = False
    candidates: Sequence[str] = USUAL


def run(job: Job, say: Callable[[str], None]) -> tuple[TrainedModel, Manifest]:
    """Do it; ConfigError says what is wrong with the files or the wishes."""
    check_place(job.out, replace=job.force)
    line = read_line_tags(job.line) if job.line else {}
    say("reading the data")
    recording = read(job.data)
    gate, labels = job.wishes.running.tags, job.wishes.labels
    _check_known(recording.names, [labels] if labels else [], ())
    tags = choose_tags([name for name in recording.names if name != labels], job.tags, tuple(line))
    _check_known(recording.names, gate, tuple(line))
    beside = [name for name in dict.fromkeys((*gate, labels)) if name and name not in tags]
    recording = recording.only([*tags, *beside])
    periods = {name: tag.period for name, tag in line.items() if tag.period}
    wishes = replace(job.wishes, tag_periods=periods, beside=beside)
    learnt = learn(recording, wishes, say, job.candidates)
    say("writing the bundle")
    units = {name: tag.unit for name, tag in line.items()}
    manifest = manifest_for(learnt, job.identity, units)
    write_bundle(job.out, manifest, learnt.graph, replace=job.force)
    return learnt, manifest


def choose_tags(
    recorded: Sequence[str], wanted: Sequence[str], line: Sequence[str]
) -> tuple[str, ...]:
    """The columns to use: the wanted ones, or those that are tags of the line, or all."""
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
            raise ConfigError(f"{name!r} is no {where}{hint}")
