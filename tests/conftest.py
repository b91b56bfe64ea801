import pytest
import rig


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    """A model learnt from two hours of the simulated plant."""
    return rig.learn(tmp_path_factory.mktemp("learnt"))
