"""Against a device that breaks the rules: a wrong value is never accepted."""

import asyncio
import time

import numpy as np
import pytest

from connectors.modbus.answers import judge
from connectors.modbus.plan import Limits, Reading, make_plan
from connectors.modbus.registers import Encoding
from gateway.api.contracts import SourceLost
from gateway.api.model import SECOND, Quality

TAGS = {"a": {"address": 10}, "b": {"address": 12}}


def hang_up(_asked):
    raise ConnectionError


LOST = {
    "silence": (lambda _: None, "no answer from unit 1 within 100ms"),
    "wrong unit": (lambda asked: asked.right(unit=9), "no answer"),
    "another transaction": (lambda asked: asked.right(transaction=77), "no answer"),
    "no transaction": (lambda asked: asked.right(transaction=0), "answer to another request"),
    "another protocol": (lambda asked: asked.right(protocol=3), "no answer"),
    "half an answer": (lambda asked: asked.right()[:10], "no answer"),
    "hanging up": (hang_up, "closed the connection"),
    "garbage": (lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n" * 20, "no answer"),
    "empty frames": (lambda _: bytes(24), "no answer"),
}

BAD = {
    "short": (lambda a: a.answer(bytes([3, 4]) + a.data(2)), "4 bytes of data instead of 6"),
    "long": (lambda a: a.answer(bytes([3, 8]) + a.data(4)), "8 bytes of data instead of 6"),
    "length byte too small": (lambda a: a.answer(bytes([3, 4]) + a.data()), "6 bytes of data"),
    "length byte too large": (lambda a: a.answer(bytes([3, 99]) + a.data()), "6 bytes of data"),
    "odd": (lambda a: a.answer(bytes([3, 6]) + a.data()[:-1]), "5 bytes of data instead of 6"),
    "wrong function": (lambda a: a.answer(bytes([4, 6]) + a.data()), "function 4 instead of"),
    "unknown function": (lambda a: a.answer(b"\x63\x01"), "function 99 instead of"),
    "exception of another function": (lambda a: a.answer(b"\x84\x02"), "function 132 instead"),
    "exception without a code": (lambda a: a.answer(b"\x83"), "0 bytes of data"),
    "device busy": (lambda a: a.answer(b"\x83\x06"), "device busy"),
    "gateway without its unit": (lambda a: a.answer(b"\x83\x0b"), "gateway got no answer"),
    "a private exception": (lambda a: a.answer(b"\x83\x77"), "device exception 119"),
}


@pytest.mark.parametrize("fault", LOST)
async def test_an_answer_that_is_not_ours_ends_the_session(faulty, connector, fault):
    faulty.fault, said = LOST[fault]
    async with connector(faulty.port, TAGS, timeout="100ms").open() as batches:
        with pytest.raises(SourceLost, match=said):
            await anext(batches)
    assert len(faulty.asked) == 1


@pytest.mark.parametrize("fault", BAD)
async def test_an_answer_of_the_wrong_shape_is_bad_and_the_next_is_good(
    faulty, connector, caplog, fault
):
    caplog.set_level("INFO")
    faulty.fault, said = BAD[fault]
    async with connector(faulty.port, TAGS).open() as batches:
        bad = [await anext(batches), await anext(batches)]
        faulty.fault = lambda asked: asked.right()
        good = await anext(batches)
    for batch in bad:
        assert np.isnan(batch.value).all()
        assert (batch.quality == Quality.BAD).all()
        assert batch.wire_bytes > 7
    assert list(good.value) == [10, 12]
    assert faulty.connections == 1
    # Said once when it begins and once when it is over; a busy machine may say that it is late.
    began, over = [text for text in caplog.messages if "as often as asked" not in text]
    assert said in began
    assert over == "plc: unit 1 holding 10..12 answers again"


async def test_a_connection_that_is_closed_while_we_wait_is_noticed_at_once(faulty, connector):
    faulty.fault = hang_up
    started = time.monotonic()
    async with connector(faulty.port, TAGS, timeout="60s").open() as batches:
        with pytest.raises(SourceLost):
            await anext(batches)
    assert time.monotonic() - started < 30


async def test_an_answer_to_a_connection_before_is_not_taken(faulty, connector):
    late = []

    def answer_the_one_before(asked):
        late.append(asked.right())
        return late[-2] if len(late) > 1 else None

    faulty.fault = answer_the_one_before
    reader = connector(faulty.port, TAGS, timeout="50ms")
    for _ in range(3):
        async with reader.open() as batches:
            with pytest.raises(SourceLost):
                await anext(batches)
    assert faulty.connections == 3


async def test_an_answer_in_pieces_is_put_together(faulty, connector):
    pieces = []

    def first_half(asked):
        pieces[:] = [asked.right()[:9], asked.right()[9:]]
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


async def test_a_unit_that_answers_for_unit_0_is_named(faulty, connector):
    faulty.fault = lambda asked: asked.right(unit=5)
    async with connector(faulty.port, TAGS, unit_id=0).open() as batches:
        with pytest.raises(SourceLost, match="unit 5 answered for unit 0"):
            await anext(batches)


async def test_a_device_that_is_slower_than_its_period_is_not_hurried(faulty, connector, caplog):
    faulty.fault = lambda asked: time.sleep(0.03) or asked.right()
    async with connector(faulty.port, TAGS, period="10ms").open() as batches:
        stamps = [int((await anext(batches)).at[0]) for _ in range(4)]
    assert min(np.diff(stamps)) > 0.02 * SECOND
    assert len(caplog.records) == 1
    assert "cannot be read as often as asked" in caplog.messages[0]


async def test_a_pause_lies_between_an_answer_and_the_next_request(faulty, connector):
    asked_at = []
    faulty.fault = lambda asked: asked_at.append(time.monotonic()) or asked.right()
    tags = {"a": {"address": 0}, "b": {"address": 500}, "c": {"address": 1000}}
    async with connector(faulty.port, tags, pause="30ms", period="1s").open() as batches:
        for _ in range(3):
            await anext(batches)
    assert min(np.diff(asked_at)) >= 0.03


def test_no_sequence_of_bytes_passes_for_an_answer_unless_it_is_one():
    reading = Reading(0, 1, "holding", 0, SECOND, Encoding())
    (request,) = make_plan([reading], Limits())
    right = b"\x03\x02\x12\x34"
    assert judge(request, right).data == b"\x12\x34"
    for size in range(len(right)):
        assert judge(request, right[:size]).fault
    for at in range(2):
        for value in set(range(256)) - {right[at]}:
            changed = judge(request, right[:at] + bytes([value]) + right[at + 1 :])
            assert changed.fault
            assert not changed.data
