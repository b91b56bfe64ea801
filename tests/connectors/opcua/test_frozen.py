"""A server that is frozen with its connections open, and sessions that must not be left behind."""

import asyncio
import json
import signal
import subprocess
import sys

import pytest
from opcua_plant import connector
from patience import PATIENCE

from gateway.api.contracts import SourceLost

VIBRATION = {"vibration": {"node": "nsu=urn:andon:plant;s=Pump.VibrationDE", "period": "200ms"}}


class Simulated:
    """`andon simulate` as a process, which can be frozen."""

    def __init__(self):
        command = [sys.executable, "-m", "gateway", "simulate", "--json"]
        self.process = subprocess.Popen(
            [*command, "--modbus", "0", "--opcua", "0"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = json.loads(self.process.stdout.readline())["opcua"]

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def end(self):
        self.thaw()
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def process():
    process = Simulated()
    yield process
    process.end()


@pytest.fixture
def simulated(process, goodbye):
    goodbye(1.0)
    yield process
    process.thaw()


async def one_of(batches):
    async with asyncio.timeout(PATIENCE):
        async for batch in batches:
            return batch
    raise AssertionError


async def drain(batches):
    async for _ in batches:
        pass


async def leave(session):
    async with asyncio.timeout(PATIENCE):
        await session.__aexit__(None, None, None)


async def test_a_frozen_server_ends_the_session_and_a_thawed_one_is_opened_again(simulated):
    source = connector(simulated, tags=VIBRATION, timeout="2s")
    session = source.open()
    batches = await session.__aenter__()
    await one_of(batches)
    simulated.freeze()
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(
            SourceLost, match=r"no response within 2s|the connection broke|a response is pending"
        ):
            await drain(batches)
    await leave(session)
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(SourceLost, match="no response within 2s"):
            await source.open().__aenter__()
    assert not (await source.probe()).ok
    simulated.thaw()
    async with source.open() as batches:
        assert set((await one_of(batches)).tag) == {0}


async def test_closing_is_as_fast_before_the_freeze_is_noticed(simulated):
    session = connector(simulated, tags=VIBRATION, timeout="600s").open()
    await one_of(await session.__aenter__())
    simulated.freeze()
    await leave(session)


def sessions(plant):
    return len(plant.server.iserver._external_sessions)


def subscriptions(plant):
    return len(plant.server.iserver.subscription_service.subscriptions)


async def nothing_is_left(plant):
    async with asyncio.timeout(PATIENCE):
        while sessions(plant) or subscriptions(plant) or plant.server.bserver.clients:
            await asyncio.sleep(0.02)


async def test_nothing_is_left_on_the_server_when_its_reader_fails(plant):
    async def read():
        async with connector(plant, "flow").open() as batches:
            await one_of(batches)
            assert (sessions(plant), subscriptions(plant)) == (1, 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await read()
    await nothing_is_left(plant)


async def test_nothing_is_left_on_the_server_when_its_reader_is_cancelled(plant):
    is_reading = asyncio.Event()

    async def read():
        async with connector(plant, "flow").open() as batches:
            async for _ in batches:
                is_reading.set()

    task = asyncio.create_task(read())
    await is_reading.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    await nothing_is_left(plant)


@pytest.mark.parametrize("request_of_session", ["ActivateSession", "Read", "CreateMonitoredItems"])
async def test_nothing_is_left_on_the_server_when_opening_is_cancelled(
    plant, asked, request_of_session
):
    from asyncua import ua

    number = getattr(ua.ObjectIds, f"{request_of_session}Request_Encoding_DefaultBinary")

    async def read():
        async with connector(plant, "flow").open():
            pytest.fail("it is cancelled before")

    task = asyncio.create_task(read())
    async with asyncio.timeout(PATIENCE):
        while number not in asked:
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    await nothing_is_left(plant)


async def test_nothing_is_left_on_the_server_after_a_probe_or_a_lost_subscription(plant):
    assert (await connector(plant, "flow").probe()).ok
    await nothing_is_left(plant)
    async with connector(plant, "flow", timeout="1s").open() as batches:
        await one_of(batches)
        (subscription,) = plant.server.iserver.subscription_service.subscriptions
        await plant.server.iserver.subscription_service.delete_subscriptions([subscription])
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(SourceLost, match="subscription"):
                await drain(batches)
    await nothing_is_left(plant)
