"""What is in the repository and in the package: only our own names, only locked dependencies."""

import hashlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def _python(code, folder):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("package", ["gateway", "connectors", "detectors"])
def test_the_import_packages_are_ours(package, tmp_path):
    found = _python(f"import {package}; print({package}.__file__)", tmp_path)
    assert Path(found.stdout.strip()) == ROOT / package / "__init__.py", found.stderr


@pytest.mark.parametrize("folder", ["systemd", "configs", "tests", "docs"])
def test_other_folders_are_not_importable(folder, tmp_path):
    found = _python(f"import {folder}", tmp_path)
    assert found.returncode == 1
    assert "ModuleNotFoundError" in found.stderr


def _locked(name):
    """Package -> version of a lock file; every one has at least one hash."""
    pinned = {}
    for entry in re.split(r"\n(?=\S)", (ROOT / name).read_text()):
        match = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)", entry)
        if match:
            assert "--hash=sha256:" in entry, match[0]
            pinned.setdefault(canonicalize_name(match[1]), set()).add(match[2])
    return pinned


RUN = [
    *PROJECT["project"]["dependencies"],
    *PROJECT["project"]["optional-dependencies"]["train"],
    *PROJECT["project"]["optional-dependencies"]["history"],
    *PROJECT["project"]["optional-dependencies"]["serial"],
    *PROJECT["dependency-groups"]["build"],
]


@pytest.mark.parametrize(
    ("lock", "requirement"),
    [("requirements.lock", each) for each in RUN]
    + [("requirements-dev.lock", each) for each in RUN + PROJECT["dependency-groups"]["dev"]],
)
def test_every_direct_dependency_is_locked_within_its_range(lock, requirement):
    wanted = Requirement(requirement)
    versions = _locked(lock).get(canonicalize_name(wanted.name))
    assert versions, f"{wanted.name} is not in {lock}: run `make lock`"
    assert all(wanted.specifier.contains(version) for version in versions)


def test_both_locks_pin_the_same_versions():
    run, dev = _locked("requirements.lock"), _locked("requirements-dev.lock")
    assert run == {name: dev.get(name) for name in run}


ALLOWED = {
    *("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
    "Makefile",
    *("requirements.lock", "requirements-dev.lock"),
    *("gateway", "connectors", "detectors", "configs", "systemd", "tests", "docs"),
}


@pytest.fixture(scope="module")
def files():
    """The repository's files, also those that are about to be added."""
    # The checkout may belong to another user than the one who runs the tests.
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others"]
    listed = subprocess.run(
        [*command, "--exclude-standard"], cwd=ROOT, capture_output=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("this is not a git checkout")
    names = [Path(name) for name in listed.stdout.decode().split("\0") if name]
    return [name for name in names if (ROOT / name).is_file()]


def test_the_top_level_holds_only_its_fixed_names(files):
    top = {name.parts[0] for name in files}
    assert {name for name in top if not name.startswith(".")} <= ALLOWED


# Written in pieces, so that this file does not find itself.
FORBIDDEN = {
    "a registry's host": re.compile(
        "|".join(["py" + r"pi\.org", "python" + "hosted", "npm" + "js"])
    ),
    "a path of one machine": re.compile(r"(?<![\w.~-])/(?:work|root|opt/wheels)(?:/|\b)"),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names(what, files):
    found = []
    for name in files:
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a model or a picture
        found += [f"{name}: {match[0]}" for match in FORBIDDEN[what].finditer(text)]
    assert not found


def test_the_licence_is_apache_2_word_for_word():
    digest = hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest()
    assert digest == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
    assert PROJECT["project"]["license"] == "Apache-2.0"


def test_imports_keep_to_the_directions_of_the_house():
    checked = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
