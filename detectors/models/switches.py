"""Switches: tags that are commands or states, not measurements.

Promises
- A switch that changes often explains the other tags and stays in the model. One that hardly ever
  changed, or is hardly ever in one of its states, has no variance to measure a change by: it is
  left out, with the reason.
"""

import numpy as np

from gateway.api.model import Floats

MAX_STATES = 8
MIN_ROWS = 100
"""Fewest rows from which the number of states is determined."""
MAX_CHANGES = 0.05
"""Share of the rows; integers that change more often are a coarse measurement."""
MIN_CHANGES = 20
"""So that the data, and each held-out part, shows the effect of a change several times."""
FURTHEST = 10.0
"""Standard deviations from the mean beyond which a state would dominate all other tags."""


def reason_to_exclude(values: Floats) -> str:
    """Why a recorded tag is a switch that cannot be used; empty if it can, or is not a switch."""
    known = values[~np.isnan(values)]
    if len(known) < MIN_ROWS:
        return ""
    states = np.unique(known[:: max(1, len(known) // 1000)])
    # Most tags are measurements, which a few rows show.
    if len(states) > MAX_STATES or len(states := np.unique(known)) > MAX_STATES:
        return ""
    changes = int(np.count_nonzero(np.diff(known)))
    if len(states) > 2 and not _is_coded(states, changes, len(known)):
        return ""
    switch = f"a switch ({', '.join(f'{state:g}' for state in states)})"
    if changes < MIN_CHANGES:
        times = "once" if changes == 1 else f"{changes} times"
        return f"{switch} that changed only {times}"
    if np.abs(states - known.mean()).max() > FURTHEST * known.std():
        return f"{switch} that is hardly ever in one of its states"
    return ""


def _is_coded(states: Floats, changes: int, rows: int) -> bool:
    return bool((states == np.round(states)).all()) and changes <= MAX_CHANGES * rows
