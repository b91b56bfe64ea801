"""Check that the trees of a forest in an ONNX file end. Pure."""

import numpy as np

from detectors.bundle.graph import Node
from detectors.bundle.wire import Numbers
from gateway.api.contracts import ModelError

DEEPEST = 500
"""Levels of a tree; the runtime descends by recursion."""
_COLUMNS = ("treeids", "nodeids", "truenodeids", "falsenodeids", "featureids")


def check_trees(node: Node) -> None:
    """ModelError if a node of a forest has two parents, or a tree has no end or is too deep."""
    given = {name: node.attributes.get(f"nodes_{name}") for name in _COLUMNS}
    trees, ids, left, right, features = (
        np.empty(0, dtype=np.int64) if each is None else each.ints for each in given.values()
    )
    modes = node.attributes.get("nodes_modes")
    texts = () if modes is None else modes.texts
    lengths = {len(each) for each in (trees, ids, left, right, features, texts)}
    if lengths != {len(trees)} or not len(trees):
        raise ModelError("the lists of a forest's nodes differ in length, or are empty")
    if features.min() < 0:
        raise ModelError("a node of a forest compares a feature below 0")
    is_branch = np.array([text != b"LEAF" for text in texts], dtype=np.bool_)
    names = _names(trees, ids)
    order = np.argsort(names, kind="stable")
    in_order = names[order]
    if (np.diff(in_order) == 0).any():
        raise ModelError("a node of a forest is given twice")
    children = np.full((len(trees), 2), -1, dtype=np.int64)
    for column, child in enumerate((left, right)):
        wanted = _names(trees[is_branch], child[is_branch])
        at = np.minimum(np.searchsorted(in_order, wanted), len(order) - 1)
        if (in_order[at] != wanted).any():
            raise ModelError("a node of a forest has a branch that is not in its tree")
        children[is_branch, column] = order[at]
    _check_ends(children)


def _names(trees: Numbers, ids: Numbers) -> Numbers:
    """One number for each tree and id in it."""
    for each in (trees, ids):
        if len(each) and not 0 <= each.min() <= each.max() < 2**31:
            raise ModelError("the numbers of a forest's nodes must lie between 0 and 2147483647")
    return trees << 32 | ids


def _check_ends(children: Numbers) -> None:
    """Descends level by level; children int64[node, 2] are rows, -1 for none."""
    parents = np.bincount(children[children >= 0], minlength=len(children))
    if parents.max() > 1:
        raise ModelError("a node of a forest has two parents")
    level = np.flatnonzero(parents == 0)
    seen = len(level)
    for _ in range(DEEPEST):
        below = children[level].ravel()
        level = below[below >= 0]
        seen += len(level)
        if not len(level):
            break
    if len(level):
        raise ModelError(f"a tree of the forest has more than {DEEPEST} levels")
    # With one parent each, what no root leads to goes in circles.
    if seen < len(children):
        raise ModelError("a tree of the forest goes in circles")
