"""What an OPC UA server may do to a client that means no harm: members by name."""

import asyncio
import itertools
import struct
from datetime import UTC, datetime, timedelta

from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from hostile_peers import reset
from opcua_wire import (
    CHANNEL,
    ENDLESS,
    NONE,
    TOKEN,
    Server,
    acknowledge,
    chunk,
    error,
    header,
    notification,
    text,
    type_of,
    value,
)

ZEROS = bytes(1_000_000)
BAD_TOO_LARGE, BAD_TIMEOUT, BAD_TOO_MANY = 0x80B90000, 0x800A0000, 0x80100000


def at_once(*pieces, pause=0.0):
    """Sends without hearing anything, and then hears for ever."""

    async def talk(reader, writer):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        while await reader.read(65_536):
            pass

    return talk


def answering(**answers):
    """Answers as a server should, but for these services."""

    async def talk(reader, writer):
        await Server(reader, writer, answers).serve()

    return talk


def sending(service, *pieces):
    """Sends these pieces as they are in answer to a service."""
    return answering(**{service: lambda _handle, _server: list(pieces)})


def closing(service, by):
    async def talk(reader, writer):
        def end(_handle, _server):
            by(writer)
            return []

        await Server(reader, writer, {service: end}).serve()

    return talk


def bodies(service, make):
    """Answers a service with `make(handle)`: all after the type."""
    return answering(**{service: lambda handle, _server: make(handle)})


def results(body, count=1, service="Read"):
    """Answers with this body for `count` results."""
    return bodies(service, lambda handle: header(handle) + struct.pack("<i", count) + body)


def variant(encoding, body, times=1):
    """DataValues that hold a Variant."""
    return results((b"\x01" + bytes([encoding]) + body) * times, times)


def fault(service, status):
    """A ServiceFault."""

    def answer(handle, server):
        return [server.message(type_of("ServiceFault") + header(handle, status=status))]

    return answering(**{service: answer})


def chunks(service, body, *, final=b"C", count=20_000):
    """Chunks of a message that has no end."""

    def answer(_handle, server):
        return (server.message(body, final=final) for _ in range(count))

    return answering(**{service: answer})


def numbered(service, change):
    """A right header of a chunk with something else in one place."""

    def answer(handle, server):
        whole = server.message(type_of(f"{service}Response") + header(handle))
        return [change(bytearray(whole))]

    return answering(**{service: answer})


def patched(at, number):
    def change(whole):
        struct.pack_into("<I", whole, at, number)
        return bytes(whole)

    return change


def made(service, *fills):
    """Right answers to a service, each with something else in its fields, in turn."""
    ring = itertools.cycle([encoded(service, fill) for fill in fills])

    def answer(handle, _server):
        whole = next(ring)
        return whole[:8] + struct.pack("<I", handle) + whole[12:]

    return answering(**{service: answer})


def encoded(service, fill):
    """A response without its type; the handle of its request comes after a time of 8 bytes."""
    response = getattr(ua, f"{service}Response")()
    fill(response)
    return struct_to_binary(response)[4:]


def published(*messages, subscription=3):
    """Publishes these messages in turn, without end."""

    def filling(message):
        def fill(response):
            response.Parameters.SubscriptionId = subscription
            response.Parameters.NotificationMessage = message

        return fill

    return made("Publish", *map(filling, messages))


def granted(interval, keep_alives, lifetime=1200):
    def fill(response):
        given = response.Parameters
        given.SubscriptionId, given.RevisedPublishingInterval = 3, interval
        given.RevisedMaxKeepAliveCount, given.RevisedLifetimeCount = keep_alives, lifetime

    return made("CreateSubscription", fill)


def token(lifetime=3_600_000, number=TOKEN, channel=CHANNEL):
    def fill(response):
        given = response.Parameters.SecurityToken
        given.ChannelId, given.TokenId, given.RevisedLifetime = channel, number, lifetime
        given.CreatedAt = datetime.now(UTC)

    return made("OpenSecureChannel", fill)


def many_changes(count):
    changes = ua.DataChangeNotification()
    changes.MonitoredItems = [ua.MonitoredItemNotification(0, value(1.0))] * count
    return ua.NotificationMessage(1, datetime.now(UTC), [changes])


def ended():
    return ua.NotificationMessage(1, datetime.now(UTC), [ua.StatusChangeNotification()])


def keep_alive():
    return ua.NotificationMessage(1, datetime.now(UTC), [])


def always_more(name):
    """An answer that has more references, and none here."""

    def fill(response):
        # asyncua puts the results of BrowseNext one level deeper.
        holder = response.Parameters if name == "BrowseNext" else response
        holder.Results = [ua.BrowseResult(ContinuationPoint=b"more")]

    whole = encoded(name, fill)
    return lambda handle, _server: whole[:8] + struct.pack("<I", handle) + whole[12:]


