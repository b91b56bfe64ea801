from opcua_nodes import quick_opcua_servers  # noqa: F401 - a fixture
