"""Which sources share a connection."""

import pytest

from gateway.api.contracts import ConfigError

TAGS = {"t": {"address": 0}}


@pytest.mark.parametrize(
    ("transport", "is_shared"), [("tcp", False), ("rtu_over_tcp", True), ("ascii_over_tcp", True)]
)
def test_sources_behind_a_serial_server_share_a_bus_and_tcp_sources_do_not(
    connector, transport, is_shared
):
    one = connector(1502, TAGS, name="one", transport=transport)
    two = connector(1502, TAGS, name="two", transport=transport)
    other = connector(1503, TAGS, name="other", transport=transport)
    assert (one._bus is two._bus) is is_shared
    assert other._bus is not one._bus


def test_sources_that_share_a_bus_must_agree_on_its_settings(connector):
    kept = connector("/dev/ttyUSB0", TAGS, name="warm", transport="rtu", timeout="300ms")
    with pytest.raises(ConfigError, match="timeout: 1s here and 300ms in warm, but both share"):
        connector("/dev/ttyUSB0", TAGS, name="cold", transport="rtu")
    assert kept._bus.plans.keys() == {"warm"}


def test_a_bus_that_was_read_before_the_file_changed_refuses_no_source(connector):
    old = connector("/dev/ttyUSB0", TAGS, name="warm", transport="rtu")
    old._bus.is_new = False
    new = connector("/dev/ttyUSB0", TAGS, name="cold", transport="rtu", baudrate=9600)
    assert new._bus is not old._bus
