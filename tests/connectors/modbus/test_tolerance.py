"""What devices do wrong: said in words without the option, accepted and counted with it."""

import re
import struct

import pytest
from odd_modbus import odd_device

from connectors.modbus.ascii_frames import parse_ascii
from connectors.modbus.framing import ExpectedResponse, ascii_frame, rtu_frame, tcp_frame
from connectors.modbus.rtu_frames import parse_rtu
from connectors.modbus.tcp_frames import parse_tcp
from connectors.modbus.tolerance import Tolerance, tolerance_of
from gateway.api.contracts import SourceLost
from gateway.api.model import Quality

TAGS = {"a": {"address": 3}, "v": {"address": 100, "data_type": "float32"}}
RIGHT = {0: 31.0, 1: 230.5}

TCP = {
    "unit 0": (lambda a: [a.tcp(unit=0)], "unit_id", "unit 0 answered for unit 3"),
    "unit 1": (lambda a: [a.tcp(unit=1)], "unit_id", "unit 1 answered for unit 3"),
    "unit 255": (lambda a: [a.tcp(unit=255)], "unit_id", "unit 255 answered for unit 3"),
    "number 0": (
        lambda a: [a.tcp(transaction=0)],
        "transaction_id",
        "transaction number 0 instead of",
    ),
    "number 1": (
        lambda a: [a.tcp(transaction=1)],
        "transaction_id",
        "transaction number 1 instead of",
    ),
    "number 65535": (
        lambda a: [a.tcp(transaction=65535)],
        "transaction_id",
        "transaction number 65535 instead of",
    ),
    "protocol 1": (lambda a: [a.tcp(protocol=1)], "protocol_id", "protocol number 1 instead of 0"),
    "length 6": (lambda a: [a.tcp(length=6)], "length", r"the header says 6 bytes, \d came"),
    "length 0": (lambda a: [a.tcp(length=0)], "length", r"the header says 0 bytes, \d came"),
    "length 1": (lambda a: [a.tcp(length=1)], "length", r"the header says 1 byte, \d came"),
    "length plus 1": (
        lambda a: [a.tcp(length=len(a.pdu()) + 2)],
        "length",
        r"the header says \d bytes, \d came",
    ),
    "length of the PDU": (
        lambda a: [a.tcp(length=len(a.pdu()))],
        "length",
        r"the header says \d bytes, \d came",
    ),
    "length swapped": (
        lambda a: [a.tcp(length=(len(a.pdu()) + 1) << 8)],
        "length",
        r"the header says \d+ bytes, \d came",
    ),
    "length 65535": (lambda a: [a.tcp(length=65535)], "length", "the header says 65535 bytes"),
    "length 6, byte by byte": (
        lambda a: [bytes([byte]) for byte in a.tcp(length=6)],
        "length",
        r"the header says 6 bytes, \d came",
    ),
    "echo": (lambda a: [a.frame, 0.01, a.tcp()], "echo", "our own request came back"),
    "echo in one piece": (lambda a: [a.frame + a.tcp()], "echo", "our own request came back"),
    "a zero before": (
        lambda a: [b"\0" + a.tcp()],
        "stray_bytes",
        "a stray byte 00 before the answer",
    ),
    "two bytes before": (
        lambda a: [b"\xff\x7f" + a.tcp()],
        "stray_bytes",
        "2 stray bytes ff 7f before the answer",
    ),
}
RTU = {
    "echo": (lambda a: [a.frame, 0.02, a.rtu()], "echo", "our own request came back"),
    "echo in one piece": (lambda a: [a.frame + a.rtu()], "echo", "our own request came back"),
    "echo in pieces": (
        lambda a: [a.frame[:3], 0.01, a.frame[3:7], 0.01, a.frame[7:] + a.rtu()],
        "echo",
        "our own request came back",
    ),
    "echo behind a zero": (lambda a: [b"\0" + a.frame + a.rtu()], "echo", "our own request"),
    "00 behind": (lambda a: [a.rtu() + b"\0"], "stray_bytes", "a stray byte 00 after the answer"),
    "ff behind": (lambda a: [a.rtu() + b"\xff"], "stray_bytes", "a stray byte ff after the answer"),
    "ff before": (
        lambda a: [b"\xff" + a.rtu()],
        "stray_bytes",
        "a stray byte ff before the answer",
    ),
    "7f before": (
        lambda a: [b"\x7f" + a.rtu()],
        "stray_bytes",
        "a stray byte 7f before the answer",
    ),
    "our unit before": (
        lambda a: [bytes([a.unit]) + a.rtu()],
        "stray_bytes",
        "a stray byte 03 before the answer",
    ),
    "two before": (
        lambda a: [b"\xfe\xff" + a.rtu()],
        "stray_bytes",
        "2 stray bytes fe ff before the answer",
    ),
    "three behind": (
        lambda a: [a.rtu() + b"\0\0\xff"],
        "stray_bytes",
        "3 stray bytes 00 00 ff after the answer",
    ),
    "before and in pieces": (
        lambda a: [b"\xff", 0.01, a.rtu()[:4], 0.01, a.rtu()[4:]],
        "stray_bytes",
        "a stray byte ff before the answer",
    ),
    "unit 0": (lambda a: [a.rtu(unit=0)], "unit_id", "unit 0 answered for unit 3"),
    "unit 0 behind a zero": (
        lambda a: [b"\0" + a.rtu(unit=0)],
        "unit_id",
        "unit 0 answered for unit 3",
    ),
    "unit 0 in pieces": (
        lambda a: [b"\0", 0.01, a.rtu(unit=0)[1:]],
        "unit_id",
        "unit 0 answered for unit 3",
    ),
    "unit 255": (lambda a: [a.rtu(unit=255)], "unit_id", "unit 255 answered for unit 3"),
    "unit 1": (lambda a: [a.rtu(unit=1)], "unit_id", "unit 1 answered for unit 3"),
}
CASES = [
    *(("tcp", kind, *TCP[kind]) for kind in TCP),
    *(("rtu_over_tcp", kind, *RTU[kind]) for kind in RTU),
]


