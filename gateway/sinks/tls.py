"""TLS options and contexts for sinks.

Certificates are read at each connection, so a renewed one is used without a restart.
"""

import ssl

from pydantic import Field, ValidationInfo, field_validator

from gateway.api import tls
from gateway.api.contracts import ConfigError, Places, SinkUnavailable
from gateway.api.options import FilePath, Secret, Strict


class TlsOptions(Strict):
    """Certificates of a connection; files in PEM, relative to the line file."""

    ca: FilePath | None = None
    """A file with trusted CA certificates; the system's if not given."""
    certificate: FilePath | None = None
    """The client certificate, if the server requires one."""
    key: FilePath | None = Field(default=None, validate_default=True)
    """The private key of the client certificate."""
    key_password: Secret | None = None
    """The password of the key, as ${env:NAME} or ${credential:NAME}."""

    @field_validator("key")
    @classmethod
    def _comes_with_its_certificate(cls, key: str | None, info: ValidationInfo) -> str | None:
        if (key is None) != (info.data.get("certificate") is None):
            raise ValueError("`certificate` and `key` belong together: give both or none")
        return key


async def client_context(options: TlsOptions, places: Places) -> ssl.SSLContext:
    """A context that verifies the server's certificate and name; SinkUnavailable for a bad file."""
    try:
        return await tls.client_context(options, places.config, options.key_password)
    except ConfigError as error:
        raise SinkUnavailable(str(error), needs_human=True) from error


def is_refusal(error: BaseException | None) -> bool:
    """Whether TLS itself failed, as opposed to a connection that broke during the handshake."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
        error = error.__cause__
    return False
