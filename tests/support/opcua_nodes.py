"""The standard nodes of an OPC UA server, built once per process.

asyncua takes 1.5 s of a core to build its five thousand nodes, and most servers of the tests
answer for a second. Each server gets its own copy of the nodes that it touches.
"""

import asyncio
import functools
import pickle
from collections.abc import Iterator, MutableMapping

import pytest
from asyncua import ua
from asyncua.server.address_space import AddressSpace, NodeData, NodeManagementService
from asyncua.server.internal_server import InternalServer
from asyncua.server.standard_address_space import standard_address_space


@functools.cache
def _standard() -> dict[ua.NodeId, bytes]:
    space = AddressSpace()
    standard_address_space.fill_address_space(NodeManagementService(space))
    return {name: pickle.dumps(space[name], pickle.HIGHEST_PROTOCOL) for name in list(space.keys())}


class Nodes(MutableMapping):
    """The nodes of one server; a standard one is copied when it is first asked for."""

    def __init__(self) -> None:
        self._standard = _standard()
        self._own: dict[ua.NodeId, NodeData] = {}

    def __getitem__(self, name: ua.NodeId) -> NodeData:
        if name not in self._own:
            self._own[name] = pickle.loads(self._standard[name])
        return self._own[name]

    def __setitem__(self, name: ua.NodeId, node: NodeData) -> None:
        self._own[name] = node

    def __delitem__(self, name: ua.NodeId) -> None:
        del self._own[name]

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._standard

    def __iter__(self) -> Iterator[ua.NodeId]:
        yield from self._standard
        yield from (name for name in self._own if name not in self._standard)

    def __len__(self) -> int:
        return sum(1 for _ in self)


async def _copy(server: InternalServer, _shelf: object = None) -> None:
    server.aspace._nodes = await asyncio.to_thread(Nodes)


@pytest.fixture(scope="session", autouse=True)
def quick_opcua_servers():
    """Every server of the process starts in milliseconds, those of `andon simulate` too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InternalServer, "load_standard_address_space", _copy)
        yield
