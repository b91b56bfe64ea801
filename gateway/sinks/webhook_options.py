"""The options of the webhook sink."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from gateway.api.addresses import http_url, without_login
from gateway.api.alarms import Transition
from gateway.api.masking import REFERENCE
from gateway.api.model import SECOND
from gateway.api.options import PositiveDuration, Secret
from gateway.sinks.alert_filter import AlertFilter
from gateway.sinks.templates import checked
from gateway.sinks.tls import TlsOptions
from gateway.sinks.webhook_payload import EXAMPLE, payload

_SCHEMA = {"type": "string", "pattern": r"^(https?://|\$\{)"}


def _endpoint(text: Any) -> str | Secret:
    """A URL without a secret, or the reference to one."""
    if isinstance(text, Secret):
        return text
    if not isinstance(text, str):
        raise ValueError("must be text: write a URL, or ${env:NAME} where it holds a secret")  # noqa: TRY004
    return Secret(text) if REFERENCE.fullmatch(text) else http_url(without_login(text))


Endpoint = Annotated[
    str | Secret, PlainValidator(_endpoint), PlainSerializer(str), WithJsonSchema(_SCHEMA)
]


class WebhookOptions(TlsOptions, AlertFilter):
    """Alarms to another program: one POST request for each alert."""

    type: Literal["webhook"] = "webhook"
    url: Endpoint
    """Where to post to; as ${env:NAME}, ${credential:NAME} or ${file:/path} if it holds a token."""
    signing_secret: Secret | None = None
    """The key of the signature, as ${env:NAME} or ${credential:NAME}; not signed if not given."""
    token: Secret | None = None
    """Sent as `Authorization: Bearer`, as ${env:NAME} or ${credential:NAME}."""
    transitions: Annotated[list[Transition], Field(min_length=1)] = list(Transition)
    """Which transitions are sent; all if not given."""
    in_floods: bool = False
    """Also send each alarm of a flood; else only the alarm that reports the flood."""
    body: str = ""
    """A Jinja2 template for the body, in place of the JSON object."""
    content_type: Annotated[str, Field(pattern=r"^[\w.+-]+/[\w.+-]+(; ?charset=[\w-]+)?$")] = (
        "application/json"
    )
    """The Content-Type of the body."""
    timeout: PositiveDuration = 10 * SECOND
    """The time limit of one request."""

    @field_validator("body")
    @classmethod
    def _is_template(cls, text: str) -> str:
        return checked(text, payload(EXAMPLE, "test.0"))

    @model_validator(mode="after")
    def _has_a_type_for_its_template(self) -> Self:
        if self.content_type != "application/json" and not self.body:
            raise ValueError("`content_type` is of a template: add `body`, or leave it out")
        return self
