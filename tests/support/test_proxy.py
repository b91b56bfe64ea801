"""The proxy that breaks connections is itself to be trusted: each fault is what it says."""

import asyncio
import contextlib

import pytest
from patience import PATIENCE
from proxy import Proxy


@pytest.fixture
async def echo():
    """A server that says what it hears; its port and the connections that it has."""
    talks = []

    async def talk(reader, writer):
        talks.append(writer)
        try:
            while data := await reader.read(1024):
                writer.write(data)
        except ConnectionError:
            pass
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], talks
    server.close()
    async with asyncio.timeout(PATIENCE):
        await server.wait_closed()


@pytest.fixture
async def proxy(echo):
    async with Proxy(echo[0]) as found:
        yield found


@pytest.fixture
async def connect(proxy):
    streams = []

    async def open_one():
        streams.append(await asyncio.open_connection("127.0.0.1", proxy.port))
        return streams[-1]

    yield open_one
    for _, writer in streams:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def say(stream, words):
    stream[1].write(words)
    async with asyncio.timeout(PATIENCE):
        return await stream[0].read(1024)


async def is_silent(stream):
    try:
        await asyncio.wait_for(stream[0].read(1024), 0.2)
    except TimeoutError:
        return True
    return False


async def until(check):
    async with asyncio.timeout(PATIENCE):
        while not check():
            await asyncio.sleep(0.01)


async def test_without_a_fault_everything_passes_and_an_end_is_passed_on(proxy, connect, echo):
    stream = await connect()
    assert await say(stream, b"hello") == b"hello"
    assert proxy.open_links == 1
    stream[1].close()
    await until(echo[1][0].is_closing)
    await until(lambda: proxy.open_links == 0)


async def test_a_reset_is_heard_as_one(proxy, connect):
    stream = await connect()
    await say(stream, b"hello")
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        await stream[0].read(1)


async def test_a_link_that_is_down_refuses_until_it_heals_on_the_same_port(proxy, connect):
    await proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await connect()
    port = proxy.port
    await proxy.heal()
    assert proxy.port == port
    assert await say(await connect(), b"back") == b"back"


async def test_half_open_ends_for_the_server_only(proxy, connect, echo):
    stream = await connect()
    await say(stream, b"hello")
    proxy.forget()
    stream[1].write(b"anybody?")
    assert await is_silent(stream)
    await until(echo[1][0].is_closing)
    assert await say(await connect(), b"new") == b"new"


async def test_a_black_hole_holds_everything_back_and_then_delivers_it(proxy, connect):
    stream = await connect()
    proxy.hold()
    stream[1].write(b"late")
    assert await is_silent(stream)
    assert await is_silent(await connect())
    await proxy.heal()
    assert await stream[0].read(1024) == b"late"


async def test_requests_may_pass_while_answers_do_not(proxy, connect, echo):
    stream = await connect()
    proxy.hold(requests=False)
    stream[1].write(b"heard")
    await until(lambda: len(echo[1]) == 1)
    assert await is_silent(stream)
    await proxy.heal()
    assert await stream[0].read(1024) == b"heard"


async def test_answers_are_delayed_changed_and_cut_into_pieces(proxy, connect):
    stream = await connect()
    proxy.delay, proxy.piece, proxy.change = 0.3, 1, bytes.upper
    stream[1].write(b"ab")
    assert await is_silent(stream)
    assert await stream[0].read(1024) == b"A"
    assert await stream[0].read(1024) == b"B"


async def test_the_answer_to_a_dead_connection_meets_the_next_one(proxy, connect):
    proxy.delay, proxy.is_crossed = 0.2, True
    first = await connect()
    first[1].write(b"for the first")
    await asyncio.sleep(0.05)
    first[1].close()
    second = await connect()
    assert await second[0].read(1024) == b"for the first"


async def test_more_connections_than_the_limit_are_reset(proxy, connect):
    proxy.limit = 1
    await say(await connect(), b"the only one")
    with pytest.raises(ConnectionResetError):
        await say(await connect(), b"one too many")