def nested_objects(depth=20_000):
    """RequestHeaders in the additional header of RequestHeaders, each as long as the rest."""
    number = struct.pack("<BBH", 1, 0, ua.ObjectIds.RequestHeader_Encoding_DefaultBinary)
    start = number + b"\x01" + struct.pack("<i", -1)
    inside = b"\0\0" + struct.pack("<qIIiI", 0, 0, 0, -1, 0)
    return (start + inside) * depth


SERVICES = (
    "OpenSecureChannel",
    "CreateSession",
    "ActivateSession",
    "Read",
    "CreateSubscription",
    "CreateMonitoredItems",
    "Publish",
)
STAGES = ("Hello", *SERVICES)
DEEP = b"\x40" * 100_000
DIAGNOSTICS = {"diagnostics": DEEP + b"\0"}
TABLE = {"table": struct.pack("<ii", ENDLESS, -4)}
MANY_NULLS = struct.pack("<i", ENDLESS)

TRANSPORT = {
    "silence": at_once(),
    **{f"closing at {name}": closing(name, lambda writer: writer.close()) for name in STAGES},
    **{f"resetting at {name}": closing(name, reset) for name in STAGES},
    **{f"silence at {name}": sending(name) for name in STAGES},
    "HTTP": at_once(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
    "SSH": at_once(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "TLS": at_once(b"\x15\x03\x03\x00\x02\x02\x28"),
    "zeros": at_once(*[ZEROS] * 20),
    "random bytes": at_once(bytes(range(256)) * 4_000),
    "half a header": sending("Hello", b"ACKF\x1c"),
    "dripping": at_once(*(acknowledge()[at : at + 1] for at in range(28)), pause=0.3),
    "an ACK of 4 GB": sending("Hello", b"ACKF\xff\xff\xff\xff", *[ZEROS] * 100),
    **{f"an ACK of {n} bytes": sending("Hello", chunk(b"ACK", b"", size=n)) for n in (0, 4, 8, 12)},
    **{
        f"an ACK with buffers of {n}": sending("Hello", acknowledge(n, n))
        for n in (0, 1, 25, 8_191, 2**31, 2**32 - 1)
    },
    **{
        f"an ACK with messages of {n}": sending("Hello", acknowledge(message=n, chunks=n))
        for n in (1, 2**32 - 1)
    },
    "many ACKs": sending("Hello", acknowledge() * 100_000),
    "our own Hello": sending("Hello", chunk(b"HEL", struct.pack("<5I", *[0] * 5) + text("x"))),
    "an unknown message": sending("Hello", chunk(b"XYZ", bytes(100))),
    "an error": sending("Hello", error(0x80800000, b"no")),
    "an error with line breaks": sending("Hello", error(0x80800000, b"a\nb" * 10_000)),
    "an error of no error": sending("Hello", error(0)),
    "an error that begins anew": sending("Hello", error(0, b"", -16)),
    "an error of 2 GB": sending("Hello", error(0x80800000, b"", ENDLESS)),
    "an unknown error": sending("Hello", error(0xDEADBEEF)),
    "a chunk of 4 GB": sending("Read", b"MSGF\xff\xff\xff\xff", *[ZEROS] * 100),
    "a chunk of 3 MB": sending("Read", chunk(b"MSG", bytes(3_000_000))),
    "chunks without an end": chunks("Read", bytes(50_000)),
    "empty chunks without an end": chunks("Read", b""),
    "aborted chunks": chunks("Read", struct.pack("<I", 0x80800000) + text(b"x"), final=b"A"),
    "another channel": numbered("Read", patched(8, 999)),
    "another token": numbered("Read", patched(12, 999)),
    "another sequence": numbered("Read", patched(16, 999_999)),
    "another request": numbered("Read", patched(20, 999_999)),
    "another chunk type": numbered("Read", lambda whole: bytes(whole[:3] + b"Z" + whole[4:])),
}
CHANNELS = {
    **{f"keys for {n} ms": token(lifetime=n) for n in (0, 1, 2**32 - 1)},
    "a token of 0": token(number=0),
    "another channel from the start": token(channel=2**32 - 1),
    "a channel with another policy": sending(
        "OpenSecureChannel", chunk(b"OPN", struct.pack("<I", 1) + text("x") + text(b"") * 2)
    ),
    "a policy of 2 GB": sending(
        "OpenSecureChannel", chunk(b"OPN", struct.pack("<I", 1) + text(NONE, ENDLESS))
    ),
    "a policy of negative length": sending(
        "OpenSecureChannel", chunk(b"OPN", struct.pack("<I", 1) + text(NONE, -20))
    ),
    "a message for a channel": sending("OpenSecureChannel", chunk(b"MSG", bytes(100))),
}
HEADERS = {
    **{
        f"deep diagnostics at {name}": bodies(name, lambda h: header(h, **DIAGNOSTICS))
        for name in SERVICES
    },
    **{f"endless texts at {name}": bodies(name, lambda h: header(h, **TABLE)) for name in SERVICES},
    **{f"no body at {name}": bodies(name, lambda h: b"") for name in SERVICES},
    **{
        f"nested objects at {name}": bodies(name, lambda h: header(h, more=nested_objects()))
        for name in ("CreateSession", "Read", "Publish")
    },
    **{f"a fault at {name}": fault(name, BAD_TIMEOUT) for name in SERVICES},
    "always too large": fault("Read", BAD_TOO_LARGE),
    "always too many": fault("Read", BAD_TOO_MANY),
    "always too late": fault("Publish", BAD_TIMEOUT),
    "an unknown status": fault("Read", 0x8FFF0000),
}
TICKS = struct.pack("<i4q", 4, -(2**63), 2**63 - 1, 0, -1)
VALUES = {
    "two billion nothings": variant(0x80, MANY_NULLS),
    "two billion empty texts": variant(0x8C, MANY_NULLS + struct.pack("<i", -4)),
    "a text of negative length": variant(0x0C, struct.pack("<i", -16)),
    **{f"an array of {n}": variant(0x86, struct.pack("<i", n)) for n in (-2, -(2**31), ENDLESS)},
    "an array of bytes of 2 GB": variant(0x83, struct.pack("<i", ENDLESS)),
    "a text of 2 GB": variant(0x0C, struct.pack("<i", ENDLESS)),
    "a text of 3 MB": variant(0x0C, text(b"x" * 3_000_000)),
    "three million booleans": variant(0x81, struct.pack("<i", 3_000_000) + bytes(3_000_000)),
    "a million empty values": results(bytes(1_000_000), 1_000_000),
    "a million faults": results(b"\x02\0\0\x80\x80" * 700_000, 700_000),
    "variants in variants": variant(0x98, struct.pack("<i", 1) + (b"\x98\1\0\0\0" * 100_000)),
    "wide dimensions": variant(0xC1, struct.pack("<iBii", 1, 1, 1, 1_000_000), 10_000),
    "a thousand dimensions": variant(
        0xC1, struct.pack("<iBi", 1, 1, 1_000) + struct.pack("<i", 1) * 1_000
    ),
    "a million dimensions": variant(
        0xC1, struct.pack("<iBi", 1, 1, 1_000_000) + struct.pack("<i", ENDLESS) * 1_000_000
    ),
    "negative dimensions": variant(0xC1, struct.pack("<iBiii", 1, 1, 2, -1, -1)),
    "dimensions of two billion": variant(0xC1, struct.pack("<iBii", 1, 1, 1, ENDLESS)),
    "times beyond all times": variant(0x8D, TICKS),
    "a source time beyond all times": results(b"\x05\x0b" + struct.pack("<dq", 1.0, 2**63 - 1), 1),
    "an unknown type": variant(0x3F, b"\0"),
    "diagnostics in a value": variant(0x19, DEEP + b"\0"),
    "objects in objects": variant(0x16, nested_objects()),
    "an object of 2 GB": variant(0x16, b"\1\0\xff\xff\1" + struct.pack("<i", ENDLESS)),
    "too few results": results(b"", 0),
    "results of -2": results(b"", -2),
    "a clock of the year 9999": made(
        "Read", lambda r: setattr(r, "Results", [value(datetime(9999, 1, 1, tzinfo=UTC))] * 2)
    ),
}
SUBSCRIPTIONS = {
    **{
        f"an interval of {n}": granted(n, 10)
        for n in (0.0, -1.0, float("nan"), float("inf"), 1e308)
    },
    **{f"{n} keep-alives": granted(100.0, n) for n in (0, 2**32 - 1)},
    "a lifetime of 0": granted(100.0, 10, 0),
    "keep-alives as fast as asked": published(keep_alive()),
    "changes as fast as asked": published(*map(notification, range(1, 1_000))),
    "20,000 changes at once": published(many_changes(20_000)),
    "gaps in the numbers": published(*map(notification, range(1, 100_000, 900))),
    "the last number": published(notification(2**32 - 1), notification(1)),
    "the end": published(ended()),
    "another subscription": published(keep_alive(), subscription=99),
    "an item that is none": published(
        ua.NotificationMessage(
            1,
            datetime.now(UTC) + timedelta(days=36_500),
            [ua.DataChangeNotification([ua.MonitoredItemNotification(2**32 - 1, value(1.0))])],
        )
    ),
    "available numbers without an end": bodies(
        "Publish", lambda h: header(h) + struct.pack("<Ii", 3, ENDLESS)
    ),
    "two billion items": results(b"", ENDLESS, "CreateMonitoredItems"),
    "a million items": results(bytes(3_000_000), 150_000, "CreateMonitoredItems"),
    "always more references": answering(
        Browse=always_more("Browse"), BrowseNext=always_more("BrowseNext")
    ),
    "two billion references": results(b"\0\0\0\0" + MANY_NULLS, 1, "Browse"),
    "two billion endpoints": bodies("GetEndpoints", lambda h: header(h) + MANY_NULLS),
    "a session of 2 GB": bodies("CreateSession", lambda h: header(h) + b"\3\1\0" + MANY_NULLS),
}
MEMBERS = TRANSPORT | CHANNELS | HEADERS | VALUES | SUBSCRIPTIONS
