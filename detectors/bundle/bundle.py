"""A model bundle: a folder with `model.onnx` and `manifest.json`, verified when it is loaded.

Promises
- `load` returns a bundle that matches its manifest, or raises a ModelError that says what is
  wrong and what would be right: sizes, sha256, operators, names and shapes, golden vectors.
- The model is loaded from the same bytes that were checked.
- The training tools are not needed. A bundle never changes: a new model is a new version.
"""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from detectors.bundle.files import read_file
from detectors.bundle.manifest import MANIFEST, GoldenVector, Manifest, read_manifest
from detectors.bundle.model import Model
from gateway.api.contracts import ModelError

MODEL = "model.onnx"
LARGEST = {MODEL: 50_000_000, MANIFEST: 20_000_000}


class Bundle(NamedTuple):
    """A manifest and its verified model."""

    manifest: Manifest
    model: Model


def load(path: Path) -> Bundle:
    """Loads and verifies the bundle in this folder; ModelError if anything about it is wrong."""
    try:
        manifest = read_manifest(_read(path, MANIFEST))
        data = _read(path, MODEL)
        model = _fitting_model(manifest, data)
        _check_golden(manifest, model)
    except ModelError as error:
        raise ModelError(f"bundle {path}: {error}").passing(error.may_pass) from error
    return Bundle(manifest, model)


def _read(path: Path, name: str) -> bytes:
    if not path.is_dir():
        wrong = ModelError(f"is not a folder; a bundle is a folder with {MODEL} and {MANIFEST}")
        # What is not there may be on a disk that is not there yet.
        raise wrong.passing(not os.path.lexists(path))
    return read_file(path / name, LARGEST[name])


def _fitting_model(manifest: Manifest, data: bytes) -> Model:
    digest = hashlib.sha256(data).hexdigest()
    if digest != manifest.sha256:
        raise ModelError(
            f"{MODEL} has sha256 {digest}, the manifest says {manifest.sha256}: "
            "the files do not belong together, or one of them is damaged or was changed"
        )
    try:
        model = Model(data)
    except ModelError as error:
        raise ModelError(f"{MODEL}: {error}").passing(error.may_pass) from error
    if model.opset != manifest.opset:
        raise ModelError(f"{MODEL} has opset {model.opset}, the manifest says {manifest.opset}")
    if model.shape != manifest.shape:
        raise ModelError(
            f"{MODEL} takes windows of {_written(model.shape)}; the manifest asks for "
            f"{_written(manifest.shape)}"
        )
    return model


def _written(shape: tuple[int, int]) -> str:
    return f"{shape[0]} rows and {shape[1]} tags"


def _check_golden(manifest: Manifest, model: Model) -> None:
    tags = len(manifest.tags)
    for number, vector in enumerate(manifest.golden.vectors):
        where = f"golden vector {number}"
        sizes = {len(row) for row in vector.window}
        if len(vector.window) != manifest.window or sizes != {tags}:
            raise ModelError(f"{where} must have {manifest.window} rows of {tags} tags")
        if len(vector.contribution) != tags:
            raise ModelError(f"{where} must have {tags} contributions")
        _check_reproduced(where, vector, model, manifest.golden.tolerance)


def _check_reproduced(where: str, vector: GoldenVector, model: Model, tolerance: float) -> None:
    outputs = model.run(np.array([vector.window]))
    allowed = tolerance * max(abs(vector.score), 1e-12)
    # Written so that a NaN fails as well.
    if not abs(outputs.score[0] - vector.score) <= allowed:
        raise ModelError(
            f"{where} scores {outputs.score[0]:.9g}; the manifest says {vector.score:.9g}: "
            "the model does not reproduce the results of the machine that made it"
        )
    errors = np.abs(outputs.contribution[0] - np.array(vector.contribution))
    if not errors.max() <= allowed:
        raise ModelError(f"{where} differs in its contributions by up to {errors.max():.3g}")
