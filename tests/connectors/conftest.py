import pytest
import structlog


@pytest.fixture
def events():
    """The log events of the test, as they come."""
    with structlog.testing.capture_logs() as events:
        yield events
