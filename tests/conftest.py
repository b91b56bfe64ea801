import gc
import os

import pytest
from hypothesis import HealthCheck, settings

# Small matrices, and other tests on the other cores: a BLAS with many threads waits for itself.
# It looks when numpy is first imported, which no plugin of pytest does.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# That a machine is slow is no finding.
settings.register_profile(
    "andon", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("andon")


def pytest_collection_finish():
    # What was imported and collected stays: the collector need not look through it ever again.
    gc.freeze()


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    """A model learnt from two hours of the simulated plant."""
    import rig
    from shared import once

    wishes = ("--candidates", "pca", "--no-report")
    return once(tmp_path_factory, "learnt", lambda folder: rig.learn(folder, *wishes)) / rig.BUNDLE


@pytest.fixture(autouse=True)
def no_secret_of_another_test():
    """What one test takes for a secret may be a plain word of the next one."""
    from gateway.api import masking

    masking.forget()


@pytest.fixture
def logging_as_before():
    """A command that runs a line sets up the logging of its process, which here is the tests'."""
    import structlog

    before = structlog.get_config()
    yield
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()
