"""Whether a server's certificate is to be trusted. Pure, but for reading the folder.

Promises
- Trusted is what stands in the file or folder that the line file names, byte for byte; nothing is
  taken on trust the first time, and no authority is asked.
- What is trusted must also be valid now, have a key that is long enough, and belong to the
  application that shows it; of several, also to the host that was called.
- A refusal says what was shown, so that it can be told from an attack.
"""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.opcua.certificates import load_certificate, subject_names, thumbprint
from gateway.api.contracts import ConfigError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

LEAST_BITS = 2048
"""What all policies that are not deprecated demand of an RSA key."""


def trusted_in(folder: Path) -> list["Certificate"]:
    """All certificates in a folder; a file that is none is a ConfigError that names it."""
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}") from error
    return [load_certificate(path) for path in files if not path.name.startswith(".")]


def why_unknown(shown: "Certificate", trusted: Sequence["Certificate"], folder: Path) -> str:
    """Why a certificate that was shown is not one of the trusted; empty if it is."""
    if shown in trusted:
        return ""
    return f"its certificate is not in {folder}: it shows {described(shown)}"


def why_invalid(certificate: "Certificate", now: dt.datetime) -> str:
    """Why a certificate may not be used now, whoever shows it; empty if it may."""
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    key: Any = certificate.public_key()
    if now > last:
        return f"its certificate expired on {last:%Y-%m-%d}"
    if now < first:
        return f"its certificate is valid from {first:%Y-%m-%d} on: is our clock right?"
    if key.key_size < LEAST_BITS:
        return f"its certificate has a key of {key.key_size} bits, {LEAST_BITS} are needed"
    return ""


def why_another_host(certificate: "Certificate", host: str) -> str:
    """Why a certificate is not that of the host we called; empty if it is."""
    names = subject_names(certificate)
    if _plain(host) in {_plain(name) for name in names.hosts}:
        return ""
    known = ", ".join(names.hosts) or "no host"
    return f"its certificate is for {known}, not for {host}; to trust it all the same, pin it"


def why_another_application(certificate: "Certificate", uri: str) -> str:
    """Why a certificate is not that of the application that shows it; empty if it is."""
    names = subject_names(certificate)
    if uri in names.uris:
        return ""
    known = ", ".join(names.uris) or "no application"
    return f"its certificate is for {known}, but it says that it is {uri}"


def described(certificate: "Certificate") -> str:
    """Whose it is, how long it is valid, and its thumbprint, as other tools show it."""
    names = subject_names(certificate)
    until = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
    return f"{names.common}, valid until {until}, thumbprint {thumbprint(certificate)}"


def _plain(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.lower().rstrip(".")
