"""Says at most once a minute what the other side of a connection can cause as often as it likes."""

import time
from collections.abc import Callable

_QUIET_S = 60.0
_SHOWN = 200
_MOST_KNOWN = 1_000


class Seldom:
    """Passes an event on at most once a minute for each subject, its first field.

    Those in between are counted: the next has their number as `repeated`. Texts are cut after 200
    characters. Whoever publishes decides how often an event comes, and how long its texts are.
    """

    def __init__(
        self, notify: Callable[..., object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._notify, self._clock = notify, clock
        self._said: dict[tuple[str, object], tuple[float, int]] = {}

    def __call__(self, event: str, /, **fields: object) -> None:
        """Passes the event on, or counts it."""
        key, now = (event, _cut(next(iter(fields.values()), None))), self._clock()
        said, repeated = self._said.get(key, (-_QUIET_S, 0))
        if now - said < _QUIET_S:
            self._said[key] = said, repeated + 1
            return
        if len(self._said) >= _MOST_KNOWN:
            self._said.clear()
        self._said[key] = now, 0
        more = {"repeated": repeated} if repeated else {}
        self._notify(event, **{name: _cut(value) for name, value in fields.items()}, **more)


def _cut(value: object) -> object:
    is_long = isinstance(value, str) and len(value) > _SHOWN
    return f"{value[:_SHOWN]}…" if is_long and isinstance(value, str) else value
