"""The texts of which the messages of alarms are made, in English. A language file replaces them.

Promises
- Placeholders are names in braces. One that a text does not need, or that nothing fills, is no
  error: a text never keeps an alarm from being raised.
"""

import re

TEXTS = {
    "high_high": "{tag} very high",
    "high": "{tag} high",
    "low": "{tag} low",
    "low_low": "{tag} very low",
    "rate_of_change": "{tag} changes fast",
    "flat_line": "{tag} does not change",
    "anomaly": "{line} unlike its normal running",
    "lost": "{part} lost",
    "no_data": "{part} without data",
    "out_of_specification": "{part} out of specification",
    "check_function": "{part}: check the function",
    "maintenance_required": "{part} needs maintenance",
    "input_drift": "Inputs of {part} unlike those that it was trained with",
    "score_drift": "Scores of {part} unlike those that it was trained with",
    "blindness": "{part} blind too often",
    "flood": "Alarm flood",
    "beyond a limit": "{alarm}: {value}, limit {limit}",
    "too fast": "{alarm}: {value} per second, limit {limit} per second",
    "frozen": "{alarm}: the same value for {value} s, limit {limit} s",
    "since": "{said}, since {since}",
    "unusual": "{line} behaves unlike its normal running",
    "causes": "{alarm}: {tags}",
    "cause": "{tag} {share} % ({value}, expected {expected})",
    "cause without expectation": "{tag} {share} % ({value})",
    "cause without value": "{tag} {share} %",
    "raised lost": "{part} is lost: no usable data from any of its {of} tags ({tags})",
    "raised lost alone": "{part} is lost: no usable data from its only tag ({tags})",
    "raised no_data": "{value} of {of} tags of {part} without usable data ({tags})",
    "raised out_of_specification": "{value} of {of} tags of {part} out of specification ({tags})",
    "raised check_function": "{value} of {of} tags of {part} to be checked ({tags})",
    "raised maintenance_required": "{value} of {of} tags of {part} need maintenance ({tags})",
    "raised flood": "Alarm flood: {value} alarms within 10 minutes; "
    "begin with the first of them: {first}",
    "returned": "{alarm}: returned to normal after {after}",
    "returned latched": "{alarm}: its condition is gone after {after}; latched until it is reset",
    "acknowledged": "{alarm}: acknowledged by {by}",
    "realarmed": "{alarm}: still active after {after}",
    "escalated": "{alarm}: not acknowledged after {after}",
    "reset": "{alarm}: reset by {by}",
    "suppressed": "{alarm}: suppressed by design after {after}: {why}",
    "unsuppressed": "{alarm}: no longer suppressed by design",
    "shelved": "{alarm}: shelved by {by} until {until}",
    "shelved once": "{alarm}: shelved by {by} until it returns to normal",
    "unshelved": "{alarm}: no longer shelved",
    "taken_out_of_service": "{alarm}: taken out of service by {by}",
    "returned_to_service": "{alarm}: returned to service by {by}",
    "removed": "{alarm}: ended",
    "commented": "{alarm}: {by} says",
    "commented_real": "{alarm}: a real fault, says {by}",
    "commented_false": "{alarm}: a false alarm, says {by}",
    "commented_unclear": "{alarm}: unclear, says {by}",
    "chattering": "{said}. Chattering: {count} times in {span}, "
    "held until it has been quiet for {quiet}",
    "reason": "{said}: {reason}",
    "advice": "{said}; {advice}",
    "advice input_drift": "retrain it on recent normal running",
    "advice score_drift": "retrain it on recent normal running",
    "advice blindness": "see which of its tags are late, stale or bad",
    "state normal": "normal",
    "state unacknowledged": "active, not acknowledged",
    "state acknowledged": "active, acknowledged",
    "state returned_unacknowledged": "returned, not acknowledged",
    "state latched_unacknowledged": "latched, not acknowledged",
    "state latched_acknowledged": "latched, acknowledged",
    "state shelved": "shelved",
    "state suppressed_by_design": "suppressed by design",
    "state out_of_service": "out of service",
    "severity low": "low",
    "severity medium": "medium",
    "severity high": "high",
    "severity critical": "critical",
    "status normal": "normal",
    "status maintenance_required": "maintenance required",
    "status out_of_specification": "out of specification",
    "status check_function": "check function",
    "status failure": "failure",
    "decimal point": ".",
}
"""The texts by what they say, in English. Families begin with their name: `raised` (the message
of a kind of alarm instead of the usual one), `advice`, `state`, `severity`, and `status`
(of a sensor)."""
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def filled(text: str, **values: str) -> str:
    """A text with its placeholders replaced.

    Not str.format: a text with other braces must not fail where an alarm is raised.
    """
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)
