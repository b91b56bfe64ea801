import pytest

from gateway.api.contracts import ConfigError
from gateway.panel.settings import Settings, check, is_loopback

FILE = "x"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "::1", "[::1]"])
def test_loopback_needs_neither_tls_nor_a_token(host):
    check(Settings(host))
    assert Settings(host).is_open


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "10.0.0.5", "press-3.example", "127.0.0.1.nip.io"]
)
def test_another_address_is_refused_without_tls_and_without_a_token(host):
    assert not is_loopback(host)
    with pytest.raises(ConfigError, match="without TLS"):
        check(Settings(host, operate_token=FILE))
    with pytest.raises(ConfigError, match="everybody there could act"):
        check(Settings(host, certificate=FILE, key=FILE))
    check(Settings(host, certificate=FILE, key=FILE, operate_token=FILE))
    check(Settings(host, certificate=FILE, key=FILE, client_ca=FILE))


def test_half_of_the_settings_of_tls_are_refused():
    with pytest.raises(ConfigError, match="--key is missing"):
        check(Settings(certificate=FILE))
    with pytest.raises(ConfigError, match="--cert is missing"):
        check(Settings(key=FILE))
    with pytest.raises(ConfigError, match="--client-ca needs TLS"):
        check(Settings(client_ca=FILE))
