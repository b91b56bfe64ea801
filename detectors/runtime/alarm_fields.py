"""An alarm's fields from the options of the line file: its own, its tag's, its detector's.

Promises
- What is given nearest to the alarm applies.
- `n_of_m` and `on_delay` are one setting: the nearer of them applies, and the other does not.
"""

from collections.abc import Sequence
from typing import Any

from gateway.api.alarm_options import AlarmOptions, AlarmOverrides

_PLAIN = ("off_delay", "minimum_duration", "realarm_after", "latch", "advice", "caused_by")


def alarm_fields(options: AlarmOptions, nearer: Sequence[AlarmOverrides] = ()) -> dict[str, Any]:
    """Keyword arguments for `Alarm`, without its severity; `nearer` has the nearest level first."""
    levels: Sequence[AlarmOptions | AlarmOverrides] = [*nearer, options]
    fields = {name: _first(levels, name) for name in _PLAIN}
    for level in levels:
        if level.n_of_m is not None:
            return {**fields, "of_last": level.n_of_m}
        if "on_delay" in level.model_fields_set and level.on_delay is not None:
            return {**fields, "on_delay": level.on_delay}
    return {**fields, "on_delay": options.on_delay}


def _first(levels: Sequence[AlarmOptions | AlarmOverrides], name: str) -> Any:
    given = [value for level in levels if (value := getattr(level, name)) is not None]
    # Only the advice may be given nowhere.
    return given[0] if given else ""
