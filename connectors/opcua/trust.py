"""Decides whether a server's certificate is trusted. Pure, except for reading the folder.

Promises
- Only the certificates in the file or folder named in the line file are trusted, byte for byte;
  there is no trust on first use and no certificate authority.
- A trusted certificate must also be valid now, have a long enough key, and match the server's
  application; one from a folder must match the host too.
- A refusal describes the certificate that was shown, to help rule out an attack.
"""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.opcua.certificates import load_certificate, subject_names, thumbprint
from gateway.api.files import list_folder
from gateway.api.visible import brief
from gateway.api.wording import listed

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

LEAST_BITS = 2048
"""The RSA key size that every policy that is not deprecated requires."""


def trusted_in(folder: Path) -> list["Certificate"]:
    """All certificates in a folder; ConfigError names a file that is not a certificate."""
    files = list_folder(folder)
    return [load_certificate(path) for path in files if not path.name.startswith(".")]


def why_unknown(shown: "Certificate", trusted: Sequence["Certificate"], folder: Path) -> str:
    """Why a certificate is not trusted; empty if it is."""
    if shown in trusted:
        return ""
    return f"its certificate is not in {folder}: it shows {described(shown)}"


def why_invalid(certificate: "Certificate", now: dt.datetime) -> str:
    """Why a certificate is not valid now; empty if it is."""
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    key: Any = certificate.public_key()
    if now > last:
        return f"its certificate expired on {last:%Y-%m-%d}"
    if now < first:
        return f"its certificate is valid from {first:%Y-%m-%d} on: is our clock right?"
    if key.key_size < LEAST_BITS:
        return f"its certificate has a key of {key.key_size} bits; {LEAST_BITS} are required"
    return ""


def why_another_host(certificate: "Certificate", host: str) -> str:
    """Why a certificate does not match the host in `url`; empty if it does."""
    names = subject_names(certificate)
    if _plain(host) in {_plain(name) for name in names.hosts}:
        return ""
    known = listed([brief(each) for each in names.hosts]) or "no host"
    return f"its certificate is for {known}, not for {host}; to trust it anyway, pin it"


def why_another_application(certificate: "Certificate", uri: str) -> str:
    """Why a certificate does not match the server's application; empty if it does."""
    names = subject_names(certificate)
    if uri in names.uris:
        return ""
    known = listed([brief(each) for each in names.uris]) or "no application"
    return f"its certificate is for {known}, but the server's application is {brief(uri)}"


def described(certificate: "Certificate") -> str:
    """Its name, validity and thumbprint, as other tools show them."""
    names = subject_names(certificate)
    until = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
    return f"{brief(names.common)}, valid until {until}, thumbprint {thumbprint(certificate)}"


def _plain(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.lower().rstrip(".")
