"""Writing of a bundle: verified first, atomic, and never over another one unless forced."""

import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from detectors.bundle.bundle import MODEL, load
from detectors.bundle.distribution import Distribution
from detectors.bundle.manifest import (
    FORMAT,
    MANIFEST,
    Golden,
    GoldenVector,
    Manifest,
    ManifestGate,
    ManifestTag,
    Tested,
    Training,
    Version,
)
from detectors.models.export import OPSET
from detectors.training.learn import TrainedModel, golden_outputs
from detectors.training.running import Running
from detectors.training.trial import Trial
from gateway.api.contracts import ConfigError
from gateway.api.model import SECOND, Floats, Nanos
from gateway.api.options import Name, Strict, format_duration

TOLERANCE = 1e-4
LIVE_COVERAGE = 0.8
"""Coverage that a line requires: after a gap, filled values must not look like a standstill."""


class ModelIdentity(Strict):
    """Name, version and creation time of a model."""

    id: Name
    version: Version
    created: datetime


def manifest_for(
    trained: TrainedModel, identity: ModelIdentity, units: Mapping[str, str]
) -> Manifest:
    """Builds the manifest of a trained model."""
    prepared, frame = trained.prepared, trained.model.frame
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
        threshold=trained.threshold,
        on_delay=format_duration(trained.delay),
        off_delay=format_duration(trained.delay),
        calibration=trained.choice.chosen.calibration,
        min_coverage=LIVE_COVERAGE,
        scores=Distribution.of(trained.scores),
        gate=_gate(prepared.running, units),
        scaling="(value - mean) / std per tag in float64, inside the graph",
        opset=OPSET,
        sha256=hashlib.sha256(trained.graph).hexdigest(),
        golden=_golden(trained),
        training=Training(
            method=str(trained.model.core),
            fingerprint=prepared.fingerprint,
            rows=trained.rows,
            first=_moment(int(prepared.windows.ends[0])),
            last=_moment(int(prepared.windows.ends[-1])),
            test=None if trained.trial is None else _test(trained.trial),
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
    """Builds the tags of a manifest from data float64[row, tag]; mean and std float64[tag]."""
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
    """Writes a bundle to `path`; ConfigError if that fails, or it exists without `replace`."""
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
    """ConfigError if a bundle cannot be written here; checked before the training."""
    if not path.exists():
        above = next(folder for folder in path.absolute().parents if folder.exists())
        if not above.is_dir() or not os.access(above, os.W_OK):
            raise ConfigError(f"{path} cannot be written: no folder can be created in {above}")
        return
    if not replace:
        raise ConfigError(f"{path} exists: choose another folder, or use --force to replace it")
    # Only a bundle is ever replaced: a mistyped --out must not delete another folder.
    if not (path / MANIFEST).is_file():
        raise ConfigError(f"{path} is not a bundle, so it is not replaced")


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _golden(trained: TrainedModel) -> Golden:
    outputs = golden_outputs(trained)
    return Golden(
        tolerance=TOLERANCE,
        vectors=[
            GoldenVector(window=window.tolist(), score=float(score), contribution=part.tolist())
            for window, score, part in zip(
                trained.examples, outputs.score, outputs.contribution, strict=True
            )
        ],
    )


def _moment(at: Nanos) -> datetime:
    return datetime.fromtimestamp(at / SECOND, UTC)
