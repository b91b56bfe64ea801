"""A real OPC UA server in the test's own loop, with nodes of every kind."""

import contextlib
from datetime import UTC, datetime

import pytest
import servers
from asyncua import Server, ua
from asyncua.server import uaprocessor
from fakes import PLACES
from patience import PATIENCE

from connectors.opcua import OpcUaConnector, OpcUaOptions

URI = "urn:andon:test"


class Plant:
    """The server; `others` are namespaces that it registers before its own."""

    def __init__(self, port):
        self.port = port
        self.server = None

    @property
    def url(self):
        return f"opc.tcp://127.0.0.1:{self.port}"

    async def start(self, *others, policies=(ua.SecurityPolicyType.NoSecurity,), prepare=None):
        self.server = Server()
        await self.server.init()
        self.server.disable_clock()
        self.server.set_endpoint(self.url)
        self.server.set_security_policy(list(policies))
        if prepare is not None:
            await prepare(self.server)
        for uri in others:
            await self.server.register_namespace(uri)
        self.index = await self.server.register_namespace(URI)
        for name, value in {"flow": 1.5, "speed": 1450, "on": True, "text": "pump"}.items():
            await self.add(name, value)
        await self.server.start()

    async def add(self, name, value):
        place = ua.NodeId(name, self.index)
        await self.server.nodes.objects.add_variable(place, name, value)

    async def remove(self, name):
        node = self.server.get_node(ua.NodeId(name, self.index))
        await self.server.delete_nodes([node])

    async def show(self, name, value, status=ua.StatusCodes.Good, at=None):
        moment = at or datetime.now(UTC)
        data = ua.DataValue(ua.Variant(value), ua.StatusCode(status), moment, moment)
        await self.server.write_attribute_value(ua.NodeId(name, self.index), data)

    async def stop(self):
        server, self.server = self.server, None
        if server is not None:
            with contextlib.suppress(Exception):
                await server.stop()


@pytest.fixture
def asked(monkeypatch):
    """The numeric types of all requests that the server was sent."""
    found = []
    handle = uaprocessor.UaProcessor._process_message

    async def record(self, typeid, *rest):
        found.append(typeid.Identifier)
        return await handle(self, typeid, *rest)

    monkeypatch.setattr(uaprocessor.UaProcessor, "_process_message", record)
    return found


@pytest.fixture
async def plant():
    found = Plant(servers.free_port())
    await found.start()
    yield found
    await found.stop()


def connector(plant, *names, **options):
    """A connector for these nodes; `options` as in a line file, in ns where they are durations."""
    tags = {name: {"node": f"nsu={URI};s={name}", "period": "200ms"} for name in names}
    said = {"type": "opcua", "url": plant.url, "insecure": True, "publishing_interval": "100ms"}
    # A loaded machine answers late, and that is not what the tests are about.
    said["timeout"] = f"{PATIENCE}s"
    parsed = OpcUaOptions.model_validate({**said, "tags": tags, **options})
    return OpcUaConnector("plc", parsed, OpcUaConnector.declared_tags("plc", parsed), PLACES)
