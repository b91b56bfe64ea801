"""Each module of these rooms has a test file of its own, at the same place and of the same name."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("api", "core", "line", "buffer", "delivery")


def expected(module):
    """The test file of a module; that of a package's own code has the package's name."""
    place = module.relative_to(ROOT / "gateway")
    name = place.parent.name if place.name == "__init__.py" else place.stem
    return ROOT / "tests" / "gateway" / place.parent / f"test_{name}.py"


def has_code(module):
    """Whether a module does more than name what others define."""
    names = (ast.Import, ast.ImportFrom, ast.Assign, ast.Expr)
    return any(not isinstance(node, names) for node in ast.parse(module.read_text()).body)


def modules_of(room):
    modules = sorted((ROOT / "gateway" / room).rglob("*.py"))
    return [each for each in modules if each.name != "__init__.py" or has_code(each)]


@pytest.mark.parametrize("room", ROOMS)
def test_each_module_has_its_test_file(room):
    missing = [expected(each) for each in modules_of(room) if not expected(each).is_file()]
    assert [str(each.relative_to(ROOT)) for each in missing] == []


@pytest.mark.parametrize("room", ROOMS)
def test_each_of_these_files_has_a_test(room):
    empty = [
        each for each in map(expected, modules_of(room)) if "def test_" not in each.read_text()
    ]
    assert [str(each.relative_to(ROOT)) for each in empty] == []
