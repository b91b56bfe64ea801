"""Contract suites for plugins: subclass one in a test module and give it a harness.

They need pytest and pytest-asyncio, the extra `testing`, which nothing else in andon imports.
docs/plugins.md shows a whole example.
"""

import pytest

# Before they are imported, so that a failed assertion shows its values.
pytest.register_assert_rewrite(
    "gateway.api.testing.connectors",
    "gateway.api.testing.detectors",
    "gateway.api.testing.plugins",
    "gateway.api.testing.session",
    "gateway.api.testing.sinks",
)

from gateway.api.testing.connectors import ConnectorContract  # noqa: E402
from gateway.api.testing.detectors import DetectorContract  # noqa: E402
from gateway.api.testing.harnesses import (  # noqa: E402
    ConnectorHarness,
    DetectorHarness,
    SinkHarness,
)
from gateway.api.testing.sinks import SinkContract  # noqa: E402

__all__ = [
    "ConnectorContract",
    "ConnectorHarness",
    "DetectorContract",
    "DetectorHarness",
    "SinkContract",
    "SinkHarness",
]
