"""Fixtures of these tests: a server, and a check of the services that it was asked for."""

import pytest
from asyncua import ua
from opcua_nodes import quick_opcua_servers  # noqa: F401 - a fixture
from opcua_plant import asked, plant  # noqa: F401 - fixtures
from patience import PATIENCE

from connectors.opcua import connection

READING = {
    "ActivateSession",
    "Browse",
    "BrowseNext",
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
    """The names of all services that the servers of a test were asked for."""
    numbers = {name: getattr(ua.ObjectIds, name) for name in dir(ua.ObjectIds)}
    names = {number: name for name, number in numbers.items() if isinstance(number, int)}
    return lambda: {names[number].split("Request")[0] for number in asked}


@pytest.fixture(autouse=True)
def goodbye(monkeypatch):
    """A server that is slow to confirm a goodbye keeps no session; `goodbye(1.0)` waits less."""

    def lasts(seconds):
        monkeypatch.setattr(connection, "_CLOSE_S", seconds)

    lasts(PATIENCE)
    return lasts


@pytest.fixture(autouse=True)
def _only_reading(services):
    """On the wire: whatever a test does, no server is asked to write, to call or to change."""
    yield
    assert services() <= READING
