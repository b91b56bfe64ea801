"""What wandered while the data was recorded, so that nobody can say where it will be next. Pure.

A level that swung many times around its mean tells where it may be; one that drifted, as a
temperature does in ten minutes, does not. It is told by how much of the variance lies between
consecutive parts of the data: 0.7 for a random walk and five parts, hardly anything for noise.
"""

import numpy as np

from gateway.api.model import Bools, Floats

PARTS = 5
BY_ITSELF = 0.35
"""Share between the parts, of what the other tags do not tell of a tag, from which it nonstationary."""
MIN_OWN = 0.1
"""Of a tag's variance that the others must leave open: what is told by them does not wander."""
TOGETHER = 0.2
"""Share between the parts from which a direction of the tags' common movement nonstationary."""
RIDGE = 0.01


def between_parts(rows: Floats) -> Floats:
    """Share of each column's variance in float64[row, column], in order of time, between parts."""
    between = np.var([part.mean(axis=0) for part in np.array_split(rows, PARTS)], axis=0)
    return np.asarray(between / np.maximum(rows.var(axis=0), 1e-12), dtype=np.float64)


def nonstationary_tags(rows: Floats) -> Bools:
    """Bool[tag] of standardised float64[row, tag]: whose level wandered by itself.

    A load that nonstationary takes flow and current along: what they are to each other stays, and counts.
    """
    count, tags = rows.shape
    precision = np.linalg.inv(rows.T @ rows / count + RIDGE * np.eye(tags))
    own = rows @ precision / np.diag(precision)
    is_own = own.var(axis=0) > MIN_OWN
    return np.asarray(is_own & (between_parts(own) > BY_ITSELF), dtype=np.bool_)


def nonstationary_directions(rows: Floats) -> Bools:
    """Bool[direction] of float64[row, direction], in order of time."""
    return np.asarray(between_parts(rows) > TOGETHER, dtype=np.bool_)
