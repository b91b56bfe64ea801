"""Against a device that breaks the rules: a wrong value is never accepted."""

import asyncio
import time

import numpy as np
import pytest
from patience import PATIENCE

from connectors.modbus.plan import PolledTag, RequestLimits, make_plan
from connectors.modbus.registers import Encoding
from connectors.modbus.responses import check_response
from connectors.modbus.wire import ModbusResponse
from gateway.api.contracts import SourceLost
from gateway.api.model import SECOND, Quality

TAGS = {"a": {"address": 10}, "b": {"address": 12}}


def hang_up(_asked):
    raise ConnectionError


LOST = {
    "silence": (lambda _: None, "no response from unit 1 within 300ms"),
    "wrong unit": (lambda request: request.correct(unit=9), "unit 9 answered for unit 1"),
    "another transaction": (
        lambda r: r.correct(transaction=77),
        r"transaction number 77 instead of \d+",
    ),
    "no transaction": (lambda r: r.correct(transaction=0), r"transaction number 0 instead of \d+"),
    "another protocol": (lambda r: r.correct(protocol=3), "protocol number 3 instead of 0"),
    "half a response": (lambda r: r.correct()[:10], "the header says 9 bytes, 4 came"),
    "hanging up": (hang_up, "closed by the peer"),
    "garbage": (lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n" * 20, "no valid response"),
    "empty frames": (lambda _: bytes(24), "no valid response"),
}

BAD = {
    "short": (lambda r: r.frame(bytes([3, 4]) + r.data(2)), "4 bytes of data came instead of 6"),
    "long": (lambda r: r.frame(bytes([3, 8]) + r.data(4)), "8 bytes of data came instead of 6"),
    "length byte too small": (
        lambda r: r.frame(bytes([3, 4]) + r.data()),
        "says 4 bytes of data, 6 came",
    ),
    "length byte too large": (
        lambda r: r.frame(bytes([3, 99]) + r.data()),
        "says 99 bytes of data, 6 came",
    ),
    "odd": (lambda r: r.frame(bytes([3, 6]) + r.data()[:-1]), "5 bytes of data came instead"),
    "wrong function": (
        lambda r: r.frame(bytes([4, 6]) + r.data()),
        "to function 4 came for function 3",
    ),
    "unknown function": (lambda r: r.frame(b"\x63\x01"), "to function 99 came for"),
    "exception of another function": (
        lambda r: r.frame(b"\x84\x02"),
        "an exception to function 4 came",
    ),
    "exception without a code": (lambda r: r.frame(b"\x83"), "0 bytes of data came"),
    "device busy": (lambda r: r.frame(b"\x83\x06"), "exception 6, device busy"),
    "gateway without its unit": (lambda r: r.frame(b"\x83\x0b"), "gateway got no response"),
    "a private exception": (lambda r: r.frame(b"\x83\x77"), "exception 119"),
}


@pytest.mark.parametrize("fault", LOST)
async def test_a_response_to_another_request_ends_the_session(faulty, connector, events, fault):
    faulty.fault, why = LOST[fault]
    async with connector(faulty.port, TAGS, timeout="300ms").open() as batches:
        with pytest.raises(SourceLost, match=why):
            await anext(batches)
    assert len(faulty.requests) == 1
    assert events == []  # the gateway logs why the source is lost, once


@pytest.mark.parametrize("fault", BAD)
async def test_a_malformed_response_is_bad_and_the_next_is_good(faulty, connector, events, fault):
    faulty.fault, why = BAD[fault]
    async with connector(faulty.port, TAGS).open() as batches:
        bad = [await anext(batches), await anext(batches)]
        faulty.fault = lambda request: request.correct()
        good = await anext(batches)
    for batch in bad:
        assert np.isnan(batch.value).all()
        assert (batch.quality == Quality.BAD).all()
        assert batch.wire_bytes > 7
        assert all(why in batch.reasons[tag] for tag in (0, 1))
    assert list(good.value) == [10, 12]
    assert faulty.connections == 1
    # Logged once when it begins and once when it ends; a busy machine may also miss slots.
    began, over = [event for event in events if event["event"] != "modbus.slots_missed"]
    assert why in began["why"]
    assert over == {
        "event": "modbus.request_recovered",
        "log_level": "info",
        "source": "plc",
        "request": "unit 1 holding 10..12",
    }


async def test_a_connection_that_is_closed_while_we_wait_is_noticed_at_once(faulty, connector):
    faulty.fault = hang_up
    started = time.monotonic()
    async with connector(faulty.port, TAGS, timeout="600s").open() as batches:
        with pytest.raises(SourceLost):
            await anext(batches)
    assert time.monotonic() - started < PATIENCE


async def test_a_response_to_a_request_of_an_earlier_connection_is_not_accepted(faulty, connector):
    late = []

    def respond_to_the_one_before(request):
        late.append(request.correct())
        return late[-2] if len(late) > 1 else None

    faulty.fault = respond_to_the_one_before
    reader = connector(faulty.port, TAGS, timeout="50ms")
    for _ in range(3):
        async with reader.open() as batches:
            with pytest.raises(SourceLost):
                await anext(batches)
    assert faulty.connections == 3


async def test_a_response_in_pieces_is_joined(faulty, connector):
    pieces = []

    def first_half(request):
        pieces[:] = [request.correct()[:9], request.correct()[9:]]
        asyncio.get_running_loop().call_later(0.02, lambda: writer().write(pieces[1]))
        return pieces[0]

    talk = faulty.talk
    writers = []

    async def remembering(reader, stream):
        writers.append(stream)
        await talk(reader, stream)

    def writer():
        return writers[-1]

    faulty.talk, faulty.fault = remembering, first_half
    async with connector(faulty.port, TAGS).open() as batches:
        assert list((await anext(batches)).value) == [10, 12]


async def test_a_unit_that_responds_for_unit_0_is_named(faulty, connector):
    faulty.fault = lambda request: request.correct(unit=5)
    async with connector(faulty.port, TAGS, unit_id=0, timeout="300ms").open() as batches:
        with pytest.raises(SourceLost, match="unit 5 answered for unit 0"):
            await anext(batches)


async def test_a_device_that_is_slower_than_its_period_gets_no_burst(faulty, connector, events):
    faulty.fault = lambda request: time.sleep(0.03) or request.correct()
    async with connector(faulty.port, TAGS, period="10ms").open() as batches:
        stamps = [int((await anext(batches)).at[0]) for _ in range(4)]
    assert min(np.diff(stamps)) > 0.02 * SECOND
    assert [event["event"] for event in events] == ["modbus.slots_missed"]


async def test_a_pause_lies_between_a_response_and_the_next_request(faulty, connector):
    received_at = []
    faulty.fault = lambda request: received_at.append(time.monotonic()) or request.correct()
    tags = {"a": {"address": 0}, "b": {"address": 500}, "c": {"address": 1000}}
    async with connector(faulty.port, tags, pause="30ms", period="1s").open() as batches:
        for _ in range(3):
            await anext(batches)
    assert min(np.diff(received_at)) >= 0.03


def test_only_a_correct_response_passes_the_check():
    tag = PolledTag(0, 1, "holding", 0, SECOND, Encoding())
    (request,) = make_plan([tag], RequestLimits())
    correct = b"\x03\x02\x12\x34"
    assert check_response(request, ModbusResponse(correct)).data == b"\x12\x34"
    for size in range(len(correct)):
        assert check_response(request, ModbusResponse(correct[:size])).fault
    for at in range(2):
        for value in set(range(256)) - {correct[at]}:
            pdu = correct[:at] + bytes([value]) + correct[at + 1 :]
            changed = check_response(request, ModbusResponse(pdu))
            assert changed.fault
            assert not changed.data
