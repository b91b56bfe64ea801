"""The TLS context of the panel; ConfigError with a sentence for files that cannot be used."""

import ssl
from pathlib import Path

from gateway.api.contracts import ConfigError
from gateway.api.files import PEM_BYTES, read_text
from gateway.panel.settings import Settings


def context(settings: Settings) -> ssl.SSLContext | None:
    """For the settings' certificate, asking for the browsers' own where they may have one."""
    if settings.certificate is None or settings.key is None:
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    for each in (settings.certificate, settings.key):
        read_text(each, PEM_BYTES)
    try:
        # Without a password OpenSSL would ask for one on the terminal.
        made.load_cert_chain(settings.certificate, settings.key, password="")
    except (ssl.SSLError, ValueError, OSError) as error:
        raise ConfigError(
            f"{settings.certificate} and {settings.key} are not a certificate and its key in PEM "
            f"form, without a password ({_why(error)})"
        ) from error
    if settings.client_ca is not None:
        _ask_for_certificates(made, settings.client_ca, must=not settings.asks_for_tokens)
    return made


def _ask_for_certificates(made: ssl.SSLContext, authority: Path, *, must: bool) -> None:
    text = read_text(authority, PEM_BYTES)
    try:
        made.load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(f"{authority} holds no certificate in PEM form") from error
    made.verify_mode = ssl.CERT_REQUIRED if must else ssl.CERT_OPTIONAL


def _why(error: Exception) -> str:
    return str(getattr(error, "reason", "") or error)[:100]
