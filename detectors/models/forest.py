"""Isolation forest (Liu, Ting and Zhou, ICDM 2008), on request only: slow and seldom the best.

The score is the published one, 2 to the power of minus the mean depth over the usual depth. It is
split among the tags by the information of each split on the path to the leaf: a row that falls
among an eighth of a node's rows gains three bits, where halving gains one, and the two extra bits
are credited to the tag of the split. This needs a single pass through the trees. A forest gives no
expected values: they come from a linear model of the same rows. The mean score over the fitted
sub-windows is 1.
"""

from typing import Any, NamedTuple

import numpy as np

from detectors.models.lagged import Node
from detectors.models.mahalanobis import fit_shrunken
from gateway.api.model import Floats

TREES = 100
_CLASSICAL = "ai.onnx.ml"
_LEAF = -1
_TINY = 1e-9


class Forest(NamedTuple):
    """A fitted core.

    trees: the library's. gains: for each tree float64[node, tag + 1], for leaves the extra bits by
    tag, and the depth last. usual_depth: of all trees together; scale: factor of the published
    score. centre: float64[time * tag] and pull: float64[time * tag, tag] give the residuals of the
    newest values.
    """

    trees: tuple[Any, ...]
    gains: tuple[Floats, ...]
    usual_depth: float
    scale: float
    centre: Floats
    pull: Floats

    def __str__(self) -> str:
        return f"isolation forest, {len(self.trees)} trees"

    def judge(self, rows: Floats) -> tuple[Floats, Floats]:
        """See `Core`."""
        single = rows.astype(np.float32)
        gain = np.zeros((len(rows), self.pull.shape[1] + 1))
        for tree, gains in zip(self.trees, self.gains, strict=True):
            gain += gains[tree.apply(single)]
        credit = gain[:, :-1] + _TINY
        score = self.scale * 2 ** (-gain[:, -1:] / self.usual_depth)
        return score * credit / credit.sum(axis=1, keepdims=True), (rows - self.centre) @ self.pull

    def nodes(self) -> list[Node]:
        """See `Core`."""
        return [
            ("TreeEnsembleRegressor", ["row"], "gain", {"domain": _CLASSICAL, **self._ensemble()}),
            ("Gather", ["gain", "depth_at"], "depth", {"axis": 1}),
            ("Mul", ["depth", "steepness"], "exponent", {}),
            ("Exp", ["exponent"], "isolation", {}),
            ("Mul", ["isolation", "scale"], "whole", {}),
            ("Gather", ["gain", "credit_at"], "bits", {"axis": 1}),
            ("Add", ["bits", "tiny"], "credit", {}),
            ("ReduceSum", ["credit", "axis"], "credits", {"keepdims": 1}),
            ("Div", ["credit", "credits"], "share", {}),
            ("Mul", ["share", "whole"], "part", {}),
            ("Sub", ["row", "centre"], "centred", {}),
            ("MatMul", ["centred", "pull"], "off", {}),
        ]

    def _ensemble(self) -> dict[str, Any]:
        """The trees as attributes of the operator: arrays of equal length, one entry per node."""
        left, right, feature, limit = (
            np.concatenate([getattr(tree, name) for tree in self.trees])
            for name in ("children_left", "children_right", "feature", "threshold")
        )
        sizes = [tree.node_count for tree in self.trees]
        tree_of = np.repeat(np.arange(len(sizes)), sizes)
        node_of = np.concatenate([np.arange(size) for size in sizes])
        gain, is_leaf = np.concatenate(self.gains), left == _LEAF
        leaf, target = np.nonzero(gain)
        return {
            "n_targets": gain.shape[1],
            "nodes_treeids": tree_of,
            "nodes_nodeids": node_of,
            "nodes_featureids": np.where(is_leaf, 0, feature),
            "nodes_modes": np.where(is_leaf, "LEAF", "BRANCH_LEQ").tolist(),
            "nodes_values": _in_single(limit),
            "nodes_truenodeids": np.where(is_leaf, 0, left),
            "nodes_falsenodeids": np.where(is_leaf, 0, right),
            "target_treeids": tree_of[leaf],
            "target_nodeids": node_of[leaf],
            "target_ids": target,
            "target_weights": gain[leaf, target].astype(np.float32),
        }

    def constants(self) -> dict[str, Any]:
        """See `Core`."""
        tags = self.pull.shape[1]
        single = {
            "steepness": np.array(-np.log(2) / self.usual_depth),
            "scale": np.array(self.scale),
            "tiny": np.array(_TINY),
            "centre": self.centre,
            "pull": self.pull,
        }
        arrays: dict[str, Any] = {name: a.astype(np.float32) for name, a in single.items()}
        return arrays | {"depth_at": np.array([tags]), "credit_at": np.arange(tags)}


def fit(rows: Floats) -> list[Forest]:
    """One core; standardised [row, time, tag]."""
    from sklearn.ensemble import IsolationForest

    flat, tags = rows.reshape(len(rows), -1), rows.shape[2]
    library = IsolationForest(n_estimators=TREES, random_state=0).fit(flat)
    trees = tuple(each.tree_ for each in library.estimators_)
    gains = tuple(_gains(tree, tags) for tree in trees)
    usual = TREES * float(_usual_depth(np.array([library.max_samples_]))[0])
    linear = fit_shrunken(rows)[-1]
    raw = Forest(trees, gains, usual, 1.0, linear.centre, linear.pull)
    return [raw._replace(scale=1 / float(raw.judge(flat)[0].sum(axis=1).mean()))]


def _gains(tree: Any, tags: int) -> Floats:
    """For each leaf the extra bits by tag on the path, and its depth; 0 for other nodes."""
    held = tree.n_node_samples.astype(np.float64)
    gain = np.zeros((tree.node_count, tags + 1))
    is_leaf = tree.children_left == _LEAF
    for node in np.flatnonzero(~is_leaf):  # a node precedes its children
        tag = tree.feature[node] % tags
        for child in (tree.children_left[node], tree.children_right[node]):
            gain[child] = gain[node]
            gain[child, tag] += max(np.log2(held[node] / held[child]) - 1, 0.0)
            gain[child, tags] += 1
    gain[is_leaf, tags] += _usual_depth(held[is_leaf])
    gain[~is_leaf] = 0
    return gain


def _usual_depth(count: Floats) -> Floats:
    """Mean depth at which random splits isolate one of `count` rows: c(n) of the paper."""
    many = np.maximum(count, 2.0)
    depth = 2 * (np.log(many - 1) + np.euler_gamma - (many - 1) / many)
    return np.where(count > 2, depth, np.maximum(count - 1, 0.0))


def _in_single(limit: Floats) -> Any:
    """Rounds down to float32, so that the same rows go left."""
    near = limit.astype(np.float32)
    return np.where(near > limit, np.nextafter(near, np.float32(-np.inf)), near)
