"""Checks of the sinks that tell people: what they need, and whether what they wait for comes."""

from collections.abc import Iterator
from importlib.util import find_spec

from gateway.api.extras import how_to_install
from gateway.config.document import Document
from gateway.config.problems import Problem


def of_line(document: Document) -> Iterator[Problem]:
    """Sinks of the type `notify` that could never send a message."""
    for name in document.mapping("sinks"):
        if document.get("sinks", name, "type") == "notify":
            yield from _extra(document, name)
            yield from _escalations(document, name)


def _extra(document: Document, name: str) -> Iterator[Problem]:
    if find_spec("apprise") is None:
        hint = f"{how_to_install('notify')}, or leave the sink out"
        where = ("sinks", name, "type")
        yield document.problem(where, "notify needs Apprise, which is not installed", hint)


def _escalations(document: Document, name: str) -> Iterator[Problem]:
    after = document.get("alarms", "escalate_after")
    steps = len(after) if isinstance(after, list) else 0
    for target in document.mapping("sinks", name, "targets"):
        where = ("sinks", name, "targets", target, "escalation")
        step = document.get(*where)
        if isinstance(step, int) and not isinstance(step, bool) and step > steps:
            times = "is not escalated" if not steps else f"is escalated only {steps} times"
            message = f"an alarm that is not acknowledged {times}: this target gets no message"
            hint = f"list {step} or more times in `alarms: {{escalate_after: [15m, ...]}}`"
            yield document.problem(where, message, hint, at="value")
