"""Self-signed certificates as OPC UA applications have them, made for one test run."""

import ipaddress
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
        (folder / f"{self.name}.der").write_bytes(encoded(self.certificate))
        (folder / f"{self.name}.crt").write_bytes(self.certificate.public_bytes(Encoding.PEM))
        (folder / f"{self.name}.pem").write_bytes(key_bytes(self.key))


def key_bytes(key, password=None, encoding=Encoding.PEM):
    """A private key as a file holds it."""
    protection = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(encoding, PrivateFormat.PKCS8, protection)


def encoded(certificate):
    """A certificate as a .der file holds it."""
    return certificate.public_bytes(Encoding.DER)


@cache
def rsa_key(name, bits=2048):
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def signed(name, key, uri, hosts=("localhost",), days=(-1, 1)):
    """A certificate valid for these days from now; a URI of None leaves all other names out."""
    now, who = datetime.now(UTC), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now + timedelta(days=days[0]))
    builder = builder.not_valid_after(now + timedelta(days=days[1]))
    if uri is not None:
        names = [x509.UniformResourceIdentifier(uri), *map(_host, hosts)]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256())


def _host(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@cache
def identity(name, hosts=("localhost",), days=(-1, 1)):
    """The same one for the same name, over all tests."""
    key = rsa_key(name)
    return Identity(name, signed(name, key, f"urn:test:{name}", hosts, days), key)
