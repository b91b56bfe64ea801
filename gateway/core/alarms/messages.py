"""The sentences of alerts. Pure."""

from collections.abc import Sequence
from itertools import groupby

from gateway.api.model import Alarm, TopTag, Transition
from gateway.api.wording import number


def message_of(
    alarm: Alarm,
    transition: Transition,
    *,
    value: float,
    top: Sequence[TopTag],
    after: float,
    why: str,
) -> str:
    """One sentence for people.

    `value` is the score, or the number of tags for an alarm with `updates`; `after` the seconds
    since the activation; `why` who acknowledged it, or why there is nothing to judge.
    """
    if transition is Transition.RETURNED:
        return f"{alarm.name} returned to normal after {after:g} s"
    if transition is Transition.SUPPRESSED:
        return f"{alarm.name} suppressed by design after {after:g} s: {why}"
    if transition is Transition.ACKNOWLEDGED:
        return f"{alarm.name} acknowledged by {why}"
    advice = f"; {alarm.advice}" if alarm.advice else ""
    if alarm.phrase:
        # Not str.format: a plugin's phrase with other braces must not fail where it is raised.
        tags = named(top, more=value > len(top))
        return alarm.phrase.replace("{value}", number(value, 4)).replace("{tags}", tags) + advice
    if alarm.tag is not None:
        side = "below" if alarm.below else "above"
        limits = f"{number(value, 4)} {side} its limit of {number(alarm.threshold, 4)}"
    else:
        limits = f"{number(value, 4)} past its threshold of {number(alarm.threshold, 4)}"
    return f"{alarm.name}: {limits}{advice}"


def named(top: Sequence[TopTag], *, more: bool) -> str:
    """The tags with their reasons, as in 'flow, speed: timeout; oil: exception 2'.

    `more` if others are left out.
    """
    tags = sorted(top, key=lambda tag: tag.reason)
    # The order of the causes is kept within a reason, and the first cause's reason comes first.
    first = {tag.reason: number for number, tag in reversed(list(enumerate(top)))}
    groups = sorted(
        ((reason, [tag.tag for tag in same]) for reason, same in groupby(tags, lambda t: t.reason)),
        key=lambda group: first[group[0]],
    )
    if more and groups:
        groups[-1][1].append("…")
    return "; ".join(
        ", ".join(names) + (f": {reason}" if reason else "") for reason, names in groups
    )