@pytest.mark.parametrize(("transport", "kind", "answer", "option", "why"), CASES)
async def test_without_its_option_it_is_said_and_with_it_accepted_and_counted(
    connector, events, transport, kind, answer, option, why
):
    given = {"transport": transport, "unit_id": 3, "period": "30ms"}
    async with odd_device(answer, is_rtu=transport != "tcp") as device:
        said = await what_is_said(connector(device.port, TAGS, timeout="150ms", **given))
        assert re.search(why, said), said
        assert f"`tolerate: [{option}]` would accept it" in said
        reader = connector(
            device.port, TAGS, name="borne", timeout="5s", tolerate=[option], **given
        )
        got = {}
        async with reader.open() as batches:
            for _ in range(6):
                batch = await anext(batches)
                assert batch.quality[0] == Quality.GOOD, batch.reasons
                got[int(batch.tag[0])] = float(batch.value[0])
        assert got == RIGHT
        assert len(reader.diagnostics) == 1
        assert re.match(r"tolerated \d+ times: ", reader.diagnostics[0])
    logged = [event for event in events if event["event"] == "modbus.deviation_tolerated"]
    assert len(logged) == 1


async def what_is_said(reader):
    """Why the first sample is bad, or the source lost."""
    async with reader.open() as batches:
        try:
            batch = await anext(batches)
        except SourceLost as lost:
            return str(lost)
    assert batch.quality[0] == Quality.BAD
    return batch.reasons[int(batch.tag[0])]


async def test_every_option_at_once_still_reads_a_right_device(connector):
    names = ["echo", "stray_bytes", "unit_id", "transaction_id", "protocol_id", "length"]
    async with odd_device(lambda a: [a.tcp()]) as device:
        reader = connector(device.port, TAGS, period="30ms", tolerate=names)
        async with reader.open() as batches:
            for _ in range(6):
                batch = await anext(batches)
                assert batch.value[0] == RIGHT[int(batch.tag[0])]
        assert reader.diagnostics == []


