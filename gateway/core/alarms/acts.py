"""What a person may do to an alarm, and what refuses it. Pure.

Promises
- Each act changes the memory of one alarm and names the transition, or raises CommandRefused with a
  sentence and changes nothing.
- What comes back from a shelf, from a suppression or into service is unacknowledged if its
  condition holds, and normal otherwise, as in the state model of IEC 62682.
"""

from collections.abc import Callable

from gateway.api.alarms import Transition
from gateway.api.contracts import CommandRefused
from gateway.api.model import Nanos
from gateway.core.alarms.memory import FOREVER, Memory


class UnknownAlarm(CommandRefused):
    """No alarm has this id now; it may be one that is over."""


Act = Callable[[Memory, Nanos], Transition]
"""Does one thing to an alarm at a time; CommandRefused if that is not possible."""


def acknowledge(by: str) -> Act:
    """A person has seen it."""

    def act(kept: Memory, _at: Nanos) -> Transition:
        if not kept.is_open:
            raise CommandRefused("it is not active: there is nothing to acknowledge")
        if kept.acknowledged_by:
            raise CommandRefused(f"already acknowledged by {kept.acknowledged_by}")
        kept.acknowledged_by = by
        return Transition.ACKNOWLEDGED

    return act


def reset(kept: Memory, _at: Nanos) -> Transition:
    """A person releases a latched alarm whose condition has returned."""
    if not kept.latched:
        raise CommandRefused("it is not latched: it returns by itself")
    if kept.active:
        raise CommandRefused("its condition still holds: it can be reset when that has returned")
    if not kept.acknowledged_by:
        raise CommandRefused("it is not acknowledged yet: acknowledge it first")
    kept.close()
    return Transition.RESET


def shelve(until: Nanos | None) -> Act:
    """Hide it until a time; None: until its condition has returned (one shot)."""

    def act(kept: Memory, at: Nanos) -> Transition:
        _refuse_out_of_service(kept)
        if until is None and not kept.active:
            raise CommandRefused("its condition does not hold: shelve it for a time instead")
        if until is not None and until <= at:
            raise CommandRefused("the end of the shelf lies in the past")
        kept.shelved_until = FOREVER if until is None else until
        return Transition.SHELVED

    return act


def unshelve(kept: Memory, _at: Nanos) -> Transition:
    """End the shelf before its time."""
    if not kept.shelved_until:
        raise CommandRefused("it is not shelved")
    kept.shelved_until = 0
    annunciate(kept)
    return Transition.UNSHELVED


def take_out_of_service(why: str) -> Act:
    """Hide it until a person returns it to service; for maintenance of what it watches."""

    def act(kept: Memory, _at: Nanos) -> Transition:
        _refuse_out_of_service(kept)
        kept.out_of_service, kept.shelved_until = why, 0
        return Transition.TAKEN_OUT_OF_SERVICE

    return act


def return_to_service(kept: Memory, _at: Nanos) -> Transition:
    """Show it again."""
    if not kept.out_of_service:
        raise CommandRefused("it is in service")
    kept.out_of_service = ""
    annunciate(kept)
    return Transition.RETURNED_TO_SERVICE


def comment(verdict: str) -> Act:
    """A person says something about it, with a verdict or without one (empty)."""

    def act(kept: Memory, _at: Nanos) -> Transition:
        if not kept.is_open:
            raise CommandRefused(
                "it is normal: one that is over is named by its id, which the journal shows"
            )
        kept.verdict = verdict or kept.verdict
        return Transition.COMMENTED

    return act


def annunciate(kept: Memory) -> None:
    """What was hidden is shown again, and asks for an acknowledgement if it still holds."""
    if kept.is_hidden:
        return
    if kept.active or kept.latched:
        kept.acknowledged_by = ""
    else:
        kept.close()


def _refuse_out_of_service(kept: Memory) -> None:
    if kept.out_of_service:
        raise CommandRefused(f"it is out of service: {kept.out_of_service}")
