"""Tells what answers on a port that should be an OPC UA server's.

Promises
- One connection, one message of OPC UA (Hello), and no more than a few bytes of the answer.
- It is asked only after a connection failed without a reason, and never raises.
"""

import asyncio
import struct
from contextlib import suppress

from connectors.opcua.statuses import code_in_words

_BUFFER = 65536
_OTHERS = (
    (b"HTTP/", "an HTTP server"),
    (b"<", "an HTTP server"),
    (b"\x15\x03", "a TLS server"),
    (b"\x16\x03", "a TLS server"),
    (b"SSH-", "an SSH server"),
    (b"220", "a mail or FTP server"),
    (b"HELF", "a device that sends back what it gets"),
)
_USUAL = 4840
_MOST_S = 5.0
"""The wait for an answer; the connection that failed has waited before."""


async def why_not_opcua(host: str, port: int, url: str, seconds: float) -> str:
    """What is wrong with the port, in words; empty if it speaks OPC UA."""
    try:
        async with asyncio.timeout(min(seconds, _MOST_S)):
            answer = await _greet(host, port, url)
    except TimeoutError:
        return (
            "the port accepts a connection and does not answer in OPC UA: is the server stopped, "
            f"or {port} the wrong port? {_USUAL} is the usual one"
        )
    except OSError:
        return ""
    return _described(answer, port)


async def _greet(host: str, port: int, url: str) -> bytes:
    """The beginning of the answer to a Hello."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        place = url.encode()
        body = struct.pack("<5Ii", 0, _BUFFER, _BUFFER, 0, 0, len(place)) + place
        writer.writelines([b"HELF", struct.pack("<I", 8 + len(body)), body])
        with suppress(ConnectionError):
            return await reader.read(256)
        return b""
    finally:
        writer.transport.abort()
        # The transport closes its socket in the next iteration of the loop.
        await asyncio.sleep(0)


def _described(answer: bytes, port: int) -> str:
    if answer.startswith(b"ACK"):
        return ""
    if answer.startswith(b"ERR") and len(answer) >= 12:
        return f"the server refuses it ({code_in_words(int.from_bytes(answer[8:12], 'little'))})"
    if not answer:
        return f"port {port} closes the connection without an answer: is it the right port?"
    other = next((what for mark, what in _OTHERS if answer.startswith(mark)), "another protocol")
    return f"{other} answers on port {port}, not an OPC UA server; {_USUAL} is the usual port"
