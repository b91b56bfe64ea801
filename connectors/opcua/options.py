"""What a line file may say of an OPC UA source."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from gateway.model import SECOND
from gateway.options import Duration, Name, PositiveDuration, Secret, Strict, TagOptions, Url

_NODE = re.compile(r"(?:(?:nsu=(?P<uri>[^;]+)|ns=(?P<index>\d+));)?(?P<kind>[isgb])=(?P<id>.+)")


class OpcUaTag(TagOptions):
    """One variable of the server."""

    node: str
    """Its node id with the namespace's URI: nsu=urn:vendor:plc;s=Pump.Flow."""
    sampling_interval: Duration | None = None
    """How often the server looks at it; the tag's period if not given."""
    queue_size: Annotated[int, Field(ge=1, le=100_000)] = 20
    """Changes that the server keeps for us: an outage up to queue_size x sampling_interval loses
    none."""
    deadband: Annotated[float, Field(gt=0)] | None = None
    """Changes smaller than this are not reported, in the tag's unit."""

    @field_validator("node")
    @classmethod
    def _is_a_node_id(cls, text: str) -> str:
        match = _NODE.fullmatch(text)
        if not match:
            raise ValueError(f"{text!r} is not a node id: write nsu=URI;s=NAME or nsu=URI;i=NUMBER")
        if match["kind"] == "i" and not match["id"].isdigit():
            raise ValueError(f"{text!r} is not a node id: after i= comes a number")
        if match["index"] and match["index"] != "0":
            raise ValueError(
                f"{text!r} names its namespace by index, and a server may renumber them: "
                "write nsu=URI; instead of ns=INDEX;"
            )
        return text

    @property
    def parts(self) -> tuple[str | None, str, str]:
        """The namespace's URI (None for OPC UA's own), the kind of id (i, s, g or b), the id."""
        match = _NODE.fullmatch(self.node)
        assert match is not None  # noqa: S101 - validated
        return match["uri"], match["kind"], match["id"]


class Security(Strict):
    """A signed and encrypted channel; paths are relative to the line file."""

    policy: Literal["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"] = (
        "Basic256Sha256"
    )
    """The security policy; the deprecated ones are not offered."""
    mode: Literal["SignAndEncrypt", "Sign"] = "SignAndEncrypt"
    certificate: str
    """Our application certificate (.der or .pem); its URI must be urn:andon."""
    private_key: str
    """Its private key."""
    server_certificate: str
    """The server's certificate, pinned: any other is refused."""


class OpcUaOptions(Strict):
    """Variables of one OPC UA server, by subscription."""

    type: Literal["opcua"]
    url: Url
    """Where it listens: opc.tcp://192.168.10.30:4840."""
    security: Security | None = None
    insecure: bool = False
    """Connect without signing and encryption; must be said where `security` is not given."""
    username: str | None = None
    password: Secret | None = None
    publishing_interval: PositiveDuration = SECOND // 2
    """How often the server sends what has changed."""
    timeout: PositiveDuration = 5 * SECOND
    """How long an answer may take."""
    timestamp: Literal["source", "server", "receive"] = "source"
    """Whose time a sample carries."""
    items_per_request: Annotated[int, Field(ge=1, le=10_000)] = 1000
    """Monitored items or reads in one request; an S7-1200 wants 100."""
    tags: Annotated[dict[Name, OpcUaTag], Field(min_length=1)]

    @field_validator("url")
    @classmethod
    def _is_binary(cls, url: str) -> str:
        if not url.startswith("opc.tcp://"):
            raise ValueError(f"{url!r} is not an OPC UA address: write opc.tcp://HOST:PORT")
        return url

    @model_validator(mode="after")
    def _security_is_decided(self) -> Self:
        if self.security is None and not self.insecure:
            raise ValueError(
                "needs `security:` with certificates, or `insecure: true` to do without"
            )
        if self.security is not None and self.insecure:
            raise ValueError("has `security:` and `insecure: true`: take one away")
        if (self.username is None) != (self.password is None):
            raise ValueError("needs both `username` and `password`, or neither")
        return self
