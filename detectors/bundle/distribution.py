"""How the values of a channel are spread, small enough for a manifest."""

from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from gateway.api.model import Floats
from gateway.api.options import Strict

DECILES = np.arange(0.1, 0.95, 0.1)

Edge = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class Distribution(Strict):
    """Bins between the deciles of the data, and how much of the data lies in each."""

    edges: Annotated[list[Edge], Field(min_length=1, max_length=100)]
    """Ascending; the first bin lies at or below the first edge, the last one above the last."""
    shares: list[Share]
    """One more than edges; they sum to 1."""

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if len(self.shares) != len(self.edges) + 1 or sorted(set(self.edges)) != self.edges:
            raise ValueError("edges must ascend, and shares be one more than edges")
        return self

    @classmethod
    def of(cls, values: Floats) -> Self:
        """The distribution of these values, float64[n] without NaN."""
        # A switch or a rounded channel has equal deciles: fewer bins then.
        edges = np.unique(np.quantile(values, DECILES, method="inverted_cdf"))
        counts = np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
        return cls(edges=edges.tolist(), shares=(counts / counts.sum()).tolist())
