"""The options of an OPC UA source and its tags.

Promises
- A connection without security needs `insecure: true`.
- Deprecated security policies cannot be chosen, and a server's certificate is pinned or in a
  folder: one fetched over an open channel would prove nothing.
"""

import math
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    Field,
    field_validator,
    model_validator,
)

from connectors.opcua.statuses import UNCERTAIN
from connectors.opcua.tag_options import GoodEnough, Mode, OpcUaTag
from gateway.api.addresses import resolvable
from gateway.api.model import SECOND, Nanos
from gateway.api.options import FilePath, Name, PositiveDuration, Secret, Strict, Url

Clock = Literal["source", "server", "receive", "corrected"]
LEAST_QUEUE = 20
SILENCE_PERIODS = 1.5
"""A tag is read after this many of its periods without a sample."""


class SecurityOptions(Strict):
    """Certificates, trust, and protection of the connection."""

    policy: Literal["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"] = (
        "Basic256Sha256"
    )
    """The security policy that the server offers."""
    mode: Literal["SignAndEncrypt", "Sign"] = "SignAndEncrypt"
    """Sign leaves the values readable on the wire."""
    certificate: FilePath | None = None
    """Our certificate (.pem or .der), relative to the line file; the server must trust it. Default:
    one is created at the first start and kept in the line's state folder, under opcua/."""
    private_key: FilePath | None = None
    """Its private key (.pem or .der), relative to the line file."""
    server_certificate: FilePath | None = None
    """The server's certificate (.pem or .der), relative to the line file; no other is accepted.
    Either this or `trusted`."""
    trusted: FilePath | None = None
    """A folder with the certificates of all trusted servers, relative to the line file; the
    server's certificate must also name the host in `url`."""

    @model_validator(mode="after")
    def _has_one_trust_setting(self) -> Self:
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError(
                "`certificate` and `private_key` go together; without both, "
                "one is created in the state folder"
            )
        if self.server_certificate is None and self.trusted is None:
            raise ValueError(
                "add `server_certificate:` with the server's certificate, or `trusted:` with a "
                "folder of certificates"
            )
        if self.server_certificate is not None and self.trusted is not None:
            raise ValueError("`server_certificate` and `trusted` exclude each other: remove one")
        return self


class OpcUaOptions(Strict):
    """An OPC UA server whose variables are subscribed to or polled. Read-only."""

    type: Literal["opcua"]
    url: Url
    """Its endpoint, as in opc.tcp://192.168.0.12:4840."""
    insecure: bool = False
    """Connect without any security. Either this or `security`."""
    security: SecurityOptions | None = None
    """How the connection is protected."""
    username: str | None = None
    """The user to log in as. Default: anonymous."""
    password: Secret | None = None
    """The user's password: ${env:NAME}, ${credential:NAME} or ${file:/path}. With `insecure: true`
    a server may require it readable on the wire."""
    user_certificate: FilePath | None = None
    """The user's certificate (.pem or .der) instead of a name, relative to the line file."""
    user_key: FilePath | None = None
    """The private key of `user_certificate`, relative to the line file."""
    mode: Mode = "subscribe"
    """subscribe: the server monitors the tags and sends their changes. poll: each tag is read with
    its period, for servers without subscriptions."""
    batch: Annotated[int, Field(ge=1, le=10_000)] = 100
    """The most nodes in one request; fewer if the server's limits are lower. Small controllers
    become slow above 100."""
    publishing_interval: PositiveDuration = SECOND // 2
    """How often the server sends changes; not longer than the period of the tags. Also the period
    of tags without their own."""
    timeout: PositiveDuration = 5 * SECOND
    """How long to wait for the connection and for each response."""
    timestamp: Clock = "source"
    """The time of a change: the source's, the server's, or its arrival here (receive). A missing
    time is replaced by the next in this order. corrected: the source's, less an offset from this
    machine's clock that was measured and is steady."""
    good_enough: GoodEnough | None = None
    """Uncertain qualities whose values are used, as in [UncertainLastUsableValue], or [any].
    Default: an uncertain value is shown and not used."""
    tags: Annotated[dict[Name, OpcUaTag], Field(min_length=1)]
    """The tags to read, by name."""

    @field_validator("url")
    @classmethod
    def _is_opc_tcp(cls, url: str) -> str:
        parts = urlsplit(url)
        # A port out of range is a ValueError of its own here.
        if parts.scheme != "opc.tcp" or not parts.hostname or parts.port == 0:
            raise ValueError("write it as in opc.tcp://192.168.0.12:4840")
        resolvable(parts.hostname)
        return url

    @model_validator(mode="after")
    def _has_one_protection(self) -> Self:
        if self.security is None and not self.insecure:
            raise ValueError("add `security:` with certificates, or set `insecure: true`")
        if self.security is not None and self.insecure:
            raise ValueError("`insecure: true` and `security:` exclude each other: remove one")
        if (self.username is None) != (self.password is None):
            raise ValueError("`username` and `password` go together")
        if self.username == "":
            raise ValueError("`username` is empty: leave both out for an anonymous login")
        return self

    @model_validator(mode="after")
    def _has_one_user(self) -> Self:
        if (self.user_certificate is None) != (self.user_key is None):
            raise ValueError("`user_certificate` and `user_key` go together")
        if self.user_certificate is not None and self.username is not None:
            raise ValueError("`user_certificate` and `username` exclude each other: remove one")
        if self.user_certificate is not None and self.security is None:
            raise ValueError(
                "a `user_certificate` needs `security:`: unprotected, it proves nothing"
            )
        return self

    @model_validator(mode="after")
    def _polled_tags_have_no_subscription_settings(self) -> Self:
        for name, tag in self.tags.items():
            for key in ("sampling_interval", "queue_size", "deadband"):
                if self.is_polled(tag) and getattr(tag, key) is not None:
                    raise ValueError(
                        f"{name} is polled, and `{key}` is for subscriptions: leave it out, "
                        "or give the tag `mode: subscribe`"
                    )
        return self

    def good_enough_for(self, tag: OpcUaTag) -> frozenset[str]:
        """The names of the uncertain statuses whose values are used for a tag."""
        names = frozenset(tag.good_enough or self.good_enough or ())
        return frozenset(UNCERTAIN) if "any" in names else names

    def is_polled(self, tag: OpcUaTag) -> bool:
        """True if a tag is read on schedule, not subscribed to."""
        return (tag.mode or self.mode) == "poll"

    @property
    def url_with_port(self) -> str:
        """The endpoint, with the standard port if it has none."""
        parts = urlsplit(self.url)
        return self.url if parts.port else parts._replace(netloc=f"{parts.netloc}:4840").geturl()

    def period_of(self, tag: OpcUaTag) -> Nanos:
        """The expected time between two samples of a tag, in ns."""
        return tag.period or self.publishing_interval

    def sampling_of(self, tag: OpcUaTag) -> Nanos:
        """How often the server is asked to sample a tag, in ns."""
        return tag.sampling_interval or self.period_of(tag)

    def queue_of(self, tag: OpcUaTag) -> int:
        """How many changes of a tag the server is asked to keep."""
        per_publish = math.ceil(self.publishing_interval / self.sampling_of(tag))
        return tag.queue_size or max(LEAST_QUEUE, 2 * per_publish)

    def max_silence_of(self, tag: OpcUaTag) -> Nanos:
        """How many ns without a sample until a tag is read."""
        return round(SILENCE_PERIODS * max(self.period_of(tag), self.publishing_interval))
