"""Malformed frames: nothing but SourceLost leaves a session, and no value is invented.

A longer run: ANDON_FUZZ_FRAMES=100000 pytest --timeout=0 tests/connectors/modbus/test_fuzz.py
"""

import asyncio
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from malformed import edited, edits

from connectors.modbus import client as module
from connectors.modbus.bus import Bus
from connectors.modbus.framing import ascii_frame, rtu_frame
from connectors.modbus.options import ModbusOptions
from connectors.modbus.plan import Limits, make_plan, readings_of
from connectors.modbus.session import Session
from gateway.contracts import SourceLost
from gateway.model import Quality

FRAMES = int(os.environ.get("ANDON_FUZZ_FRAMES", "250"))
ANSWER = b"\x03\x04\x12\x34\x56\x78"
HEADER = {
    "tcp": lambda tid: tid + b"\0\0\0\x07\x01",
    "rtu_over_tcp": lambda _: b"\x01",
    "ascii_over_tcp": lambda _: b":01",
}


def right(transport, tid, pdu=ANSWER):
    if transport == "tcp":
        return tid + b"\0\0" + (len(pdu) + 1).to_bytes(2, "big") + b"\x01" + pdu
    return {"rtu_over_tcp": rtu_frame, "ascii_over_tcp": ascii_frame}[transport](1, pdu)


def holds_an_answer(transport, tid, stream, values):
    """Is there one whole right answer with these values among the bytes that were sent?"""
    data = b"".join(int(value).to_bytes(2, "big") for value in values)
    wanted = right(transport, tid, b"\x03\x04" + data)
    return wanted.upper() in stream.upper() if transport == "ascii_over_tcp" else wanted in stream


class Wire(asyncio.Transport):
    """Answers each request at once with whatever the test wants."""

    def __init__(self, protocol, answer):
        super().__init__()
        self.protocol, self.answer, self.sent = protocol, answer, b""

    def write(self, data):
        self.tid = bytes(data[:2])
        for piece in self.answer(self.tid):
            self.sent += piece
            asyncio.get_running_loop().call_soon(self.protocol.data_received, piece)

    def close(self):
        pass


async def one_read(transport, answer):
    """What a session makes of it: the batch or SourceLost, and the wire with what was sent."""
    options = ModbusOptions.model_validate(
        {
            "type": "modbus",
            "transport": transport,
            "host": "h",
            "timeout": "2ms",
            "tags": {"a": {"address": 0}, "b": {"address": 1}},
        }
    )
    wires = []
    build = module.make_client

    def client(*args):
        built = build(*args)

        async def create():
            wires.append(Wire(built.ctx, answer))
            return wires[-1], built.ctx

        built.ctx.call_create = create
        return built

    module.make_client = client  # not monkeypatch: it would remember each of 100,000
    try:
        requests = make_plan(readings_of(options), Limits())
        async with Bus(options, Path()).joined() as bus:
            _, batches = await Session("plc", bus, requests, options).serve(requests[0])
    except SourceLost:
        return None, wires[-1]
    finally:
        module.make_client = build
    return batches, wires[-1]


@pytest.fixture(scope="module")
def runner():
    failures = []
    with asyncio.Runner() as running:
        running.get_loop().set_exception_handler(lambda _, context: failures.append(context))
        yield running, failures


def check(runner, transport, answer):
    running, failures = runner
    batches, wire = running.run(one_read(transport, answer))
    assert failures == []
    for batch in batches or ():
        is_good = batch.quality == Quality.GOOD
        assert np.array_equal(np.isnan(batch.value), ~is_good)
        if is_good.any():
            assert is_good.all()
            assert holds_an_answer(transport, wire.tid, wire.sent, batch.value)
    return batches


fuzzing = settings(
    max_examples=FRAMES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.parametrize("transport", sorted(HEADER))
@fuzzing
@given(changes=edits, cut=st.integers(0, 30), noise=st.none() | st.binary(max_size=300))
def test_no_malformed_frame_raises_or_becomes_a_value(runner, transport, changes, cut, noise):
    def answer(tid):
        frame = HEADER[transport](tid) + noise if noise else edited(right(transport, tid), changes)
        return [piece for piece in (frame[:cut], frame[cut:]) if piece]

    check(runner, transport, answer)


@pytest.mark.parametrize("transport", sorted(HEADER))
def test_the_right_frame_is_a_value_here_too(runner, transport):
    batches = check(runner, transport, lambda tid: [right(transport, tid)])
    assert list(batches[0].value) == [0x1234, 0x5678]
