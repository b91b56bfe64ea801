from opcua_plant import asked, plant  # noqa: F401 - fixtures
