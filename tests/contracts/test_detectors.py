"""Every registered detector passes the suite that the wheel ships."""

import bundles
import pytest

from gateway.api.contracts import Places
from gateway.api.testing import DetectorContract, DetectorHarness
from gateway.config import plugins

NAMES = sorted(plugins.installed(plugins.DETECTORS))


class LimitsHarness(DetectorHarness):
    options = {
        "type": "limits",
        "tags": {
            "speed": {"high_high": 3, "high": 2, "low": -2, "hysteresis": 0.1},
            "flow": {"rate_of_change": 1, "flat_line": "5s"},
        },
    }
    tags = tuple(bundles.TAGS.values())


class OnnxHarness(DetectorHarness):
    """A model of four tags that follow one hidden load."""

    options = {"type": "onnx", "bundle": "pump"}
    tags = tuple(bundles.TAGS.values())

    def normal(self, tag, rows):
        return bundles.recording(rows, seed=5).values[:, bundles.NAMES.index(tag)]


HARNESSES = {"limits": LimitsHarness, "onnx": OnnxHarness}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("detectors")
    bundles.write(folder)
    return folder


class TestDetectors(DetectorContract):
    @pytest.fixture
    def places(self, folder):
        return Places(folder, folder)

    @pytest.fixture(params=NAMES)
    def harness(self, request):
        assert request.param in HARNESSES, f"{request.param!r} needs a harness in this file"
        return HARNESSES[request.param]()


def test_the_built_in_detectors_are_registered_like_any_other():
    assert {"limits", "onnx"} <= set(NAMES)
