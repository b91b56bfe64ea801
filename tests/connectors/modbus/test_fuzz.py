"""Malformed frames: a session raises nothing but SourceLost, and no value is invented.

A longer run: ANDON_FUZZ_FRAMES=100000 pytest --timeout=0 tests/connectors/modbus/test_fuzz.py
"""

import asyncio
import os
import re
from functools import cache, partial
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from malformed import edited, edits

from connectors.modbus import client as module
from connectors.modbus.bus import Bus
from connectors.modbus.framing import ascii_frame, rtu_frame, tcp_frame
from connectors.modbus.options import ModbusOptions
from connectors.modbus.plan import RequestLimits, make_plan, polled_tags
from connectors.modbus.session import ModbusSession
from connectors.modbus.tolerance import Deviation
from gateway.api.contracts import SourceLost
from gateway.api.model import Quality

FRAMES = int(os.environ.get("ANDON_FUZZ_FRAMES", "250"))
AT_ONCE = 10
RESPONSE = b"\x03\x04\x12\x34\x56\x78"
HEADER = {
    "tcp": lambda tid: tid + b"\0\0\0\x07\x01",
    "rtu_over_tcp": lambda _: b"\x01",
    "ascii_over_tcp": lambda _: b":01",
}


def correct(transport, tid, pdu=RESPONSE, unit=1):
    if transport == "tcp":
        return tcp_frame(int.from_bytes(tid, "big"), unit, pdu)
    return {"rtu_over_tcp": rtu_frame, "ascii_over_tcp": ascii_frame}[transport](unit, pdu)


def holds_a_response(transport, tid, stream, values, tolerate):
    """True if the bytes sent hold one whole correct response with these values.

    With `tolerate` what it names may be wrong, but no more.
    """
    data = b"".join(int(value).to_bytes(2, "big") for value in values)
    pdu = b"\x03\x04" + data
    units = (0, 1, 255) if "unit_id" in tolerate else (1,)
    if transport == "tcp":
        numbers = b"(?s:..)" if "transaction_id" in tolerate else re.escape(tid)
        protocol = b"(?s:..)" if "protocol_id" in tolerate else b"\0\0"
        length = b"(?s:..)" if "length" in tolerate else b"\0\x07"
        unit = b"[" + b"".join(b"\\x%02x" % each for each in units) + b"]"
        return re.search(numbers + protocol + length + unit + re.escape(pdu), stream) is not None
    make = {"rtu_over_tcp": rtu_frame, "ascii_over_tcp": ascii_frame}[transport]
    stream = stream.upper() if transport == "ascii_over_tcp" else stream
    return any(make(unit, pdu) in stream for unit in units)


class Wire(asyncio.Transport):
    """Responds to each request at once with what the test wants."""

    def __init__(self, protocol, respond):
        super().__init__()
        self.protocol, self.respond, self.sent = protocol, respond, b""

    def write(self, data):
        self.tid = bytes(data[:2])
        for piece in self.respond(self.tid):
            self.sent += piece
            asyncio.get_running_loop().call_soon(self.protocol.data_received, piece)

    def close(self):
        pass


class Network:
    """Connections by host name: how each host responds, and the last wire to it."""

    def __init__(self, monkeypatch):
        self.responders, self.wires = {}, {}
        build = module.make_client

        async def client(options, *others):
            built = await build(options, *others)

            async def create():
                wire = Wire(built.ctx, self.responders[options.host])
                self.wires[options.host] = wire
                return wire, built.ctx

            built.ctx.call_create = create
            return built

        monkeypatch.setattr(module, "make_client", client)

    async def read(self, transport, host, respond, tolerate=()):
        """The session's batches, None if it is lost; and the wire with what was sent."""
        self.responders[host] = respond
        options = source(transport, host, tolerate)
        requests = make_plan(polled_tags(options), RequestLimits())
        try:
            async with Bus(options, Path()).joined() as bus:
                _, batches = await ModbusSession("plc", bus, requests, options).serve(requests[0])
        except SourceLost:
            batches = None
        return batches, self.wires[host]


@cache
def source(transport, host, tolerate):
    tags = {"a": {"address": 0}, "b": {"address": 1}}
    given = {"type": "modbus", "transport": transport, "host": host, "timeout": "5ms"}
    given["tolerate"] = list(tolerate)
    return ModbusOptions.model_validate(given | {"tags": tags})


