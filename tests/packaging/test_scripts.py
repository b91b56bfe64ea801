"""What the benchmarks and the helper scripts import exists: no test runs all of them."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(
    path
    for folder in ("tests/benchmarks", "tests/support", "tests/mutation", "configs/grafana")
    for path in (ROOT / folder).rglob("*.py")
)


OURS = ("gateway", "connectors", "detectors")


def imports_of_ours(path):
    """Module and name of each import of andon's packages."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OURS:
            yield from ((node.module, alias.name) for alias in node.names)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_import_of_a_script_exists(path):
    for module, name in imports_of_ours(path):
        if not hasattr(import_module(module), name):
            import_module(f"{module}.{name}")
