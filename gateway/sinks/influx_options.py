"""The options of the InfluxDB sink, and which of them belong to which version of the server."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from gateway.api.addresses import http_url
from gateway.api.model import SECOND
from gateway.api.options import PositiveDuration, Secret, Size, Url
from gateway.sinks.tls import TlsOptions

_VERSION_1 = ("database", "retention_policy", "username", "password")
_LATER = ("bucket", "org", "token")
_INSTEAD = {
    "bucket": "`database`",
    "org": "no organisation",
    "token": "`username` and `password`",
    "database": "`bucket`",
    "retention_policy": "the retention of the bucket",
    "username": "`token`",
    "password": "`token`",
}


class InfluxOptions(TlsOptions):
    """InfluxDB: /write of version 1, /api/v2/write of later ones."""

    type: Literal["influx"] = "influx"
    url: Annotated[Url, AfterValidator(http_url)]
    """The URL of the server, without a path: https://influx.example.com:8086."""
    version: Literal[1, 2, 3] = 2
    """The main version of InfluxDB; 2 for InfluxDB Cloud too."""
    bucket: str = ""
    """The bucket; in InfluxDB 3 the database. Required from version 2 on."""
    org: str = ""
    """The organisation; required by InfluxDB 2, InfluxDB 3 has none."""
    token: Secret | None = None
    """A token that may write to the bucket, as ${env:NAME} or ${credential:NAME}."""
    database: str = ""
    """The database; required with `version: 1`, and only there."""
    retention_policy: str = ""
    """The retention policy of the database, only with `version: 1`; its default if not given."""
    username: str = ""
    """The user name, only with `version: 1`, if the server requires one."""
    password: Secret | None = None
    """The password, only with `version: 1`, as ${env:NAME} or ${credential:NAME}."""
    timeout: PositiveDuration = 10 * SECOND
    """The time limit of a whole request."""
    budget: Annotated[Size, Field(ge=16 * 1024)] | None = None
    """At most this many bytes per hour for summaries and reports; alerts are always sent."""
    gzip: bool = True
    """Compress requests."""
    proxy: Annotated[Url, AfterValidator(http_url)] | None = None
    """An HTTP proxy: http://proxy.example.com:3128; none if not given."""
    proxy_username: str | None = None
    """The user name at the proxy."""
    proxy_password: Secret | None = None
    """The password at the proxy, as ${env:NAME} or ${credential:NAME}."""

    @field_validator("proxy_password")
    @classmethod
    def _comes_with_a_user(cls, password: Secret | None, info: ValidationInfo) -> Secret | None:
        if password is not None and not (info.data.get("proxy_username") and info.data["proxy"]):
            raise ValueError("needs `proxy` and `proxy_username`")
        return password

    @model_validator(mode="after")
    def _fits_the_version(self) -> Self:
        wrong = _LATER if self.version == 1 else _VERSION_1
        for name in wrong:
            if getattr(self, name):
                others = "InfluxDB 2 and 3" if self.version == 1 else "`version: 1`"
                here = f"`version: {self.version}` has {_INSTEAD[name]}"
                raise ValueError(f"`{name}` belongs to {others}: {here}")
        needed = "database" if self.version == 1 else "bucket"
        if not getattr(self, needed):
            raise ValueError(f"`{needed}` is missing: `version: {self.version}` requires it")
        if ":" in self.username:
            raise ValueError("`username` must not contain a colon")
        if self.password is not None and not self.username:
            raise ValueError("`password` needs `username`")
        if self.proxy_username is not None and self.proxy is None:
            raise ValueError("`proxy_username` needs `proxy`")
        return self

    @property
    def path(self) -> str:
        """The path of the write endpoint."""
        return "/write" if self.version == 1 else "/api/v2/write"

    @property
    def query(self) -> Mapping[str, str]:
        """The query of a write request."""
        if self.version == 1:
            given = {"db": self.database, "rp": self.retention_policy}
        else:
            given = {"org": self.org, "bucket": self.bucket}
        return {key: value for key, value in given.items() if value} | {"precision": "ns"}

    @property
    def target(self) -> str:
        """What is written to, in words."""
        if self.version == 1:
            return f"database {self.database}"
        return f"bucket {self.bucket}"
