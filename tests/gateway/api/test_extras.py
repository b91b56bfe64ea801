import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.api import extras
from gateway.api.extras import how_to_install, packages_of

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("extra", "package"),
    [("serial", "pyserial"), ("history", "pyarrow"), ("train", "scikit-learn")],
)
def test_the_command_names_the_packages_for_this_python(extra, package):
    command = how_to_install(extra)

    assert command.startswith(f"run {sys.executable} -m pip install '")
    assert any(each.startswith(package) for each in packages_of(extra))
    assert f"'{package}" in command
    assert "andon[" not in command


def test_pip_takes_the_requirements_as_they_are_written():
    words = re.findall(r"'([^']+)'", how_to_install("serial"))
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--quiet", *words]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr  # it is installed already


def test_without_metadata_the_clone_is_named(monkeypatch):
    monkeypatch.setattr(extras, "requires", lambda _: None)

    assert how_to_install("serial") == (
        "run pip install '.[serial]' in a clone of andon's repository"
    )


def test_no_page_and_no_message_tells_to_install_andon_from_an_index():
    told = re.compile(r"install\W+andon\[|pip install '?andon\b")
    files = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("configs/*.yaml")]
    for room in ("gateway", "connectors", "detectors", "systemd"):
        files += [path for path in (ROOT / room).rglob("*") if path.suffix in (".py", ".md")]

    assert [path.name for path in files if told.search(path.read_text())] == []
