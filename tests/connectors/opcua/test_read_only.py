"""No code path of a connector can write over OPC UA: checked over its source code."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

from source_words import words_of

import connectors

FOLDER = Path(connectors.__file__).parent
ROOM = FOLDER / "opcua"
WRITES = {
    "add_method",
    "add_nodes",
    "add_object",
    "add_references",
    "add_variable",
    "call",
    "call_method",
    "delete_nodes",
    "delete_references",
    "history_update",
    "modify_monitored_items",
    "register_nodes",
    "set_attribute_value",
    "set_value",
    "set_values",
    "set_writable",
    "write",
    "write_attribute",
    "write_attribute_value",
    "write_attributes",
    "write_params",
    "write_value",
    "write_values",
}
SERVICES = {
    "browse",
    "browse_next",
    "close_session",
    "create_monitored_items",
    "create_session",
    "create_subscription",
    "publish",
    "read",
    "republish",
    "transfer_subscriptions",
}
OTHERS = {
    "activate_session",
    "close_secure_channel",
    "connect",
    "connect_and_get_server_endpoints",
    "connect_sessionless",
    "disconnect_socket",
    "get_namespace_array",
    "open_secure_channel",
    "reset_authentication_token",
    "restore_authentication_token",
    "revolve_security_token",
    "server_policy",
    "set_password",
    "set_security",
    "set_user",
    "subscribe_state",
}


def methods_of_asyncua():
    """The public methods of everything through which a request can be sent."""
    from asyncua import Client, Node
    from asyncua.client.ua_client import UaClient
    from asyncua.client.ua_session import UaSession
    from asyncua.common.subscription import Subscription

    classes = (Client, Node, UaClient, UaSession, Subscription)
    names = {name for each in classes for name, _ in inspect.getmembers(each, inspect.isfunction)}
    return {name for name in names if not name.startswith("_")}


def modules():
    return [path for path in FOLDER.rglob("*.py") if "simulator" not in path.parts]


def test_asyncua_has_the_calls_that_this_test_looks_for():
    methods = methods_of_asyncua()
    assert {"write", "write_value", "write_attribute", "call", "call_method"} <= methods
    assert {"add_nodes", "delete_nodes", "set_value", "history_update"} <= methods
    assert methods >= SERVICES | OTHERS


def test_no_connector_names_a_call_that_changes_a_server():
    changing = WRITES | {
        name
        for name in methods_of_asyncua()
        if name.startswith(("write", "add_", "delete_", "history_update", "call"))
    }
    assert ROOM / "client.py" in modules()
    assert {
        (path.name, word) for path in modules() for word in words_of(path) if word in changing
    } == set()


def test_of_asyncuas_methods_only_those_that_connect_subscribe_and_read_are_used():
    used = {
        node.attr
        for path in ROOM.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
    }
    assert used & methods_of_asyncua() == SERVICES | OTHERS


def test_only_requests_that_subscribe_and_read_are_built():
    from asyncua import ua

    requests = {name for name in dir(ua) if name.endswith(("Request", "Parameters"))}
    used = {word for path in ROOM.glob("*.py") for word in words_of(path)}
    assert "WriteRequest" in requests
    assert used & requests == {
        "BrowseNextParameters",
        "BrowseParameters",
        "CreateMonitoredItemsParameters",
        "CreateSubscriptionParameters",
        "MonitoredItemCreateRequest",
        "MonitoringParameters",
        "ReadParameters",
        "TransferSubscriptionsParameters",
    }


def test_asyncua_is_imported_only_when_a_connection_is_opened():
    importing = {
        path.name
        for path in ROOM.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom | ast.Import) and "asyncua" in ast.unparse(node)
    }
    connecting = {"bounds.py", "connection.py", "endpoints.py", "faults.py", "quiet_client.py"}
    assert importing == {*connecting, "statuses.py", "structures.py"}
    command = (
        "import sys, connectors.opcua; sys.exit(bool({'asyncua', 'cryptography'} & {*sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0
