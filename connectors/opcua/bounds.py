"""Bounds on what a server may send, put around asyncua's stream and its decoder.

asyncua takes the limits of a connection from the server, waits for a chunk of any length, and
decodes as many elements as an array claims to have, also those that take no bytes.

Promises
- A message has at most 4 MiB, which the server is told too, and 4,096 chunks; a chunk that
  announces more, or less than its own header, ends the connection before it is received.
- A response with more than 20,000 parts is decoded no further; it counts as too large, and the
  request is split as if the server had refused it.
- No length is negative, and dimensions that do not fit the number of elements are ignored.
- What is within a structure is decoded within bounds too, see `bounded`.
- `why` says in words what ended the connection; it is empty if the guard did not end it.
"""

import math
from functools import cache
from typing import Any

MOST_MESSAGE = 4 * 1024 * 1024
_MOST_CHUNK = MOST_MESSAGE + 65_536
_MOST_CHUNKS = 4_096
MOST_PARTS = 20_000
_LEAST_BUFFER = 8_192
"""Bytes of a chunk that each side must take, by the standard (part 6, 7.1.2)."""
MOST_DIMENSIONS = 16
_HEADER = 8


class StreamGuard:
    """Watches the stream of one asyncua client; `client` is not connected yet."""

    def __init__(self, client: Any) -> None:
        self.why = ""
        self._buffer = bytearray()
        client.max_messagesize = MOST_MESSAGE
        self._make = client.uaclient._make_protocol  # noqa: SLF001 - there is no public way
        client.uaclient._make_protocol = self._make_protocol  # noqa: SLF001
        _patch_decoder()

    def _make_protocol(self) -> Any:
        protocol = self._protocol = self._make()
        self.why = ""
        self._buffer.clear()
        connection = protocol._connection  # noqa: SLF001 - as above
        self._take, protocol.data_received = protocol.data_received, self.data_received
        self._receive, connection._receive = connection._receive, self._received  # noqa: SLF001
        limits = connection._limits  # noqa: SLF001
        self._update = limits.update_client_limits
        limits.update_client_limits = self._agree
        return protocol

    def data_received(self, data: bytes) -> None:
        """Passes on whole chunks, one by one."""
        self._buffer += data
        while len(self._buffer) >= _HEADER:
            size = int.from_bytes(self._buffer[4:_HEADER], "little")
            if not _HEADER <= size <= _MOST_CHUNK:
                self._end(f"a message of the server announces {size:,} bytes")
            elif len(self._buffer) < size:
                return
            else:
                chunk = bytes(self._buffer[:size])
                del self._buffer[:size]
                if _is_sound(chunk):
                    self._take(chunk)
                else:
                    self._end("the server sent an error that is malformed")
            transport = self._protocol.transport
            if transport is None or transport.is_closing():
                self._buffer.clear()

    def _agree(self, answer: Any) -> None:
        """The limits of the connection: the server's, within ours."""
        if min(answer.SendBufferSize, answer.ReceiveBufferSize) < _LEAST_BUFFER:
            self._end(f"the server wants chunks of less than {_LEAST_BUFFER:,} bytes")
        answer.SendBufferSize = min(answer.SendBufferSize, _MOST_CHUNK)
        answer.ReceiveBufferSize = min(answer.ReceiveBufferSize, _MOST_CHUNK)
        self._update(answer)

    def _received(self, chunk: Any) -> Any:
        """The message that this chunk completes, as one that is decoded within bounds."""
        connection = self._protocol._connection  # noqa: SLF001
        size = connection._incoming_size + len(chunk.Body)  # noqa: SLF001
        if size > MOST_MESSAGE or len(connection._incoming_parts) >= _MOST_CHUNKS:  # noqa: SLF001
            self._end(f"a message of the server is longer than {MOST_MESSAGE:,} bytes")
            return None
        if chunk.MessageHeader.packet_size > connection._limits.max_recv_buffer:  # noqa: SLF001
            self._end("the server sends a longer chunk than it announced")
            return None
        message = self._receive(chunk)
        if message is not None:
            body = bytes(message.body())
            message.body = lambda: _answer_class()(body)
        return message

    def _end(self, why: str) -> None:
        from asyncua.ua.uaerrors import UaError

        self.why = why
        self._protocol._fail_all_pending(UaError(why))  # noqa: SLF001
        if self._protocol.transport is not None:
            self._protocol.transport.abort()


def _is_sound(chunk: bytes) -> bool:
    """False for an error whose text is not as long as it says: asyncua would read it again."""
    if chunk[:3] != b"ERR":
        return True
    length = int.from_bytes(chunk[12:16], "little", signed=True)
    return len(chunk) >= 16 and length >= -1 and max(0, length) == len(chunk) - 16


def bounded(body: bytes, left: list[int]) -> Any:
    """A buffer of these bytes; `left` holds how many parts may still be read of it and others."""
    _patch_decoder()
    return _answer_class()(body, left=left)


@cache
def _answer_class() -> type[Any]:
    from asyncua.common.utils import Buffer, NotEnoughData
    from asyncua.ua.uaerrors import BadResponseTooLarge

    class Answer(Buffer):
        """A message's body; copies of it share the number of parts that may still be read."""

        def __init__(
            self, data: bytes, start: int = 0, size: int = -1, left: list[int] | None = None
        ) -> None:
            super().__init__(data, start, size)
            self._left = [MOST_PARTS] if left is None else left

        def read(self, size: int) -> bytes:
            if size < 0:
                raise NotEnoughData("a negative length")
            self.count(1)
            return super().read(size)

        def count(self, parts: int) -> None:
            """Takes so many parts for read, also those that have no bytes."""
            self._left[0] -= parts
            if self._left[0] < 0:
                raise BadResponseTooLarge

        def copy(self, size: int = -1) -> Buffer:
            whole = size < 0 or size > self._size
            return Answer(self._data, self._cur_pos, self._size if whole else size, left=self._left)

    return Answer


@cache
def _patch_decoder() -> None:
    """Two places of asyncua's decoder make elements without reading anything for them."""
    from asyncua.ua import ua_binary

    class Nothing:
        """The type Null, of which an array may have 2**31 elements in five bytes."""

        @staticmethod
        def pack(_data: Any) -> bytes:
            return b""

        @staticmethod
        def unpack(data: Any) -> None:
            data.read(0)  # counts as a part

    ua_binary.Primitives.Null = Nothing()  # type: ignore[assignment]
    reshape = ua_binary._reshape  # noqa: SLF001 - there is no public way

    def fitting(flat: list[Any], dims: list[int]) -> list[Any]:
        # The product of a million numbers would take minutes.
        is_fit = dims and len(dims) <= MOST_DIMENSIONS and min(dims) > 0
        return reshape(flat, dims) if is_fit and math.prod(dims) == len(flat) else flat

    ua_binary._reshape = fitting  # noqa: SLF001
