"""What every test of this folder has: a server, and proof of what it was asked."""

import pytest
from asyncua import ua
from opcua_plant import asked, plant  # noqa: F401 - fixtures

READING = {
    "ActivateSession",
    "Browse",
    "CloseSession",
    "CreateMonitoredItems",
    "CreateSession",
    "CreateSubscription",
    "GetEndpoints",
    "Publish",
    "Read",
    "Republish",
    "TransferSubscriptions",
}


@pytest.fixture
def services(asked):  # noqa: F811 - the fixture
    """The names of all services that the servers of a test were asked for, as they are asked."""
    numbers = {name: getattr(ua.ObjectIds, name) for name in dir(ua.ObjectIds)}
    names = {number: name for name, number in numbers.items() if isinstance(number, int)}
    return lambda: {names[number].split("Request")[0] for number in asked}


@pytest.fixture(autouse=True)
def _only_reading(services):
    """Over the wire: whatever a test does, no server is asked to write, to call or to change."""
    yield
    assert services() <= READING
