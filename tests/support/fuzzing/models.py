"""What a supplier of models hands over: a manifest, a graph."""

from detectors.bundle.bundle import Manifest, _manifest
from detectors.bundle.safety import check_model
from fuzzing.targets import check_sentence
from gateway.api.contracts import ModelError


def manifest(data: bytes) -> None:
    """manifest.json, as it is read before the graph."""
    try:
        assert isinstance(_manifest(data), Manifest)
    except ModelError as error:
        check_sentence(str(error))


def graph(data: bytes) -> None:
    """model.onnx, as it is examined before the runtime sees it."""
    try:
        assert isinstance(check_model(data), int)
    except ModelError as error:
        check_sentence(str(error))
