"""Writes a bundle: verified before it is there, all of it or nothing, never over another one."""

import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from detectors.bundle.bundle import (
    FORMAT,
    MANIFEST,
    MODEL,
    Golden,
    GoldenVector,
    Manifest,
    ManifestGate,
    ManifestTag,
    Tested,
    Training,
    Version,
    load,
)
from detectors.bundle.distribution import Distribution
from detectors.models.export import OPSET
from detectors.training.learn import TrainedModel, judged
from detectors.training.running import Running
from detectors.training.trial import Trial
from gateway.api.contracts import ConfigError
from gateway.api.model import SECOND, Floats, Nanos
from gateway.api.options import Name, Strict, format_duration

TOLERANCE = 1e-4
LIVE_COVERAGE = 0.8
"""After a source was away, what is filled in must not look like a machine that stands still."""


class ModelIdentity(Strict):
    """What the model is called, and when it was made."""

    id: Name
    version: Version
    created: datetime


def manifest_for(
    learnt: TrainedModel, identity: ModelIdentity, units: Mapping[str, str]
) -> Manifest:
    """The manifest of a learnt model."""
    prepared, frame = learnt.prepared, learnt.model.frame
    newest = prepared.windows.values[:, -1]
    return Manifest(
        format=FORMAT,
        id=identity.id,
        version=identity.version,
        created=identity.created,
        tags=manifest_tags(prepared.names, units, frame.mean, frame.std, newest),
        period=format_duration(prepared.windows.period),
        window=frame.length,
        hop=prepared.hop,
        threshold=learnt.threshold,
        on_delay=format_duration(learnt.delay),
        off_delay=format_duration(learnt.delay),
        calibration=learnt.choice.chosen.calibration,
        min_coverage=LIVE_COVERAGE,
        scores=Distribution.of(learnt.scores),
        gate=_gate(prepared.running, units),
        scaling="(value - mean) / std per tag in float64, inside the graph",
        opset=OPSET,
        sha256=hashlib.sha256(learnt.graph).hexdigest(),
        golden=_golden(learnt),
        training=Training(
            method=str(learnt.model.core),
            fingerprint=prepared.fingerprint,
            rows=learnt.rows,
            first=_moment(int(prepared.windows.ends[0])),
            last=_moment(int(prepared.windows.ends[-1])),
            test=None if learnt.trial is None else _test(learnt.trial),
        ),
    )


def _test(trial: Trial) -> Tested:
    return Tested(
        first=_moment(int(trial.windows.ends[0])),
        last=_moment(int(trial.windows.ends[-1])),
        threshold=trial.judged.threshold,
        false_alarms=len(trial.judged.episodes),
        expected=trial.expected,
    )


def manifest_tags(
    names: Sequence[str], units: Mapping[str, str], mean: Floats, std: Floats, rows: Floats
) -> list[ManifestTag]:
    """The tags as the training data float64[row, tag] shows them; mean and std float64[tag]."""
    return [
        ManifestTag(
            name=name,
            unit=units.get(name, ""),
            mean=float(middle),
            std=float(spread),
            distribution=Distribution.of(values),
        )
        for name, middle, spread, values in zip(names, mean, std, rows.T, strict=True)
    ]


def _gate(running: Running, units: Mapping[str, str]) -> ManifestGate:
    return ManifestGate(
        when=running.when,
        settle=format_duration(running.settle),
        units={name: units.get(name, "") for name in running.tags},
    )


def write_bundle(path: Path, manifest: Manifest, graph: bytes, *, replace: bool = False) -> None:
    """Put the bundle at `path`; ConfigError if that cannot be done, or may not be replaced."""
    check_place(path, replace=replace)
    try:
        _put(path, manifest, graph)
    except OSError as error:
        raise ConfigError(f"the bundle {path} cannot be written: {error.strerror}") from error


def _put(path: Path, manifest: Manifest, graph: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as temporary:
        new = Path(temporary) / "new"
        new.mkdir()
        _write(new / MODEL, graph)
        _write(new / MANIFEST, manifest.model_dump_json(indent=1).encode())
        load(new)
        if path.exists():
            path.rename(Path(temporary) / "old")
        new.rename(path)


def check_place(path: Path, *, replace: bool) -> None:
    """ConfigError if a bundle may not be written here: said before the work, not after it."""
    if not path.exists():
        above = next(folder for folder in path.absolute().parents if folder.exists())
        if not above.is_dir() or not os.access(above, os.W_OK):
            raise ConfigError(f"{path} cannot be written: {above} takes no new folder")
        return
    if not replace:
        raise ConfigError(f"{path} exists: choose another folder, or --force to replace it")
    # Only a bundle is ever replaced: a mistyped --out must not cost somebody a folder.
    if not (path / MANIFEST).is_file():
        raise ConfigError(f"{path} is no bundle, so it is not replaced")


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _golden(learnt: TrainedModel) -> Golden:
    found = judged(learnt)
    return Golden(
        tolerance=TOLERANCE,
        vectors=[
            GoldenVector(window=window.tolist(), score=float(score), contribution=part.tolist())
            for window, score, part in zip(
                learnt.examples, found.score, found.contribution, strict=True
            )
        ],
    )


def _moment(at: Nanos) -> datetime:
    return datetime.fromtimestamp(at / SECOND, UTC)
