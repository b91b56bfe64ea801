"""Durations in words, for reasons and messages. Pure."""

from gateway.api.model import SECOND, Nanos

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86_400, 31_557_600
_OLDEST = 1e10
"""Seconds beyond which an age is no more told apart; a daemon may send any number."""


def spell(nanos: Nanos) -> str:
    """The length of a time span for people, without its sign: '0.4 s', '2 h 30 min', '26 years'."""
    seconds = abs(nanos) / SECOND
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    if round(seconds) < _MINUTE:
        return f"{seconds:.0f} s"
    if round(seconds) < _HOUR:
        return _two(round(seconds), _MINUTE, "min", 1, "s")
    if seconds < 2 * _DAY:
        return _two(round(seconds / _MINUTE) * _MINUTE, _HOUR, "h", _MINUTE, "min")
    if seconds < 2 * _YEAR:
        return f"{seconds / _DAY:.0f} d"
    return f"{seconds / _YEAR:.0f} years"


def spell_roughly(nanos: Nanos) -> str:
    """The same to about a hundredth, for what is measured: '30 min', not '29 min 59 s'."""
    seconds = round(abs(nanos) / SECOND)
    grain = 1 if seconds < _MINUTE else 10 if seconds < 10 * _MINUTE else _MINUTE
    return spell(round(seconds / grain) * grain * SECOND if grain > 1 else nanos)


def spell_age(seconds: float | None) -> str:
    """The age of data: '0.4 s', '2 min 5 s', '27 years', or a dash if there is none."""
    if seconds is None:
        return "–"
    return f"{seconds:.1f} s" if seconds < _MINUTE else spell(int(min(seconds, _OLDEST)) * SECOND)


def _two(seconds: int, large: int, name: str, small: int, rest_name: str) -> str:
    whole, rest = divmod(seconds, large)
    rest //= small
    return f"{whole} {name}" + (f" {rest} {rest_name}" if rest else "")
