"""Malformed messages and values: the connector raises only SourceLost, no value is invented.

The responses of a real server to one session are recorded and replayed with one of them changed.
A longer run: ANDON_FUZZ_FRAMES=100000 pytest --timeout=0 tests/connectors/opcua/test_fuzz.py
"""

import asyncio
import contextlib
import gc
import math
import os
import selectors
import struct
import time
import types
from datetime import UTC

import numpy as np
import pytest
from asyncua import ua
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from malformed import edited, edits
from opcua_plant import Plant, connector
from patience import PATIENCE
from servers import free_port

from connectors.opcua import publishing, session
from connectors.opcua.columns import OpcUaColumns, ValueRule
from gateway.api.contracts import SourceLost
from gateway.api.model import Quality

FRAMES = int(os.environ.get("ANDON_FUZZ_FRAMES", "250"))
NAMES = ("flow", "speed", "on", "text", "gone")
fuzzing = settings(
    max_examples=FRAMES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Restless(selectors.DefaultSelector):
    """Never waits: a wait is over at once, and its time has passed."""

    ahead = 0.0

    def select(self, timeout=None):
        self.ahead += max(0.0, timeout or 0.0)
        return super().select(0)


class Hurry(asyncio.SelectorEventLoop):
    """A loop in which an hour of silence takes no time."""

    def __init__(self):
        self.restless = Restless()
        super().__init__(self.restless)

    def time(self):
        return super().time() + self.restless.ahead


class Wire(asyncio.Transport):
    """Sends the recorded response to each request, as changed by `change`."""

    def __init__(self, protocol, responses, change):
        super().__init__()
        self.protocol, self.responses, self.change = protocol, responses, change
        self.requests, self.sent, self.is_closed = 0, b"", False

    def write(self, _request):
        number, self.requests = self.requests, self.requests + 1
        for piece in self.change(number, self.responses.get(number, b"")):
            self.sent += piece
            asyncio.get_running_loop().call_soon(self.arrive, piece)

    def arrive(self, piece):
        if not self.is_closed:
            self.protocol.data_received(piece)

    def is_closing(self):
        return self.is_closed

    def close(self):
        if not self.is_closed:
            self.is_closed = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    abort = close


async def collect(source, collected):
    async with asyncio.timeout(3600), source.open() as batches:
        async for batch in batches:
            collected.append(batch)


async def read_all(wires, responses, change):
    """All batches of a session over such a wire, which is lost at the latest when it is silent."""
    loop, collected = asyncio.get_running_loop(), []

    async def create_connection(make, _host, _port):
        protocol = make()
        wires.append(Wire(protocol, responses, change))
        protocol.connection_made(wires[-1])
        return wires[-1], protocol

    loop.create_connection = create_connection
    source = connector(types.SimpleNamespace(url="opc.tcp://plc"), *NAMES, timeout="1s")
    with pytest.raises(SourceLost):
        await collect(source, collected)
    return collected


def request_of(frame):
    """The number of the request that a frame responds to, counted from the hello on."""
    first = {b"ACK": 0, b"OPN": 1}
    return first.get(frame[:3], int.from_bytes(frame[20:24], "little"))


def frames_in(stream):
    while stream:
        size = int.from_bytes(stream[4:8], "little")
        yield stream[:size]
        stream = stream[size:]


async def recorded():
    """A real server's responses by request number, until every tag has had a value."""
    plant, stream = Plant(free_port()), bytearray()
    await plant.start()
    loop = asyncio.get_running_loop()
    open_connection = loop.create_connection

    async def create_connection(make, host, port):
        transport, protocol = await open_connection(make, host, port)
        receive = protocol.data_received

        def recording(data):
            stream.extend(data)
            receive(data)

        protocol.data_received = recording
        return transport, protocol

    seen = set()
    async with asyncio.timeout(PATIENCE):
        loop.create_connection = create_connection
        async with connector(plant, *NAMES).open() as batches:
            while len(seen) < len(NAMES):
                seen |= set((await anext(batches)).tag.tolist())
        await plant.stop()
    return {request_of(frame): frame for frame in frames_in(bytes(stream))}


@pytest.fixture(scope="module")
def responses():
    return asyncio.run(recorded())


@pytest.fixture(scope="module")
def runner():
    """Runs a session in no time; collects the errors of tasks that are not awaited."""
    failures = []
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner(loop_factory=Hurry) as running:
        loop = running.get_loop()
        loop.set_exception_handler(lambda _, context: failures.append(context))
        clock = types.SimpleNamespace(
            monotonic=loop.time, monotonic_ns=lambda: int(loop.time() * 1e9), time_ns=time.time_ns
        )
        for module in (session, publishing):
            patch.setattr(module, "time", clock)
        yield running, failures
        gc.collect()
    assert failures == []


def is_in(stream, value):
    """True if a number is among the bytes that were sent, in any of OPC UA's types."""
    for form in "dfqQiIhHbB":
        with contextlib.suppress(struct.error, OverflowError):
            exact = value if form in "df" else int(value)
            packed = struct.pack("<" + form, exact)
            if exact == value and packed in stream:
                return True
    return False


def check(runner, responses, change):
    running, failures = runner
    wires = []
    batches = running.run(read_all(wires, responses, change))
    assert failures == []
    for batch in batches:
        is_bad = batch.quality == Quality.BAD
        assert np.array_equal(np.isnan(batch.value), is_bad)
        assert all(is_in(wires[0].sent, value) for value in batch.value[~is_bad].tolist())
    return batches


def test_correct_responses_are_values_here_too(runner, responses):
    batches = check(runner, responses, lambda _, response: [response])
    good = {
        (tag, value)
        for batch in batches
        for tag, value in zip(batch.tag.tolist(), batch.value.tolist(), strict=True)
        if not math.isnan(value)
    }
    assert good == {(0, 1.5), (1, 1450.0), (2, 1.0)}


@fuzzing
@given(
    which=st.integers(0, 63),
    changes=edits,
    start=st.integers(0, 400),
    cut=st.integers(0, 200),
    noise=st.none() | st.binary(max_size=300),
    is_sized=st.booleans(),
)
def test_no_malformed_message_raises_or_becomes_a_value(
    runner, responses, which, changes, start, cut, noise, is_sized
):
    numbers = sorted(responses)
    target = numbers[which % len(numbers)]

    def change(number, response):
        if number != target:
            return [response] if response else []
        spoilt = response[:24] + noise if noise else edited(response, changes, start)
        if is_sized and len(spoilt) >= 8:
            # With the correct length it gets past the framing.
            spoilt = spoilt[:4] + len(spoilt).to_bytes(4, "little") + spoilt[8:]
        return [piece for piece in (spoilt[:cut], spoilt[cut:]) if piece]

    check(runner, responses, change)


PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.datetimes(timezones=st.just(UTC))
    | st.uuids()
)
MOMENTS = st.none() | st.datetimes(timezones=st.just(UTC))
VALUES = st.builds(
    ua.DataValue,
    st.none() | st.builds(ua.Variant, PLAIN | st.lists(PLAIN, max_size=3).map(str)),
    st.none() | st.builds(ua.StatusCode, st.integers(0, 2**32 - 1)),
    MOMENTS,
    MOMENTS,
)
ITEMS = st.lists(
    st.builds(ua.MonitoredItemNotification, st.integers(0, 2**32 - 1) | st.integers(0, 3),
              st.none() | VALUES), max_size=6)  # fmt: skip
ARRIVED = 1_772_366_400 * 10**9


@fuzzing
@given(items=ITEMS, clock=st.sampled_from(["source", "server", "receive"]))
def test_no_value_of_a_notification_raises_or_is_invented(items, clock):
    batch = OpcUaColumns([ValueRule(), ValueRule()], clock).changes(items, ARRIVED)
    ours = [item for item in items if item.ClientHandle < 2 and item.Value is not None]
    assert batch.tag.tolist() == [item.ClientHandle for item in ours]
    assert batch.at.dtype == np.int64
    for item, value, quality in zip(ours, batch.value, batch.quality, strict=True):
        assert math.isnan(value) == (quality == Quality.BAD)
        if quality != Quality.BAD:
            raw = item.Value.Value.Value
            assert isinstance(raw, int | float)
            assert float(raw) == value
            assert item.Value.StatusCode is None or not item.Value.StatusCode.value & 0x80000000
