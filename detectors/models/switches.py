"""Switches: tags that are commands or states, not measurements, and which of them can be learnt.

Promises
- A switch that changes often says what the other tags should do, and stays among them. One that
  hardly ever changed, or is hardly ever in one of its states, has no spread that a change could be
  measured by: it is kept apart, with the reason.
"""

import numpy as np

from gateway.api.model import Floats

MAX_STATES = 8
MIN_ROWS = 100
"""Fewer say nothing about how many states there are."""
MAX_CHANGES = 0.05
"""Of the rows: whole numbers that change more often are a coarse measurement."""
MIN_CHANGES = 20
"""So that the data shows several times what a change does, and a part that is held out too."""
FURTHEST = 10.0
"""Standard deviations from the mean at which a state would drown all other tags."""


def reason_to_exclude(values: Floats) -> str:
    """Why a tag cannot be learnt from, as recorded; empty if it is no switch, or one that can."""
    known = values[~np.isnan(values)]
    if len(known) < MIN_ROWS:
        return ""
    states = np.unique(known[:: max(1, len(known) // 1000)])
    # Most tags are measurements, and are known as such by few rows.
    if len(states) > MAX_STATES or len(states := np.unique(known)) > MAX_STATES:
        return ""
    changes = int(np.count_nonzero(np.diff(known)))
    if len(states) > 2 and not _is_coded(states, changes, len(known)):
        return ""
    words = f"a switch ({', '.join(f'{state:g}' for state in states)})"
    if changes < MIN_CHANGES:
        times = "once" if changes == 1 else f"{changes} times"
        return f"{words} that changed only {times}: kept apart"
    if np.abs(states - known.mean()).max() > FURTHEST * known.std():
        return f"{words} that is hardly ever in one of its states: kept apart"
    return ""


def _is_coded(states: Floats, changes: int, rows: int) -> bool:
    return bool((states == np.round(states)).all()) and changes <= MAX_CHANGES * rows
