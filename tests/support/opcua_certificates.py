"""Self-signed certificates as OPC UA applications have them, made for one test run."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, written as <name>.der and <name>.pem."""

    name: str
    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    def write(self, folder: Path) -> None:
        (folder / f"{self.name}.der").write_bytes(self.certificate.public_bytes(Encoding.DER))
        (folder / f"{self.name}.crt").write_bytes(self.certificate.public_bytes(Encoding.PEM))
        (folder / f"{self.name}.pem").write_bytes(key_bytes(self.key))


def key_bytes(key, password=None, encoding=Encoding.PEM):
    """A private key as a file holds it."""
    protection = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(encoding, PrivateFormat.PKCS8, protection)


@cache
def rsa_key(name):
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def signed(name, key, uri):
    """A certificate that says whose it is by its URI; None leaves the name out."""
    now, who = datetime.now(UTC), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1))
    builder = builder.not_valid_after(now + timedelta(days=1))
    if uri is not None:
        names = [x509.UniformResourceIdentifier(uri), x509.DNSName("localhost")]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256())


@cache
def identity(name):
    """The same one for the same name, over all tests."""
    key = rsa_key(name)
    return Identity(name, signed(name, key, f"urn:test:{name}"), key)