@pytest.fixture(scope="module")
def runner():
    failures = []
    with asyncio.Runner() as running, pytest.MonkeyPatch.context() as patch:
        running.get_loop().set_exception_handler(lambda _, context: failures.append(context))
        yield running, Network(patch), failures


def check(runner, transport, *responders, tolerate=()):
    """Reads all at the same time, so that none waits for the time-outs of the others."""
    running, network, failures = runner

    async def read_all():
        reads = (
            network.read(transport, f"h{at}", each, tolerate) for at, each in enumerate(responders)
        )
        return await asyncio.gather(*reads)

    results = running.run(read_all())
    assert failures == []
    for batches, wire in results:
        for batch in batches or ():
            is_good = batch.quality == Quality.GOOD
            assert np.array_equal(np.isnan(batch.value), ~is_good)
            if is_good.any():
                assert is_good.all()
                assert holds_a_response(transport, wire.tid, wire.sent, batch.value, tolerate)
    return results


fuzzing = settings(
    max_examples=-(-FRAMES // AT_ONCE),
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
frames = st.tuples(edits.filter(bool), st.integers(0, 30), st.none() | st.binary(max_size=300))


@pytest.mark.parametrize("transport", sorted(HEADER))
@fuzzing
@given(drawn=st.lists(frames, min_size=AT_ONCE, max_size=AT_ONCE))
def test_no_malformed_frame_raises_or_becomes_a_value(runner, transport, drawn):
    def respond(changes, cut, noise, tid):
        whole = correct(transport, tid)
        frame = HEADER[transport](tid) + noise if noise else edited(whole, changes)
        return [piece for piece in (frame[:cut], frame[cut:]) if piece]

    check(runner, transport, *(partial(respond, *frame) for frame in drawn))


OPTIONS = {
    "tcp": [
        *((name,) for name in get_args(Deviation)),
        ("unit_id", "transaction_id"),
        ("transaction_id", "length", "stray_bytes"),
        get_args(Deviation),
    ],
    "rtu_over_tcp": [("echo",), ("stray_bytes",), ("unit_id",), ("echo", "stray_bytes", "unit_id")],
    "ascii_over_tcp": [
        ("echo",),
        ("stray_bytes",),
        ("unit_id",),
        ("echo", "stray_bytes", "unit_id"),
    ],
}
around = st.tuples(
    st.binary(max_size=12),
    edits,
    st.binary(max_size=12),
    st.integers(0, 40),
    st.sampled_from([0, 1, 2, 255]),
    st.booleans(),
)


@pytest.mark.parametrize(
    ("transport", "tolerate"), [(each, names) for each in OPTIONS for names in OPTIONS[each]]
)
@fuzzing
@given(drawn=st.lists(around, min_size=AT_ONCE, max_size=AT_ONCE))
def test_whatever_is_tolerated_no_value_is_invented(runner, transport, tolerate, drawn):
    """Garbage around a frame that may be damaged, from any unit, before it our own request."""

    def respond(before, changes, behind, cut, unit, has_echo, tid):
        whole = correct(transport, tid, unit=unit)
        echo = correct(transport, tid, b"\x03\0\0\0\x02") if has_echo else b""
        frame = before + echo + edited(whole, changes) + behind
        return [piece for piece in (frame[:cut], frame[cut:]) if piece]

    check(runner, transport, *(partial(respond, *each) for each in drawn), tolerate=tolerate)


@pytest.mark.parametrize("junk", [b"\r", b" ", b"\t", b"\n", b"\0"])
@pytest.mark.parametrize("at", range(1, 17))
def test_an_ascii_frame_with_junk_between_its_digits_is_not_a_response(runner, junk, at):
    frame = correct("ascii_over_tcp", b"")
    [(batches, _)] = check(runner, "ascii_over_tcp", lambda _: [frame[:at] + junk + frame[at:]])
    assert batches is None


@pytest.mark.parametrize("transport", sorted(HEADER))
def test_a_correct_frame_is_a_value_here_too(runner, transport):
    [(batches, _)] = check(runner, transport, lambda tid: [correct(transport, tid)])
    assert list(batches[0].value) == [0x1234, 0x5678]
