"""Which alarm a person means: by its id, by detector.alarm, or by the beginning of that."""

from collections.abc import Sequence
from typing import Any

from gateway.api.contracts import AndonError
from gateway.api.nearest import nearest

Facts = dict[str, Any]
NAMED = 5
"""Alarms that a sentence names."""


class Ambiguous(AndonError):  # noqa: N818 - an answer to a person, not a fault of ours
    """What was given is the beginning of several; the message names them."""


def name_of(alarm: Facts) -> str:
    """Its name without its occurrence: 'guard.flow.high'."""
    return f"{alarm['detector']}.{alarm['alarm']}"


def chosen(given: str, alarms: Sequence[Facts]) -> str:
    """The id of the alarm that is meant, among those that are not normal; Ambiguous.

    What is none of them is left as it is: a normal alarm has a name, and one that is over an id.
    """
    exact = [alarm for alarm in alarms if given in (alarm["id"], name_of(alarm))]
    # Not the beginning of an id: that would be another occurrence.
    begun = [alarm for alarm in alarms if name_of(alarm).startswith(given)]
    found = sorted({str(alarm["id"]) for alarm in exact or begun})
    if len(found) > 1:
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        raise Ambiguous(f"{given} may be {', '.join(found[:NAMED])}{more}: write more of it")
    return found[0] if found else given


def hint(given: str, alarms: Sequence[Facts]) -> str:
    """What was probably meant by a name that no alarm has."""
    ids = [str(alarm["id"]) for alarm in alarms]
    return nearest(given, ids) if ids else "every alarm is normal"
