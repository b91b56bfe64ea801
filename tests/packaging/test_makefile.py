"""The Makefile's messages on a machine that lacks something, and what its set-up leaves alone."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path):
    """A folder that looks like a fresh clone to make."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def _make(checkout, *arguments):
    return subprocess.run(
        ["make", *arguments],
        cwd=checkout,
        # These tests may themselves be run by make, whose variables would be handed down.
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def _program(checkout, body):
    """A stand-in for an installed Python."""
    path = checkout / "python"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return f"PYTHON={path}"


def test_make_alone_lists_every_target(checkout):
    listed = _make(checkout).stdout
    for target in (
        "setup",
        "demo",
        "test",
        "check",
        "bench",
        "bench-detection",
        "lock",
        "schema",
        "hostile",
        "fuzz",
        "audit",
    ):
        assert f"make {target} " in listed


def test_an_old_python_is_refused_in_one_sentence(checkout):
    refused = _make(checkout, "setup", _program(checkout, "exit 1"))
    assert refused.returncode == 2
    assert "andon needs Python 3.11 or newer" in refused.stderr
    assert not (checkout / ".venv").exists()


def test_a_python_without_venv_is_refused_with_what_to_install(checkout):
    only_version = 'case "$*" in *version_info*) exit 0;; esac; exit 1'
    refused = _make(checkout, "demo", _program(checkout, only_version))
    assert refused.returncode == 2
    assert "apt install python3-venv" in refused.stderr
    assert not (checkout / ".venv").exists()


def test_the_demo_installs_only_what_it_needs_where_nothing_is(checkout):
    plan = _make(checkout, "-n", "demo").stdout
    assert "-r requirements.lock" in plan
    assert "requirements-dev.lock" not in plan


def test_the_demo_leaves_a_development_set_up_as_it_is(checkout):
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "pyvenv.cfg").touch()
    (checkout / ".venv" / ".dev-ready").touch()
    assert _make(checkout, "-n", "demo").stdout.splitlines() == [".venv/bin/andon demo "]


def test_a_changed_lock_is_installed_before_the_tests(checkout):
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "pyvenv.cfg").touch()
    plan = _make(checkout, "-n", "test").stdout
    assert plan.index("-r requirements-dev.lock") < plan.index(".venv/bin/pytest")
