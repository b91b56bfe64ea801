"""Detection of non-stationary tags and directions, whose future level the data does not tell. Pure.

A level that swung around its mean many times shows its range; one that drifted, as a temperature
does within ten minutes, does not. The measure is the share of the variance that lies between
consecutive parts of the data: 0.7 for a random walk and five parts, nearly 0 for noise.
"""

import numpy as np

from gateway.api.model import Bools, Floats

PARTS = 5
OWN_SHARE = 0.35
"""Share between the parts from which a tag's own movement, without the other tags, is drift."""
MIN_OWN = 0.1
"""Least share of a tag's variance that the other tags leave unexplained, for drift of its own."""
COMMON_SHARE = 0.2
"""Share between the parts from which a direction of the tags' common movement is drift."""
RIDGE = 0.01


def between_parts(rows: Floats) -> Floats:
    """Share of each column's variance between the parts, of float64[row, column] in order."""
    between = np.var([part.mean(axis=0) for part in np.array_split(rows, PARTS)], axis=0)
    return np.asarray(between / np.maximum(rows.var(axis=0), 1e-12), dtype=np.float64)


def nonstationary_tags(rows: Floats) -> Bools:
    """Bool[tag] of standardised rows float64[row, tag]: whose level drifted on its own.

    Common movement is excluded: a drifting load takes flow and current along, and their relation
    remains valid.
    """
    count, tags = rows.shape
    precision = np.linalg.inv(rows.T @ rows / count + RIDGE * np.eye(tags))
    own = rows @ precision / np.diag(precision)
    has_own = own.var(axis=0) > MIN_OWN
    return np.asarray(has_own & (between_parts(own) > OWN_SHARE), dtype=np.bool_)


def nonstationary_directions(rows: Floats) -> Bools:
    """Bool[direction] of float64[row, direction] in order of time: which drifted."""
    return np.asarray(between_parts(rows) > COMMON_SHARE, dtype=np.bool_)
