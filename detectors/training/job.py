"""One training job of `andon train`, from files to a bundle."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from detectors.bundle.manifest import Manifest
from detectors.data.columns import check_known, choose_columns
from detectors.data.inputs import Inputs, read_inputs
from detectors.training.choose import DEFAULT_METHODS
from detectors.training.learn import TrainedModel, learn
from detectors.training.prepare import TrainingOptions
from detectors.training.publish import ModelIdentity, check_place, manifest_for, write_bundle
from gateway.history.as_live import ASK, NoValues


@dataclass(frozen=True, slots=True)
class Job:
    """Input files, options and output folder of a training.

    `data` empty: the history of the line; `tags` empty: all tags.
    """

    data: Sequence[Path]
    out: Path
    identity: ModelIdentity
    options: TrainingOptions
    line: Path | None = None
    tags: Sequence[str] = ()
    force: bool = False
    candidates: Sequence[str] = DEFAULT_METHODS
    no_values: NoValues = ASK


class Trained(NamedTuple):
    """Result of a training; `inputs` with what was left out of the data, and why."""

    model: TrainedModel
    manifest: Manifest
    inputs: Inputs


def run(job: Job, on_step: Callable[[str], None]) -> Trained:
    """Trains a model and writes its bundle; ConfigError if files or options are wrong."""
    check_place(job.out, replace=job.force)
    on_step("reading the data")
    inputs, auxiliary = _chosen(job, read_inputs(job.data, job.line, job.out))
    options = replace(job.options, tag_periods=inputs.periods, auxiliary=auxiliary)
    trained = learn(inputs.recording, options, on_step, job.candidates)
    on_step("writing the bundle")
    manifest = manifest_for(trained, job.identity, inputs.units)
    write_bundle(job.out, manifest, trained.graph, replace=job.force)
    return Trained(trained, manifest, inputs)


def _chosen(job: Job, inputs: Inputs) -> tuple[Inputs, list[str]]:
    """The inputs with the columns of the training, and those that are not tags of the model."""
    gate, labels = job.options.running.tags, job.options.labels
    check_known(inputs.recording.names, [labels] if labels else [])
    inputs, tags = choose_columns(inputs, job.tags, labels)
    check_known(inputs.recording.names, gate, inputs)
    auxiliary = [name for name in dict.fromkeys((*gate, labels)) if name and name not in tags]
    exempt = [labels] if labels else []
    return inputs.only([*tags, *auxiliary]).as_live(job.no_values, exempt), auxiliary
