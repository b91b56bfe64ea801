"""Connections that only we believe in, and sessions that must not stay behind for it."""

import asyncio
from types import SimpleNamespace

import pytest
from kill_matrix.lies import other_request
from opcua_plant import connector
from proxy import Proxy

from gateway.api.contracts import SourceLost


async def drain(batches):
    async for _ in batches:
        pass


def through(proxy):
    """What `connector` wants to know of a plant."""
    return SimpleNamespace(url=f"opc.tcp://127.0.0.1:{proxy.port}")


def sessions(plant):
    return len(plant.server.iserver._external_sessions)


async def read_until_lost(found, do, match):
    """Open, read once, `do` something to the connection, and read until it is given up."""
    async with asyncio.timeout(20), found.open() as batches:
        await anext(batches)
        do()
        with pytest.raises(SourceLost, match=match):
            await drain(batches)


async def test_a_server_that_has_forgotten_us_is_left_before_the_time_out_and_our_session_is_kept(
    plant,
):
    async with Proxy(plant.port) as proxy:
        found = connector(through(proxy), "flow", timeout="2s")
        await read_until_lost(found, proxy.forget, "owes an answer and was silent for 1 s")
        async with found.open() as batches:
            await anext(batches)
            assert sessions(plant) == 1
    assert sessions(plant) == 0


async def test_a_session_is_taken_up_again_after_answers_that_made_the_library_hang_up(plant):
    async with Proxy(plant.port) as proxy:
        found = connector(through(proxy), "flow")

        def lie():
            proxy.change = other_request

        await read_until_lost(found, lie, None)
        await proxy.heal()
        async with found.open() as batches:
            await anext(batches)
            assert sessions(plant) == 1
    assert sessions(plant) == 0
