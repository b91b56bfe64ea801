"""The fakes of other tests pass the suites that the wheel ships."""

import fake_plugins
import pytest

from gateway.api.testing import ConnectorContract, DetectorContract, SinkContract


class FromHarness:
    """The plugin has no entry point: its harness brings it, and no `andon check` imports it."""

    test_importing_it_loads_no_slow_library = None

    @pytest.fixture
    def plugin(self, harness):
        return harness.plugin()


class TestConnectors(FromHarness, ConnectorContract):
    @pytest.fixture(params=[fake_plugins.ScriptHarness, fake_plugins.UntimedHarness])
    def harness(self, request):
        return request.param()


class TestDetectors(FromHarness, DetectorContract):
    @pytest.fixture(params=[fake_plugins.LastValueHarness, fake_plugins.SquaresHarness])
    def harness(self, request):
        return request.param()


class TestSinks(FromHarness, SinkContract):
    @pytest.fixture
    def harness(self):
        return fake_plugins.MemoryHarness()
