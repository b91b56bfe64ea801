"""What a supplier of models hands over: a manifest, a graph."""

from detectors.bundle.bounds import largest_batch
from detectors.bundle.manifest import Manifest, read_manifest
from detectors.bundle.safety import check_model
from fuzzing.targets import check_sentence
from gateway.api.contracts import ModelError

_WINDOW = (10, 4)


def manifest(data: bytes) -> None:
    """manifest.json, as it is read before the graph."""
    try:
        assert isinstance(read_manifest(data), Manifest)
    except ModelError as error:
        check_sentence(str(error))


def graph(data: bytes) -> None:
    """model.onnx, as it is examined before the runtime sees it: its parts, then all sizes."""
    try:
        batch, _need = largest_batch(check_model(data), "x", _WINDOW)
    except ModelError as error:
        check_sentence(str(error))
    else:
        assert batch > 0
