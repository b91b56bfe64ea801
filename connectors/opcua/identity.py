"""Our own certificate and key: those that the line file names, or a pair made at the first start.

Promises
- What is made is made once, both files or none, and the key is readable by its owner only.
- It names the application by a URI of this machine and line, as servers demand.
- Whoever has to trust it is told its file and its thumbprint.
"""

import datetime as dt
import logging
import os
import re
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

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

log = logging.getLogger(__name__)
FOLDER, CERTIFICATE, KEY = "opcua", "own.der", "own.pem"
"""In the line's state folder, where no file is named."""
_YEARS = 10
_BITS = 2048


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are to a server; `path` is where the certificate lies, for whoever must trust it."""

    certificate: "Certificate"
    key: "RSAPrivateKey"
    uri: str
    path: Path


def load_identity(certificate: Path, key: Path) -> Identity:
    """A pair of files, checked; ConfigError names the file that is no use."""
    found = load_certificate(certificate)
    private = load_key_of(found, key)
    if found.not_valid_after_utc < dt.datetime.now(dt.UTC):
        raise ConfigError(
            f"{certificate}: expired on {found.not_valid_after_utc:%Y-%m-%d}: put a new one in its "
            "place and have the server trust it"
        )
    return Identity(found, private, application_uri(found, certificate), certificate)


def own_identity(state: Path) -> Identity:
    """The pair in a line's state folder, made if it is not there; slow the first time."""
    folder = state / FOLDER
    try:
        if not folder.exists():
            _make(folder, state.name)
    except OSError as error:
        raise ConfigError(f"{folder}: no certificate can be made here: {error.strerror}") from error
    return load_identity(folder / CERTIFICATE, folder / KEY)


def make_identity(certificate: Path, key: Path, line: str) -> None:
    """Write a new self-signed certificate and its key, mode 0600, to files that do not exist."""
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname()) or "localhost"
    private = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
    signed = _self_signed(private, host, line)
    form = PrivateFormat.PKCS8
    _write(key, private.private_bytes(Encoding.PEM, form, NoEncryption()), 0o600)
    _write(certificate, encoded(signed), 0o644)


def _make(folder: Path, line: str) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{FOLDER}-") as made:
        new = Path(made) / FOLDER
        new.mkdir(mode=0o700)
        make_identity(new / CERTIFICATE, new / KEY, line)
        try:
            new.rename(folder)
        except OSError:
            # Another source of the line, or `andon check`, was faster: theirs is as good.
            if not folder.exists():
                raise
            return
    path = folder / CERTIFICATE
    mark = thumbprint(load_certificate(path))
    log.warning("made our certificate %s, thumbprint %s: let the server trust it", path, mark)


def _write(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.writelines([content])
        stream.flush()
        os.fsync(stream.fileno())


def _self_signed(private: "RSAPrivateKey", host: str, line: str) -> "Certificate":
    """What OPC UA part 6, 6.2.2 wants of an application instance certificate."""
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
    # A PLC whose clock is behind must not find it not yet valid.
    builder = builder.not_valid_before(now - dt.timedelta(days=1))
    builder = builder.not_valid_after(now + dt.timedelta(days=365 * _YEARS))
    for extension, is_critical in extensions:
        builder = builder.add_extension(extension, is_critical)
    return builder.sign(private, hashes.SHA256())
