"""Histogram of a channel's values, small enough for a manifest."""

from typing import Annotated, Self

import numpy as np
from pydantic import FailFast, Field, model_validator

from gateway.api.model import Floats
from gateway.api.options import Strict

DECILES = np.arange(0.1, 0.95, 0.1)

Edge = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class Distribution(Strict):
    """Histogram with the deciles of the data as edges."""

    edges: Annotated[list[Edge], FailFast(), Field(min_length=1, max_length=100)]
    """Ascending. The first bin ends at the first edge, the last one begins above the last edge."""
    shares: Annotated[list[Share], FailFast(), Field(max_length=101)]
    """Share of the data in each bin, from 0 to 1: one more than edges, summing to 1."""

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if len(self.shares) != len(self.edges) + 1 or sorted(set(self.edges)) != self.edges:
            raise ValueError("edges must ascend, and there must be one more share than edges")
        return self

    @classmethod
    def of(cls, values: Floats) -> Self:
        """Distribution of values float64[n] without NaN."""
        # Equal deciles, as of a switch or a rounded channel, are merged: there are fewer bins then.
        edges = np.unique(np.quantile(values, DECILES, method="inverted_cdf"))
        counts = np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
        return cls(edges=edges.tolist(), shares=(counts / counts.sum()).tolist())
