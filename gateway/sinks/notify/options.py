"""The options of the notify sink: who gets which alarms, and when."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, field_validator, model_validator

from gateway.api.alarms import Severity, Transition
from gateway.api.model import SECOND
from gateway.api.options import Name, PositiveDuration, Secret, Strict
from gateway.sinks.alert_filter import AlertFilter
from gateway.sinks.notify.letter import example, facts_for_template
from gateway.sinks.templates import checked

_MINUTES = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:  # an unknown one is a KeyError
        why = "is not a time zone of this machine: write its IANA name, as in Europe/Berlin"
        raise ValueError(f"{name} {why}") from error
    return name


TimeOfDay = Annotated[str, Field(pattern=_MINUTES)]
Zone = Annotated[str, Field(max_length=100), AfterValidator(_known_zone)]


class QuietHours(Strict):
    """Hours in which only severe alarms are sent; the others follow in one message at the end."""

    start: TimeOfDay
    """When they begin, as in 22:00."""
    end: TimeOfDay
    """When they end, as in 06:00; may be on the next day."""
    time_zone: Zone | None = None
    """The IANA name of a time zone, as in Europe/Berlin; the machine's if not given."""
    min_severity: Severity = Severity.CRITICAL
    """Alarms of this severity and above are sent nevertheless."""

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if self.start == self.end:
            raise ValueError("`start` and `end` are the same time: write two different ones")
        return self


class TargetOptions(AlertFilter):
    """One receiver, or several that get the same messages."""

    apprise: Secret
    """The Apprise URL of the receiver, as ${env:NAME}, ${credential:NAME} or ${file:/path}; it
    holds passwords, so it must not be in the line file."""
    escalation: Annotated[int, Field(ge=1, le=10)] | None = None
    """Only alarms that were not acknowledged in time: the number of the step of `escalate_after`
    in the line's `alarms`, the first is 1. Everybody's if not given."""
    quiet_hours: QuietHours | None = None
    """When less severe alarms wait until the morning."""
    most_per_hour: Annotated[int, Field(ge=2, le=1000)] = 20
    """The most messages in any hour; what is more follows together in one message."""
    digest_above: Annotated[int, Field(ge=1, le=100)] = 5
    """When more alerts than this wait, they are sent together in one message."""
    subject: str = ""
    """A Jinja2 template for the subject of one alert, in place of the usual one."""
    text: str = ""
    """A Jinja2 template for the text of one alert, in place of the usual one."""

    @field_validator("subject", "text")
    @classmethod
    def _is_template(cls, text: str) -> str:
        return checked(text, facts_for_template(example(), 0))

    @model_validator(mode="after")
    def _can_be_escalated_to(self) -> Self:
        if self.escalation is not None and Transition.ESCALATED not in self.transitions:
            raise ValueError("`escalation` needs `escalated` among `transitions`: add it")
        return self


class NotifyOptions(Strict):
    """Alarms to people: by mail, chat or text message, with Apprise."""

    type: Literal["notify"] = "notify"
    targets: Annotated[Mapping[Name, TargetOptions], Field(min_length=1, max_length=20)]
    """The receivers by name."""
    timeout: PositiveDuration = 30 * SECOND
    """The time limit of one message."""
    acknowledge: Annotated[str, Field(max_length=500)] = "andon alarms {line}.yaml ack {id}"
    """How to acknowledge, the last line of a message; may contain {id}, {line} and {site}. The
    address of a panel, for example; left out if empty."""

    @field_validator("timeout")
    @classmethod
    def _is_of_a_message(cls, timeout: int) -> int:
        if timeout > 600 * SECOND:
            raise ValueError("must be at most 10min")
        return timeout
