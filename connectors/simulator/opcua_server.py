"""The skid's condition monitor: an OPC UA server without security, the usual factory setting.

Promises
- Source timestamps are the plant's time.
- Nodes are named by string in one namespace, so a client never depends on an index.
- `stop` ends every session; `start` listens on the same port again, like a new server without
  state.
"""

import logging
from datetime import UTC, datetime
from typing import Any

from connectors.simulator.accepting import stop_accepting
from connectors.simulator.instruments import Readings
from connectors.simulator.signals import NAMESPACE, OPCUA, OPCUA_PATH, SIGNALS, Node
from gateway.api.contracts import ConfigError
from gateway.api.model import SECOND

_ADDRESSES = tuple(
    (index, signal.address.identifier)
    for index, signal in enumerate(SIGNALS)
    if signal in OPCUA and isinstance(signal.address, Node)
)


class OpcUaServer:
    """Serves the monitor's signals at `url`; port 0 selects a free one, which is then kept."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self._server: Any = None
        self._nodes: list[tuple[int, Any]] = []
        self._clock_shown = 0
        self._last: tuple[int, Readings] | None = None

    @property
    def url(self) -> str:
        """The URL for clients."""
        return f"opc.tcp://{self.host}:{self.port}{OPCUA_PATH}"

    @property
    def address(self) -> str:
        """The url."""
        return self.url

    @property
    def is_running(self) -> bool:
        """True while it listens."""
        return self._server is not None

    async def start(self) -> None:
        """Builds the address space (1 to 2 s) and listens; ConfigError if the port is taken."""
        if self._server is not None:
            return
        server = await self._build()
        try:
            await server.start()
        except OSError as error:
            await _end(server)
            raise ConfigError(f"OPC UA cannot listen on {self.host}:{self.port}") from error
        self.port, self._server = server.bserver.port, server

    async def stop(self) -> None:
        """Closes the listener, every connection and every session."""
        server, self._server = self._server, None
        if server is not None:
            await _end(server)

    async def publish(self, at: int, readings: Readings) -> None:
        """Serves these readings, taken at `at` ns, and notifies the subscribers."""
        self._last = at, readings
        if self._server is not None:
            await self._show(self._server, at, readings)

    async def _show(self, server: Any, at: int, readings: Readings) -> None:
        from asyncua import ua

        taken: Any = datetime.fromtimestamp(at / SECOND, UTC)
        good = ua.StatusCode()
        for index, node in self._nodes:
            value = ua.Variant(readings[index], ua.VariantType.Double)
            shown = ua.DataValue(value, good, taken, taken)
            await server.write_attribute_value(node, shown)
        if at - self._clock_shown >= SECOND:
            self._clock_shown = at
            await server.iserver.current_time_node.write_value(taken)

    async def _build(self) -> Any:
        from asyncua import ua
        from asyncua.server.server import Server

        logging.getLogger("asyncua").setLevel(logging.CRITICAL)
        server = Server()
        await server.init()
        # asyncua's clock task sleeps 1 s at a time and would delay `stop`: `publish` sets it.
        server.disable_clock()
        server.set_endpoint(self.url)
        server.set_server_name("Pump condition monitor")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        server.set_identity_tokens([ua.AnonymousIdentityToken])
        space = await server.register_namespace(NAMESPACE)
        folders: dict[str, Any] = {}
        self._nodes = []
        for index, identifier in _ADDRESSES:
            parent, name = identifier.split(".")
            if parent not in folders:
                folder = ua.NodeId.from_string(f"ns={space};s={parent}")
                folders[parent] = await server.nodes.objects.add_object(folder, f"{space}:{parent}")
            node = ua.NodeId.from_string(f"ns={space};s={identifier}")
            await folders[parent].add_variable(node, f"{space}:{name}", 0.0)
            self._nodes.append((index, node))
        if self._last is not None:
            await self._show(server, *self._last)
        return server


async def _end(server: Any) -> None:
    """Stops a server, and the sessions that it keeps for clients that may reconnect."""
    listener = server.bserver._server  # noqa: SLF001 - asyncua has no public attribute for it
    if listener is not None:
        await stop_accepting(listener.sockets)
    await server.stop()
    for session in list(server.iserver._external_sessions.values()):  # noqa: SLF001 - as above
        await session.close_session()
