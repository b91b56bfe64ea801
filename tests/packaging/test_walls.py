"""The walls between the rooms hold: an import that crosses one is refused.

Each case adds a module or an import to a copy of the code and runs the linter over it.
"""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINTER = Path(sys.executable).with_name("lint-imports")
CASES = {
    "a new module of the gateway's root has no place": (
        "gateway/novelty.py",
        "",
        "The rooms of the gateway, top to bottom",
    ),
    "a new module of the detectors' root has no place": (
        "detectors/novelty.py",
        "",
        "The rooms of the detectors, top to bottom",
    ),
    "a lower room imports a higher one": (
        "gateway/buffer/novelty.py",
        "import gateway.line.line",
        "The rooms of the gateway, top to bottom",
    ),
    "rooms side by side do not know each other": (
        "gateway/delivery/novelty.py",
        "import gateway.line.inbox",
        "The rooms of the gateway, top to bottom",
    ),
    "the api imports nothing of ours": (
        "gateway/api/novelty.py",
        "import gateway.core.grid",
        "The rooms of the gateway, top to bottom",
    ),
    "what the daemon loads imports no training": (
        "detectors/runtime/novelty.py",
        "import detectors.models.pca",
        "The rooms of the detectors, top to bottom",
    ),
    "what the daemon loads imports no library of training": (
        "detectors/runtime/novelty.py",
        "import sklearn.cluster",
        "What the daemon loads knows no offline tool",
    ),
    "a part of the daemon imports a library of the terminal application": (
        "gateway/control/novelty.py",
        "import textual.app",
        "Optional packages are imported only where they are used",
    ),
    "a module of a new kind imports it too": (
        "gateway/cases/novelty.py",
        "import textual.app",
        "Optional packages are imported only where they are used",
    ),
    "another sink imports the library of notifications": (
        "gateway/sinks/novelty.py",
        "import apprise",
        "Optional packages are imported only where they are used",
    ),
    "a connector imports a new module of the gateway": (
        "connectors/modbus/novelty.py",
        "import gateway.core.grid",
        "Plugins import gateway.api and nothing else of the gateway",
    ),
    "a detector imports the gateway": (
        "detectors/runtime/novelty.py",
        "import gateway.telemetry.health",
        "Plugins import gateway.api and nothing else of the gateway",
    ),
    "a sink imports the gateway": (
        "gateway/sinks/novelty.py",
        "import gateway.config.load",
        "Plugins import gateway.api and nothing else of the gateway",
    ),
    "an offline tool imports the running line": (
        "detectors/training/novelty.py",
        "import gateway.line.line",
        "Offline tools also see the core, the history and the line file",
    ),
    "the gateway imports a plugin": (
        "gateway/config/novelty.py",
        "import connectors.modbus",
        "The gateway knows no plugin",
    ),
    "a connector imports a detector": (
        "connectors/modbus/novelty.py",
        "import detectors.runtime.limits",
        "Connectors and detectors are strangers",
    ),
    "a sink imports the contract suites": (
        "gateway/sinks/novelty.py",
        "import gateway.api.testing",
        "Only tests import the contract suites, and so pytest",
    ),
    "a daemon imports the panel": (
        "gateway/control/novelty.py",
        "import gateway.panel.render",
        "No daemon imports the panel",
    ),
    "the panel imports a running line": (
        "gateway/panel/novelty.py",
        "import gateway.line.line",
        "The panel reaches a line only over its socket",
    ),
    "the panel renders pages in a second place": (
        "gateway/panel/novelty.py",
        "import jinja2",
        "What the daemon loads knows no offline tool",
    ),
    **{
        f"the core imports {module}": (
            "gateway/core/novelty.py",
            f"import {module}",
            "The core decides: no event loop, no clock, no I/O",
        )
        for module in ("asyncio", "os", "socket", "logging", "structlog", "pathlib", "time")
    },
}
CONTRACTS = {
    line.split('"')[1]
    for line in (ROOT / "pyproject.toml").read_text().split("[tool.importlinter]")[1].splitlines()
    if line.startswith("name = ")
}


def lint(folder):
    return subprocess.run(
        [LINTER, "--no-cache", "--config", "pyproject.toml"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A copy of the code, which the linter is content with."""
    folder = tmp_path_factory.mktemp("house")
    for name in ("gateway", "connectors", "detectors"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    done = lint(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.parametrize("case", CASES)
def test_an_import_that_crosses_a_wall_is_refused(house, case):
    name, text, contract = CASES[case]
    module = house / name
    module.write_text(f"{text}\n")
    try:
        done = lint(house)
    finally:
        module.unlink()
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{contract} BROKEN" in done.stdout


def test_each_contract_has_a_case():
    assert {contract for _, _, contract in CASES.values()} == CONTRACTS


PURE = {
    "bisect", "collections", "dataclasses", "enum", "functools", "itertools", "json", "math",
    "numpy", "operator", "random", "re", "statistics", "typing", "zlib",
}  # fmt: skip
OPENING = {"open", "print", "input", "exec", "eval", "__import__"}


@pytest.mark.parametrize(
    "path", sorted((ROOT / "gateway/core").rglob("*.py")), ids=lambda p: p.stem
)
def test_the_core_imports_only_what_has_no_effect(path):
    tree = ast.parse(path.read_text())
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    called = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert imported - PURE <= {"gateway"}
    assert not called & OPENING


UNPICKLING = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "joblib", "cloudpickle", "dill"}
RUNNING = {"eval", "exec", "compile", "__import__"}
LOADING = {"unsafe_load", "full_load", "load_all", "run_code", "run_path", "literal_eval"}
SHIPPED = sorted(
    path for room in ("gateway", "connectors", "detectors") for path in (ROOT / room).rglob("*.py")
)


def test_nothing_that_is_shipped_runs_what_is_in_data():
    found = []
    for path in SHIPPED:
        for node in ast.walk(ast.parse(path.read_text())):
            words = set()
            if isinstance(node, ast.Import):
                words = {alias.name.split(".")[0] for alias in node.names} & UNPICKLING
            elif isinstance(node, ast.ImportFrom):
                words = {(node.module or "").split(".")[0]} & UNPICKLING
            elif isinstance(node, ast.Name):
                words = {node.id} & RUNNING
            elif isinstance(node, ast.Attribute):
                words = {node.attr} & LOADING
            elif isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "shell"):
                words = {node.arg} if getattr(node.value, "value", True) is not False else set()
            found += [(path.name, word) for word in words]
    assert found == []
    assert len(SHIPPED) > 300


def test_what_a_daemon_loads_brings_in_no_offline_tool():
    offline = (
        "detectors.calibration", "detectors.commands", "detectors.data", "detectors.evaluation",
        "detectors.importing", "detectors.models", "detectors.reporting", "detectors.training",
        "connectors.discover", "connectors.simulator",
        "jinja2", "matplotlib", "onnx.", "pandas", "pytest", "scipy", "sklearn", "textual",
    )  # fmt: skip
    code = (
        "import sys, gateway.app\n"
        "from gateway.config import plugins\n"
        "groups = (plugins.CONNECTORS, plugins.DETECTORS, plugins.SINKS)\n"
        "assert all(plugins.usable(group) for group in groups)\n"
        f"print(*(name for name in sys.modules if (name + '.').startswith({offline})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.split() == []
