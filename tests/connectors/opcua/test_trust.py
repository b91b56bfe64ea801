"""Which certificates are trusted, and why others are refused."""

from datetime import UTC, datetime, timedelta

import pytest
from opcua_certificates import identity, rsa_key, signed

from connectors.opcua.certificates import encoded, first_in, thumbprint
from connectors.opcua.trust import (
    trusted_in,
    why_another_application,
    why_another_host,
    why_invalid,
    why_unknown,
)
from gateway.api.contracts import ConfigError

NOW = datetime.now(UTC)


def certificate(*hosts):
    return signed("plc", rsa_key("plc"), "urn:test:plc", hosts)


def test_only_the_certificates_in_a_folder_are_trusted(tmp_path):
    for name in ("plc", "other"):
        identity(name).write(tmp_path)
        (tmp_path / f"{name}.pem").unlink()
    (tmp_path / ".gitignore").write_text("*")
    trusted = trusted_in(tmp_path)
    assert why_unknown(identity("plc").certificate, trusted, tmp_path) == ""
    stranger = identity("stranger").certificate
    why = why_unknown(stranger, trusted, tmp_path)
    assert why.startswith(f"its certificate is not in {tmp_path}: it shows stranger, valid until")
    assert thumbprint(stranger) in why


def test_the_same_key_in_another_certificate_is_another_one():
    renewed = signed("plc", rsa_key("plc"), "urn:test:plc")
    assert why_unknown(renewed, [identity("plc").certificate], "folder")


def test_a_file_that_is_not_a_certificate_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("plc-1 is the left one")
    with pytest.raises(ConfigError, match=r"notes\.txt: is not a certificate"):
        trusted_in(tmp_path)
    with pytest.raises(ConfigError, match=r"there is no file .*nowhere"):
        trusted_in(tmp_path / "nowhere")


def test_it_is_invalid_before_and_after_its_time():
    plc = certificate()
    assert why_invalid(plc, NOW) == ""
    assert "expired on" in why_invalid(plc, NOW + timedelta(days=2))
    assert "is our clock right?" in why_invalid(plc, NOW - timedelta(days=2))


def test_a_short_key_is_refused():
    short = signed("plc", rsa_key("short", 1024), "urn:test:plc")
    assert why_invalid(short, NOW) == "its certificate has a key of 1024 bits; 2048 are required"


@pytest.mark.parametrize("host", ["plc-1.plant.local", "PLC-1.Plant.Local", "10.0.0.7", "fd00::1"])
def test_a_host_named_in_the_certificate_is_accepted(host):
    plc = certificate("plc-1.plant.local", "10.0.0.7", "fd00:0:0::1")
    assert why_another_host(plc, host) == ""


@pytest.mark.parametrize("host", ["plc-2.plant.local", "plant.local", "10.0.0.8", ""])
def test_another_host_is_refused(host):
    why = why_another_host(certificate("plc-1.plant.local", "10.0.0.7"), host)
    assert why.startswith(f"its certificate is for plc-1.plant.local, 10.0.0.7, not for {host}")


def test_another_application_is_refused():
    assert why_another_application(certificate(), "urn:test:plc") == ""
    why = why_another_application(certificate(), "urn:test:evil")
    assert why == (
        "its certificate is for urn:test:plc, but the server's application is urn:test:evil"
    )
    nameless = signed("plc", rsa_key("plc"), None)
    assert "for no application" in why_another_application(nameless, "urn:test:plc")
    assert "for no host" in why_another_host(nameless, "plc")


def test_of_a_chain_the_first_is_the_servers():
    first, second = identity("plc").certificate, identity("other").certificate
    assert first_in(encoded(first) + encoded(second)) == first
    for broken in (b"", b"0", encoded(first)[:-1], b"\xff" * 64):
        with pytest.raises(ValueError, match=r"."):
            first_in(broken)
