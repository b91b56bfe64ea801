"""The connector that docs/plugins.md writes is a package that installs, works and is tested."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "tests" / "example_plugin"
SHOWN = ("pyproject.toml", "andon_csv.py", "line.yaml", "tests/test_andon_csv.py")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A copy of the example, installed in a folder of its own without any network."""
    folder = tmp_path_factory.mktemp("plugin") / "andon-csv"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
    subprocess.run(build, cwd=folder, check=True, capture_output=True, timeout=100)
    [wheel] = (folder / "dist").iterdir()
    # A wheel of pure Python is installed by unpacking it, entry points included.
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder


def run(package, *arguments, timeout=100):
    """A module of andon's environment, which finds the example by its entry point."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=package,
        env={**os.environ, "PYTHONPATH": str(package / "site"), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )


@pytest.mark.parametrize("name", SHOWN)
def test_the_page_shows_the_file_as_it_is(name):
    page = (ROOT / "docs" / "plugins.md").read_text()
    blocks = re.findall(r"^```\w+\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert (EXAMPLE / name).read_text() in blocks


def test_the_page_shows_every_file_that_is_needed():
    files = {str(path.relative_to(EXAMPLE)) for path in EXAMPLE.rglob("*.*") if path.is_file()}
    assert {name for name in files if "__pycache__" not in name} == set(SHOWN)


@pytest.fixture
def readings(package):
    file = package / "readings.csv"
    file.write_text("time,t,n\n2026-01-31T12:00:00Z,61.5,1450\n")
    yield file
    file.unlink(missing_ok=True)


def test_andon_finds_it_and_checks_its_options(package, readings):
    done = run(package, "gateway", "check", "line.yaml", "--connect")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "has every column" in done.stdout
    assert "2 tags from 1 source" in done.stdout


def test_andon_says_where_a_line_file_is_wrong(package):
    wrong = package / "wrong.yaml"
    wrong.write_text((package / "line.yaml").read_text().replace("column: n", "colum: n"))
    done = run(package, "gateway", "check", "wrong.yaml")
    assert done.returncode == 1
    assert "wrong.yaml:11:" in done.stdout
    assert 'did you mean "column"?' in done.stdout


def test_andon_reads_it_once(package, readings):
    done = run(package, "gateway", "once", "line.yaml", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    tags = json.loads(done.stdout)["tags"]
    assert {tag["tag"]: (tag["value"], tag["quality"]) for tag in tags} == {
        "speed": (1450.0, "good"),
        "temperature": (61.5, "good"),
    }


@pytest.mark.timeout(400)
def test_it_passes_its_own_tests(package):
    done = run(package, "pytest", "-v", "-p", "no:cacheprovider", "--rootdir", ".", timeout=380)
    assert done.returncode == 0, done.stdout
    assert "every_value_arrives" in done.stdout
    assert "skipped" not in done.stdout
