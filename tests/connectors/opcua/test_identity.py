"""Our own certificate: created once, kept private, and accepted by servers."""

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from opcua_certificates import identity

from connectors.opcua.certificates import thumbprint
from connectors.opcua.identity import load_identity, own_identity
from gateway.api.contracts import ConfigError


@pytest.fixture
def state(tmp_path):
    return tmp_path / "press-3"


def test_it_is_created_at_the_first_start_and_used_from_then_on(state, events):
    first = own_identity(state)
    assert first.path == state / "opcua/own.der"
    (event,) = events
    assert event["certificate"] == str(first.path)
    assert event["thumbprint"] == thumbprint(first.certificate)
    assert own_identity(state).certificate == first.certificate
    assert len(events) == 1


def test_only_the_owner_can_read_its_key(state):
    own_identity(state)
    key = state / "opcua/own.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert load_pem_private_key(key.read_bytes(), None).key_size == 2048


def test_it_has_what_the_standard_requires_of_an_application(state):
    ours = own_identity(state)
    extensions = ours.certificate.extensions
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert usage.content_commitment
    assert usage.key_encipherment
    assert usage.data_encipherment
    extended = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert ExtendedKeyUsageOID.CLIENT_AUTH in extended
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert ours.uri.startswith("urn:")
    assert ours.uri.endswith(":andon:press-3")
    lifetime = ours.certificate.not_valid_after_utc - ours.certificate.not_valid_before_utc
    assert lifetime.days > 3600


def test_sources_that_start_together_have_the_same(state):
    with ThreadPoolExecutor(4) as pool:
        identities = list(pool.map(own_identity, [state] * 4))
    assert len({each.certificate for each in identities}) == 1
    assert [path.name for path in state.iterdir()] == ["opcua"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "press-3").write_text("a file")
    with pytest.raises(ConfigError, match="cannot create a certificate"):
        own_identity(tmp_path / "press-3")


def test_half_a_pair_is_never_replaced(state):
    own_identity(state)
    (state / "opcua/own.pem").unlink()
    with pytest.raises(ConfigError, match=r"there is no file .*own\.pem"):
        own_identity(state)


def test_an_expired_certificate_is_named(tmp_path):
    identity("old", days=(-30, -1)).write(tmp_path)
    with pytest.raises(ConfigError, match=r"old\.der: expired on 20"):
        load_identity(tmp_path / "old.der", tmp_path / "old.pem")
