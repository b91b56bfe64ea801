"""Our own certificate and key: named in the line file, or created at the first start.

Promises
- A pair is created once, both files or neither, and only the owner can read the key.
- The certificate has an application URI of this machine and line, as servers require.
- Its file and its thumbprint are logged when it is created, for whoever must trust it.
"""

import datetime as dt
import os
import re
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from connectors.opcua.certificates import (
    application_uri,
    encoded,
    load_certificate,
    load_key_of,
    thumbprint,
)
from gateway.api.contracts import ConfigError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.x509 import Certificate

log = structlog.get_logger()
FOLDER, CERTIFICATE, KEY = "opcua", "own.der", "own.pem"
"""Names in the line's state folder, used if the line file names none."""
_YEARS = 10
_BITS = 2048


@dataclass(frozen=True, slots=True)
class ApplicationIdentity:
    """Our application instance certificate with its key; `path` is the certificate's file."""

    certificate: "Certificate"
    key: "RSAPrivateKey"
    uri: str
    path: Path


def load_identity(certificate: Path, key: Path) -> ApplicationIdentity:
    """Loads and checks a pair of files; ConfigError names the one that cannot be used."""
    ours = load_certificate(certificate)
    private = load_key_of(ours, key)
    if ours.not_valid_after_utc < dt.datetime.now(dt.UTC):
        raise ConfigError(
            f"{certificate}: expired on {ours.not_valid_after_utc:%Y-%m-%d}: replace it and "
            "have the server trust the new one"
        )
    return ApplicationIdentity(ours, private, application_uri(ours, certificate), certificate)


def own_identity(state: Path) -> ApplicationIdentity:
    """The pair in a line's state folder, created if missing; slow the first time."""
    folder = state / FOLDER
    try:
        if not folder.exists():
            _create(folder, state.name)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot create a certificate: {error.strerror}") from error
    return load_identity(folder / CERTIFICATE, folder / KEY)


def make_identity(certificate: Path, key: Path, line: str) -> None:
    """Writes a new self-signed certificate and its key (mode 0600) to new files."""
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname()) or "localhost"
    private = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
    signed = _self_signed(private, host, line)
    form = PrivateFormat.PKCS8
    _write(key, private.private_bytes(Encoding.PEM, form, NoEncryption()), 0o600)
    _write(certificate, encoded(signed), 0o644)


def _create(folder: Path, line: str) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{FOLDER}-") as made:
        new = Path(made) / FOLDER
        new.mkdir(mode=0o700)
        make_identity(new / CERTIFICATE, new / KEY, line)
        try:
            new.rename(folder)
        except OSError:
            # Another source of the line, or `andon check`, was faster: use its pair.
            if not folder.exists():
                raise
            return
    path = folder / CERTIFICATE
    log.warning(
        "opcua.certificate_created",
        certificate=str(path),
        thumbprint=thumbprint(load_certificate(path)),
        advice="let the server trust it",
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.writelines([content])
        stream.flush()
        os.fsync(stream.fileno())


def _self_signed(private: "RSAPrivateKey", host: str, line: str) -> "Certificate":
    """An application instance certificate as OPC UA part 6, 6.2.2 requires."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    who = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, f"andon {line}"[:64]),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "andon"),
        ]
    )
    public, now = private.public_key(), dt.datetime.now(dt.UTC)
    names = [x509.UniformResourceIdentifier(f"urn:{host}:andon:{line}"), x509.DNSName(host)]
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_cert_sign=True,  # it signs itself
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.SubjectAlternativeName(names), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (usage, True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
        (x509.SubjectKeyIdentifier.from_public_key(public), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(public), False),
    ]
    builder = x509.CertificateBuilder(who, who, public, x509.random_serial_number())
    # It must already be valid for a PLC whose clock is behind.
    builder = builder.not_valid_before(now - dt.timedelta(days=1))
    builder = builder.not_valid_after(now + dt.timedelta(days=365 * _YEARS))
    for extension, is_critical in extensions:
        builder = builder.add_extension(extension, is_critical)
    return builder.sign(private, hashes.SHA256())
