"""What a Modbus device may do to a client that means no harm: members by name.

Those of `TCP` answer Modbus TCP, those of `RTU` answer RTU over TCP.
"""

import asyncio
import struct

from hostile_peers import reset
from odd_modbus import Asked

from connectors.modbus.framing import ascii_frame, rtu_frame

ZEROS = bytes(1_000_000)
GARBAGE = bytes(range(256)) * 4_000


def at_once(*pieces, pause=0.0, times=1):
    """Sends before anything is asked, and then hears for ever."""

    async def talk(reader, writer):
        await _sent(writer, pieces, pause, times)
        while await reader.read(65_536):
            pass

    return talk


def answering(make, *, is_rtu=False, by=None, pause=0.0, times=1):
    """Sends what `make(asked)` gives, in pieces, to each request; `by` ends the connection then."""

    async def talk(reader, writer):
        while True:
            frame = await reader.readexactly(8 if is_rtu else 12)
            head = struct.unpack(">BBHH", frame[:6] if is_rtu else frame[6:])
            number = 0 if is_rtu else int.from_bytes(frame[:2], "big")
            asked = Asked(number, *head, frame, 1)
            made = make(asked)
            await _sent(writer, [made] if isinstance(made, bytes) else made, pause, times)
            if by is not None:
                by(writer)
                return

    return talk


async def _sent(writer, pieces, pause, times):
    for _ in range(times):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)


def closed(writer):
    writer.close()


def one_by_one(data):
    return [data[at : at + 1] for at in range(len(data))]


def exception(code):
    return lambda asked: asked.tcp(bytes([asked.function | 0x80, code]))


def beginning(count):
    return lambda asked: asked.tcp()[:count]


LENGTHS = (0, 1, 2, 3, 4, 6, 254, 255, 256, 1_000, 65_535)
TCP = {
    "silence": at_once(),
    "closing at once": answering(lambda asked: b"", by=closed),
    "resetting at once": answering(lambda asked: b"", by=reset),
    **{f"a length of {n}": answering(lambda asked, n=n: asked.tcp(length=n)) for n in LENGTHS},
    **{f"{n} bytes, then silence": answering(beginning(n)) for n in range(1, 11)},
    **{f"{n} bytes, then closed": answering(beginning(n), by=closed) for n in range(1, 11)},
    **{f"{n} bytes, then reset": answering(beginning(n), by=reset) for n in range(1, 11)},
    **{f"exception {n}": answering(exception(n)) for n in (*range(13), 127, 128, 255)},
    "an exception without a code": answering(lambda asked: asked.tcp(bytes([0x83]))),
    "dripping": answering(lambda asked: one_by_one(asked.tcp()), pause=0.2),
    "dripping fast": answering(lambda asked: one_by_one(asked.tcp()), pause=0.001),
    "answers before requests": at_once(struct.pack(">HHHBBBH", 1, 0, 5, 1, 3, 2, 7) * 1_000),
    "a flood of answers": at_once(
        *[struct.pack(">HHHBBBH", n, 0, 5, 1, 3, 2, 7) * 50 for n in range(1_000)], times=10
    ),
    "a flood after an answer": answering(
        lambda asked: [asked.tcp(), *[struct.pack(">HHHBBBH", 9, 0, 5, 1, 3, 2, 7) * 500] * 200]
    ),
    "the same answer a thousand times": answering(lambda asked: asked.tcp() * 1_000),
    "another transaction": answering(lambda asked: asked.tcp(transaction=0xBEEF)),
    "all transactions": answering(
        lambda asked: b"".join(asked.tcp(transaction=n) for n in range(0, 65_536, 16))
    ),
    "another protocol": answering(lambda asked: asked.tcp(protocol=7)),
    "another unit": answering(lambda asked: asked.tcp(unit=99)),
    "another function": answering(lambda asked: asked.tcp(b"\x04" + asked.pdu()[1:])),
    "function 0": answering(lambda asked: asked.tcp(b"\0" + asked.pdu()[1:])),
    "function 255": answering(lambda asked: asked.tcp(b"\xff\xff\xff")),
    "no function": answering(lambda asked: asked.tcp(b"")),
    "a write": answering(lambda asked: asked.tcp(b"\x10\0\0\0\1")),
    "one register more": answering(lambda asked: asked.tcp(b"\x03\x04\0\1\0\2")),
    "one register less": answering(lambda asked: asked.tcp(b"\x03\0")),
    "more bytes than it says": answering(lambda asked: asked.tcp(b"\x03\x02" + bytes(240))),
    "fewer bytes than it says": answering(lambda asked: asked.tcp(b"\x03\xfa\0\1")),
    "a frame of 300 bytes": answering(lambda asked: asked.tcp(b"\x03\xff" + bytes(292))),
    "a frame of 65 KB": answering(lambda asked: asked.tcp(b"\x03\xff" + bytes(65_532))),
    "our own request": answering(lambda asked: asked.frame),
    "our own request a thousand times": answering(lambda asked: asked.frame * 1_000),
    "zeros": answering(lambda asked: ZEROS, times=20),
    "garbage": answering(lambda asked: GARBAGE, times=20),
    "garbage before requests": at_once(*[GARBAGE] * 50),
    "headers without an end": answering(
        lambda asked: struct.pack(">HHHB", asked.transaction, 0, 65_535, 1) * 50_000
    ),
    "headers of nothing": answering(
        lambda asked: struct.pack(">HHH", asked.transaction, 0, 0) * 50_000, times=5
    ),
    "4,095 bytes and silence": answering(lambda asked: asked.frame[:2] + bytes(4_093)),
    "HTTP": at_once(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "SSH": at_once(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "TLS": at_once(b"\x15\x03\x03\x00\x02\x02\x28"),
    "an endless line": at_once(*[b"x" * 100_000] * 100),
}


def rtu(make, **more):
    return answering(make, is_rtu=True, **more)


RTU = {
    "RTU: garbage": rtu(lambda asked: GARBAGE, times=5),
    "RTU: zeros": rtu(lambda asked: ZEROS, times=5),
    "RTU: garbage before requests": at_once(*[GARBAGE] * 20),
    "RTU: a wrong checksum": rtu(lambda asked: asked.rtu()[:-2] + b"\0\0"),
    "RTU: dripping": rtu(lambda asked: one_by_one(asked.rtu()), pause=0.2),
    "RTU: half a frame": rtu(lambda asked: asked.rtu()[:3]),
    "RTU: a thousand answers": rtu(lambda asked: asked.rtu() * 1_000),
    "RTU: a thousand of another unit": rtu(lambda asked: rtu_frame(9, asked.pdu()) * 1_000),
    "RTU: a length of 255": rtu(lambda asked: rtu_frame(asked.unit, b"\x03\xff" + bytes(255))),
    "RTU: our own request": rtu(lambda asked: asked.frame * 100),
    "RTU: Modbus TCP": rtu(lambda asked: asked.tcp()),
    "RTU: ASCII": rtu(lambda asked: ascii_frame(asked.unit, asked.pdu())),
    "RTU: a flood": at_once(*[rtu_frame(1, b"\x03\x02\0\x07") * 500] * 500),
    "RTU: garbage and the answer": rtu(lambda asked: bytes(range(1, 200)) + asked.rtu()),
    **{f"RTU: exception {n}": rtu(lambda a, n=n: a.rtu(bytes([0x83, n]))) for n in (0, 5, 6, 255)},
}
MEMBERS = TCP | RTU
