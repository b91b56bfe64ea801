"""Reads the certificates and the key that a line file names.

Promises
- A file that cannot be used is a ConfigError with its name and what is wrong.
- PEM and DER are distinguished by the content of the file, not by its name.
- No part of a key ever appears in a message.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.api.contracts import ConfigError
from gateway.api.files import read_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.x509 import Certificate

_PEM = b"-----BEGIN "
MOST_BYTES = 64 * 1024
"""A certificate or a key of 16,384 bits takes 12 kB."""


def load_certificate(path: Path) -> "Certificate":
    """The certificate in a file; of a chain, the first."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    content = read_file(path, MOST_BYTES)
    load = x509.load_pem_x509_certificate if _PEM in content else x509.load_der_x509_certificate
    try:
        certificate = load(content)
        is_rsa = isinstance(certificate.public_key(), RSAPublicKey)
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise ConfigError(f"{path}: is not a certificate in PEM or DER form") from error
    if not is_rsa:
        raise ConfigError(f"{path}: the security policies need a certificate with an RSA key")
    return certificate


def first_in(chain: bytes) -> "Certificate":
    """The first certificate of a chain of concatenated DER; ValueError if there is none."""
    from cryptography import x509

    # 30 82 and two bytes of length: every certificate is longer than 255 bytes.
    return x509.load_der_x509_certificate(chain[: 4 + int.from_bytes(chain[2:4])])


def load_key_of(certificate: "Certificate", path: Path) -> "RSAPrivateKey":
    """The private key in a file; ConfigError if it is not the certificate's."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import (
        load_der_private_key,
        load_pem_private_key,
    )

    content = read_file(path, MOST_BYTES)
    load = load_pem_private_key if _PEM in content else load_der_private_key
    try:
        key = load(content, password=None)
    except TypeError as error:
        raise ConfigError(f"{path}: is protected by a password: store it without one") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{path}: is not a private key in PEM or DER form") from error
    if not isinstance(key, RSAPrivateKey) or key.public_key() != certificate.public_key():
        raise ConfigError(f"{path}: is not the private key of our certificate")
    return key


def application_uri(certificate: "Certificate", path: Path) -> str:
    """The application URI in a certificate; servers compare it with the client's own."""
    uris = subject_names(certificate).uris
    if not uris:
        raise ConfigError(f"{path}: has no application URI (subject alternative name)")
    return uris[0]


@dataclass(frozen=True, slots=True)
class CertificateNames:
    """The subject of a certificate: common name, application URIs, host names and addresses."""

    common: str
    uris: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


def subject_names(certificate: "Certificate") -> CertificateNames:
    """The names in a certificate; a missing or broken subject alternative name has none."""
    from cryptography import x509

    commons = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    common = str(commons[0].value) if commons else "unnamed"
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return CertificateNames(common)
    hosts = names.get_values_for_type(x509.DNSName)
    addresses = names.get_values_for_type(x509.IPAddress)
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    return CertificateNames(common, tuple(uris), (*hosts, *map(str, addresses)))


def encoded(certificate: "Certificate") -> bytes:
    """The certificate in DER form."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.DER)


def fingerprint(certificate: "Certificate") -> str:
    """The SHA-256 of the certificate."""
    from cryptography.hazmat.primitives import hashes

    return certificate.fingerprint(hashes.SHA256()).hex().upper()


def thumbprint(certificate: "Certificate") -> str:
    """The SHA-1 of the certificate, which OPC UA uses as its name (part 6, 6.2.2)."""
    from cryptography.hazmat.primitives import hashes

    return certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303 - a name, not a proof
