"""The threshold of a model that was made elsewhere, from its scores of held-out normal windows.

Its scores may be negative and follow no law, so they are not extrapolated: the threshold lies well
above all of them.
"""

import numpy as np

from gateway.model import Floats

QUANTILE = 0.9995
DEVIATIONS = 6.0
MARGIN = 2.5
"""Over the highest held-out scores: normal running that is new, or live samples that fall now in
one cell and now in the next, often score twice as high as a clean recording."""


def threshold(scores: Floats) -> float:
    """Above what the held-out scores reach, and above what their spread makes likely."""
    middle = float(np.median(scores))
    spread = 1.4826 * float(np.median(np.abs(scores - middle)))
    return MARGIN * max(float(np.quantile(scores, QUANTILE)), middle + DEVIATIONS * spread)