# Never accepted, whatever is tolerated.

ALL = frozenset(("echo", "stray_bytes", "unit_id", "transaction_id", "protocol_id", "length"))
WANTED = ExpectedResponse(3, 3, 2)
ANSWER = b"\x03\x02\x12\x34"
REQUEST = b"\x03\x00\x03\x00\x01"
SENT = {
    "tcp": tcp_frame(4711, 3, REQUEST),
    "rtu": rtu_frame(3, REQUEST),
    "ascii": ascii_frame(3, REQUEST),
}
PARSE = {"tcp": parse_tcp, "rtu": parse_rtu, "ascii": parse_ascii}
REFUSED = {
    "rtu: wrong checksum": ("rtu", rtu_frame(3, ANSWER)[:-1] + b"\x99"),
    "rtu: strays that change the checksum": ("rtu", b"\xff" + rtu_frame(3, ANSWER)[:-1] + b"\x99"),
    "rtu: too many strays before": ("rtu", b"\xff" * 9 + rtu_frame(3, ANSWER)),
    "rtu: too many strays behind": ("rtu", rtu_frame(3, ANSWER) + b"\xff" * 9),
    "rtu: two answers": ("rtu", rtu_frame(3, ANSWER) + rtu_frame(3, b"\x03\x02\0\0")),
    "rtu: an answer and an exception": ("rtu", rtu_frame(3, ANSWER) + rtu_frame(3, b"\x83\x02")),
    "rtu: another size": ("rtu", rtu_frame(3, b"\x03\x04\0\0\0\0")),
    "rtu: another function": ("rtu", rtu_frame(3, b"\x04\x02\x12\x34")),
    "rtu: unit 7": ("rtu", rtu_frame(7, ANSWER)),
    "rtu: a unit that is polled": ("rtu", rtu_frame(1, ANSWER)),
    "rtu: only the echo": ("rtu", SENT["rtu"]),
    "rtu: the echo twice": ("rtu", 2 * SENT["rtu"]),
    "ascii: two answers": ("ascii", ascii_frame(3, ANSWER) + ascii_frame(3, b"\x03\x02\0\0")),
    "ascii: only the echo": ("ascii", SENT["ascii"]),
    "ascii: unit 7": ("ascii", ascii_frame(7, ANSWER)),
    "ascii: a stray inside": ("ascii", b":0\0" + ascii_frame(3, ANSWER)[2:]),
    "tcp: an earlier request": ("tcp", tcp_frame(4710, 3, ANSWER)),
    "tcp: an earlier request for unit 0": ("tcp", tcp_frame(4710, 0, ANSWER)),
    "tcp: unit 7": ("tcp", tcp_frame(4711, 7, ANSWER)),
    "tcp: a unit that is polled, without our number": ("tcp", tcp_frame(0, 1, ANSWER)),
    "tcp: another function without our number": ("tcp", tcp_frame(0, 3, b"\x04\x02\x12\x34")),
    "tcp: another size without our number": ("tcp", tcp_frame(0, 3, b"\x03\x04\0\0\0\0")),
    "tcp: two answers without our number": ("tcp", 2 * tcp_frame(0, 3, ANSWER)),
    "tcp: only the echo": ("tcp", SENT["tcp"]),
    "tcp: half an answer of any length": ("tcp", tcp_frame(4711, 3, ANSWER)[:-1]),
    "tcp: text": ("tcp", b"HTTP/1.1 400 Bad Request\r\n\r\n"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_may_be_the_answer_to_another_request_is_never_accepted(case):
    transport, data = REFUSED[case]
    tolerance = tolerance_of(ALL, polled=(1, 3), is_numbered=transport == "tcp")
    more = {"earlier": (4709, 4710)} if transport == "tcp" else {}
    for size in range(len(data) + 1):
        parsed = PARSE[transport](data[:size], WANTED, SENT[transport], tolerance, **more)
        if parsed.pdu:
            # What came first was an answer; only what came with it makes it doubtful.
            assert case.split(": ")[1] in (
                "two answers", "an answer and an exception", "too many strays behind",
                "two answers without our number",
            )  # fmt: skip
    assert parsed.pdu == b""
    assert parsed.why or not data


@pytest.mark.parametrize("transport", ["tcp", "rtu", "ascii"])
@pytest.mark.parametrize("count", range(17, 25))
@pytest.mark.parametrize("names", [frozenset(), ALL])
def test_our_own_request_is_not_an_answer_even_where_it_has_the_form_of_one(
    transport, count, names
):
    """The request for 17 to 24 coils from 0x03AA on looks like an answer with three bytes."""
    pdu = struct.pack(">BHH", 1, 0x03AA, count)
    make = {"tcp": lambda: tcp_frame(5, 3, pdu), "rtu": lambda: rtu_frame(3, pdu)}
    sent = make.get(transport, lambda: ascii_frame(3, pdu))()
    expected = ExpectedResponse(3, 1, 3)
    for size in range(len(sent) + 1):
        parsed = PARSE[transport](sent[:size], expected, sent, Tolerance(names))
        assert parsed.pdu == b"" or (parsed.why == "our own request came back")
    if not names:
        assert (parsed.why, parsed.option) == ("our own request came back", "echo")


def test_a_unit_that_is_polled_answers_only_for_itself_where_answers_are_not_numbered():
    both = ("unit_id", "transaction_id")
    assert tolerance_of(("unit_id",), (1, 3), is_numbered=True).units == {0, 1, 255}
    assert tolerance_of(("unit_id",), (1, 3), is_numbered=False).units == {0, 255}
    assert tolerance_of(both, (1, 3), is_numbered=True).units == {0, 255}
    assert tolerance_of(("echo",), (1, 3), is_numbered=True).units == frozenset()


async def test_a_late_answer_without_a_number_is_flushed_before_the_next_request(connector):
    """With a fixed number a late answer looks like the next one, as on RTU."""
    late = []

    def answer(asked):
        if asked.function != 3:
            return [*late, asked.tcp(bytes([asked.function | 0x80, 1]), transaction=0)]
        if len(device.asked) == 3:
            late[:] = [asked.tcp(transaction=0)]
            return []
        return [asked.tcp(transaction=0)]

    async with odd_device(answer) as device:
        tags = {"a": {"address": 3}, "b": {"address": 600}, "c": {"address": 3, "unit_id": 2}}
        reader = connector(
            device.port, tags, period="60ms", timeout="200ms", tolerate=["transaction_id"]
        )
        got = set()
        async with reader.open() as batches:
            for _ in range(12):
                batch = await anext(batches)
                if batch.quality[0] == Quality.GOOD:
                    got.add((int(batch.tag[0]), float(batch.value[0])))
        assert got <= {(0, 31.0), (1, 6001.0), (2, 31.0)}
        assert {asked.function for asked in device.asked} > {3}


async def test_stray_bytes_that_come_late_cost_no_request(connector):
    async with odd_device(lambda a: [a.rtu(), 0.005, b"\0"], is_rtu=True) as device:
        reader = connector(
            device.port, TAGS, transport="rtu_over_tcp", period="40ms", tolerate=["stray_bytes"]
        )
        async with reader.open() as batches:
            for _ in range(8):
                batch = await anext(batches)
                assert batch.value[0] == RIGHT[int(batch.tag[0])]
        assert {asked.function for asked in device.asked} == {3}


async def test_a_wrong_number_is_said_in_the_same_words_each_time(connector):
    """What is said is logged when it changes, and our own number is another one each time."""
    async with odd_device(lambda a: [a.tcp(transaction=0)]) as device:
        reader = connector(device.port, TAGS, timeout="100ms")
        said = {await what_is_said(reader) for _ in range(4)}
    assert len(said) == 1
    assert len({asked.transaction for asked in device.asked}) == 4
