"""TLS options and contexts for sinks.

Certificates are read at each connection, so a renewed one is used without a restart.
"""

import ssl

from pydantic import Field, ValidationInfo, field_validator

from gateway.api.contracts import ConfigError, Places, SinkUnavailable
from gateway.api.options import Secret, Strict


class TlsOptions(Strict):
    """Certificates of a connection; files in PEM, relative to the line file."""

    ca: str | None = None
    """A file with trusted CA certificates; the system's if not given."""
    certificate: str | None = None
    """The client certificate, if the server requires one."""
    key: str | None = Field(default=None, validate_default=True)
    """The private key of the client certificate."""
    key_password: Secret | None = None
    """The password of the key, as ${env:NAME} or ${credential:NAME}."""

    @field_validator("key")
    @classmethod
    def _comes_with_its_certificate(cls, key: str | None, info: ValidationInfo) -> str | None:
        if (key is None) != (info.data.get("certificate") is None):
            raise ValueError("`certificate` and `key` belong together: give both or none")
        return key


def client_context(options: TlsOptions, places: Places) -> ssl.SSLContext:
    """A context that verifies the server's certificate and name; SinkUnavailable for a bad file."""
    # OpenSSL does not name the file in its errors, so it is remembered here.
    reading = options.ca
    try:
        context = ssl.create_default_context(cafile=places.config / reading if reading else None)
        if options.certificate and options.key:
            reading = f"{options.certificate} with {options.key}"
            # Without a password OpenSSL would ask for one on the terminal.
            password = options.key_password.resolve() if options.key_password else ""
            chain = places.config / options.certificate, places.config / options.key
            context.load_cert_chain(*chain, password=password)
    except ConfigError as error:
        raise SinkUnavailable(str(error), needs_human=True) from error
    except OSError as error:
        why = error.strerror or str(error)
        raise SinkUnavailable(f"{reading} cannot be used: {why}", needs_human=True) from error
    return context


def is_refusal(error: BaseException | None) -> bool:
    """Whether TLS itself failed, as opposed to a connection that broke during the handshake."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
        error = error.__cause__
    return False
