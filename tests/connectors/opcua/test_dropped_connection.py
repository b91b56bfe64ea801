"""Connections that the server has dropped, and the sessions on them, which must not be left."""

import asyncio
from types import SimpleNamespace

import pytest
from kill_matrix.lies import other_request
from opcua_plant import connector
from patience import PATIENCE
from proxy import Proxy

from gateway.api.contracts import SourceLost


async def drain(batches):
    async for _ in batches:
        pass


def through(proxy):
    """A stand-in for a plant, as `connector` takes it."""
    return SimpleNamespace(url=f"opc.tcp://127.0.0.1:{proxy.port}")


def sessions(plant):
    return len(plant.server.iserver._external_sessions)


async def read_until_lost(source, do, match):
    """Open, read once, `do` something to the connection, and read until it is lost."""
    async with asyncio.timeout(PATIENCE), source.open() as batches:
        await anext(batches)
        do()
        with pytest.raises(SourceLost, match=match):
            await drain(batches)


async def test_a_dropped_connection_is_left_before_the_time_out_and_its_session_is_resumed(plant):
    async with Proxy(plant.port) as proxy:
        source = connector(through(proxy), "flow", timeout="2s")
        await read_until_lost(source, proxy.forget, "the server sent nothing for 1 s")
        async with source.open() as batches:
            await anext(batches)
            assert sessions(plant) == 1
    assert sessions(plant) == 0


async def test_a_session_is_resumed_after_responses_that_made_the_library_disconnect(plant):
    async with Proxy(plant.port) as proxy:
        source = connector(through(proxy), "flow")

        def lie():
            proxy.change = other_request

        await read_until_lost(source, lie, None)
        await proxy.heal()
        async with source.open() as batches:
            await anext(batches)
            assert sessions(plant) == 1
    assert sessions(plant) == 0
