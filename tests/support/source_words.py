"""The words of a module's source that could name a method."""

import ast
from collections.abc import Iterator
from pathlib import Path


def words_of(path: Path) -> Iterator[str]:
    """Every name, attribute, import and string of a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.alias):
            yield node.name
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
