"""Our own certificate: made once, kept private, and fit for what servers check."""

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


def test_it_is_made_at_the_first_start_and_the_same_ever_after(state, caplog):
    first = own_identity(state)
    assert first.path == state / "opcua/own.der"
    assert str(first.path) in caplog.text
    assert thumbprint(first.certificate) in caplog.text
    caplog.clear()
    assert own_identity(state).certificate == first.certificate
    assert caplog.text == ""


def test_its_key_is_the_owners_alone(state):
    own_identity(state)
    key = state / "opcua/own.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert load_pem_private_key(key.read_bytes(), None).key_size == 2048


def test_it_says_what_the_standard_wants_of_an_application(state):
    found = own_identity(state)
    extensions = found.certificate.extensions
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert usage.content_commitment
    assert usage.key_encipherment
    assert usage.data_encipherment
    extended = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert ExtendedKeyUsageOID.CLIENT_AUTH in extended
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert found.uri.startswith("urn:")
    assert found.uri.endswith(":andon:press-3")
    lasts = found.certificate.not_valid_after_utc - found.certificate.not_valid_before_utc
    assert lasts.days > 3600


def test_sources_that_start_together_have_the_same(state):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(own_identity, [state] * 4))
    assert len({each.certificate for each in found}) == 1
    assert [path.name for path in state.iterdir()] == ["opcua"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "press-3").write_text("a file")
    with pytest.raises(ConfigError, match="no certificate can be made here"):
        own_identity(tmp_path / "press-3")


def test_half_a_pair_is_never_replaced(state):
    own_identity(state)
    (state / "opcua/own.pem").unlink()
    with pytest.raises(ConfigError, match=r"own\.pem: No such file"):
        own_identity(state)


def test_one_that_has_expired_is_named(tmp_path):
    identity("old", days=(-30, -1)).write(tmp_path)
    with pytest.raises(ConfigError, match=r"old\.der: expired on 20"):
        load_identity(tmp_path / "old.der", tmp_path / "old.pem")
