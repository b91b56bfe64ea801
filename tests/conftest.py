import os

import pytest

# Small matrices, and other tests on the other cores: a BLAS with many threads waits for itself.
# It looks when numpy is first imported, which no plugin of pytest does.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    """A model learnt from two hours of the simulated plant."""
    import rig

    return rig.learn(tmp_path_factory.mktemp("learnt"), "--candidates", "pca", "--no-report")


@pytest.fixture
def logging_as_before():
    """A command that runs a line sets up the logging of its process, which here is the tests'."""
    import structlog

    before = structlog.get_config()
    yield
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()
