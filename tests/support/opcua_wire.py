"""Messages of OPC UA, right and wrong, and a server's side of one connection.

Right bodies are made with asyncua's own encoder; what is wrong is put together here.
"""

import struct
from datetime import UTC, datetime

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary, struct_to_binary

CHANNEL, TOKEN = 7, 1
NONE = "http://opcfoundation.org/UA/SecurityPolicy#None"
_NAMES = {
    number: name.removesuffix("_Encoding_DefaultBinary")
    for name in dir(ua.ObjectIds)
    if name.endswith("Request_Encoding_DefaultBinary")
    for number in [getattr(ua.ObjectIds, name)]
}
ENDLESS = 2**31 - 1


def chunk(kind, body, *, final=b"F", size=None):
    size = 8 + len(body) if size is None else size
    return kind + final + struct.pack("<I", size) + body


def text(words, length=None):
    data = words.encode() if isinstance(words, str) else words
    return struct.pack("<i", len(data) if length is None else length) + data


def acknowledge(send=65_535, receive=65_535, message=0, chunks=0):
    return chunk(b"ACK", struct.pack("<5I", 0, receive, send, message, chunks))


def error(code, reason=b"", length=None):
    return chunk(b"ERR", struct.pack("<I", code) + text(reason, length))


def header(handle, *, status=0, diagnostics=b"\0", table=b"\0\0\0\0", more=b"\0\0\0"):
    """A ResponseHeader, in parts that can be wrong."""
    return struct.pack("<qII", 132_223_104_000_000_000, handle, status) + diagnostics + table + more


def type_of(name):
    number = getattr(ua.ObjectIds, f"{name}_Encoding_DefaultBinary")
    return struct.pack("<BBH", 1, 0, number)


class Server:
    """One connection; it answers each service as `answers` say, else as a server should.

    `answers` maps a service (Hello, OpenSecureChannel, Read ...) to a function that takes the
    number of the request's handle and this server, and gives the body after the type, or a list of
    pieces to send as they are.
    """

    def __init__(self, reader, writer, answers):
        self.reader, self.writer, self.answers = reader, writer, answers
        self.sequence, self.request, self.times = 0, 0, {}

    async def send(self, *pieces):
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    def message(self, body, *, kind=b"MSG", final=b"F", request=None):
        """A chunk of a secure channel, with the next sequence number."""
        self.sequence += 1
        numbers = struct.pack("<II", self.sequence, self.request if request is None else request)
        if kind == b"OPN":
            security = struct.pack("<I", CHANNEL) + text(NONE) + text(b"", -1) + text(b"", -1)
        else:
            security = struct.pack("<II", CHANNEL, TOKEN)
        return chunk(kind, security + numbers + body, final=final)

    async def serve(self):
        while True:
            head = await self.reader.readexactly(8)
            body = await self.reader.readexactly(struct.unpack_from("<I", head, 4)[0] - 8)
            if head[:3] == b"CLO":
                return
            name, handle = self._asked(head[:3], body)
            self.times[name] = self.times.get(name, 0) + 1
            if name in self.answers:
                answer = self.answers[name](handle, self)
            else:
                answer = _right(name, handle, self, body)
            if isinstance(answer, bytes):
                kind = b"OPN" if name == "OpenSecureChannel" else b"MSG"
                answer = [self.message(type_of(f"{name}Response") + answer, kind=kind)]
            await self.send(*answer)

    def _asked(self, kind, body):
        if kind == b"HEL":
            return "Hello", 0
        if kind == b"OPN":
            buffer = Buffer(body[4:])
            struct_from_binary(ua.AsymmetricAlgorithmHeader, buffer)
        else:
            buffer = Buffer(body[8:])
        _, self.request = struct.unpack("<II", buffer.read(8))
        name = _NAMES[nodeid_from_binary(buffer).Identifier].removesuffix("Request")
        self.body = buffer
        return name, struct_from_binary(ua.RequestHeader, buffer).RequestHandle


def value(number, at=None):
    at = at or datetime.now(UTC)
    return ua.DataValue(ua.Variant(number), SourceTimestamp=at, ServerTimestamp=at)


def _right(name, handle, server, _body):
    if name == "Hello":
        return [acknowledge()]
    return struct_to_binary(_response(name, handle, server))[4:]


def _response(name, handle, server):
    made = getattr(ua, f"{name}Response")()
    made.ResponseHeader.RequestHandle = handle
    made.ResponseHeader.Timestamp = datetime.now(UTC)
    if name == "OpenSecureChannel":
        token = made.Parameters.SecurityToken
        token.ChannelId, token.TokenId, token.RevisedLifetime = CHANNEL, TOKEN, 3_600_000
        token.CreatedAt = datetime.now(UTC)
    elif name == "GetEndpoints":
        made.Endpoints = [endpoint()]
    elif name == "CreateSession":
        made.Parameters.SessionId = made.Parameters.AuthenticationToken = ua.NodeId(5, 1)
        made.Parameters.RevisedSessionTimeout = 60_000
        made.Parameters.ServerEndpoints = [endpoint()]
    elif name == "Read":
        wanted = struct_from_binary(ua.ReadParameters, server.body).NodesToRead
        made.Results = [_read(each.NodeId.Identifier) for each in wanted]
    elif name == "Browse":
        wanted = struct_from_binary(ua.BrowseParameters, server.body).NodesToBrowse
        made.Results = [ua.BrowseResult() for _ in wanted]
    elif name == "CreateSubscription":
        granted = made.Parameters
        granted.SubscriptionId, granted.RevisedPublishingInterval = 3, 100.0
        granted.RevisedLifetimeCount, granted.RevisedMaxKeepAliveCount = 1200, 10
    elif name == "CreateMonitoredItems":
        wanted = struct_from_binary(ua.CreateMonitoredItemsParameters, server.body).ItemsToCreate
        made.Results = [
            ua.MonitoredItemCreateResult(
                MonitoredItemId=n + 1, RevisedSamplingInterval=100.0, RevisedQueueSize=10
            )
            for n in range(len(wanted))
        ]
        server.items = len(wanted)
    elif name == "Publish":
        made.Parameters.SubscriptionId = 3
        made.Parameters.NotificationMessage = notification(server.times[name])
    return made


def _read(identifier):
    if identifier == 2255:
        return value(["http://opcfoundation.org/UA/", "urn:andon:test"])
    if identifier == 2257:
        return value(datetime(2026, 1, 1, tzinfo=UTC))
    return value(1.0)


def notification(number):
    changes = ua.DataChangeNotification()
    changes.MonitoredItems = [ua.MonitoredItemNotification(0, value(1.0))]
    return ua.NotificationMessage(number, datetime.now(UTC), [changes])


def endpoint():
    made = ua.EndpointDescription()
    made.EndpointUrl, made.SecurityMode = "opc.tcp://127.0.0.1:1", ua.MessageSecurityMode.None_
    made.SecurityPolicyUri = NONE
    token = ua.UserTokenPolicy()
    token.PolicyId, token.TokenType = "anonymous", ua.UserTokenType.Anonymous
    made.UserIdentityTokens = [token]
    return made
