"""What the wheel holds: our packages and the contract suites, and no test of ours."""

import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [path] = folder.iterdir()
    return zipfile.ZipFile(path)


def test_it_holds_our_packages_and_nothing_else(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        *("gateway", "connectors", "detectors"),
    }


def test_it_holds_every_module_of_the_contract_suites(wheel):
    folder = ROOT / "gateway" / "api" / "testing"
    modules = {f"gateway/api/testing/{path.name}" for path in folder.glob("*.py")}
    assert "gateway/api/testing/connectors.py" in modules
    assert modules <= set(wheel.namelist())


def test_what_the_suites_need_is_an_extra(wheel):
    [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    needs = message_from_bytes(wheel.read(name)).get_all("Requires-Dist")
    assert [each for each in needs if each.startswith("pytest")] == [
        "pytest-asyncio>=1.3; extra == 'testing'",
        "pytest>=9; extra == 'testing'",
    ]
