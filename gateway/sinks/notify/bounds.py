"""Bounds what is read of a server that Apprise talks to; its libraries read without an end.

Promises
- Of a mail server at most `MOST_SAID` bytes are read in one connection, of an HTTP response at most
  `MOST_READ`; the rest stays unread, and the connection is closed.
- After `LONGEST_S` neither is read any further, however slowly it comes.
"""

import functools
import smtplib
import time
from typing import Any

MOST_SAID = 256 * 1024
MOST_READ = 1024 * 1024
LONGEST_S = 600.0
"""As long as a message may take at most."""


class _Said:
    """What a mail server says, up to a limit."""

    def __init__(self, file: Any) -> None:
        self._file, self._left = file, MOST_SAID
        self._until = time.monotonic() + LONGEST_S

    def readline(self, size: int) -> bytes:
        """The next line; OSError beyond the limits."""
        if self._left <= 0 or time.monotonic() > self._until:
            raise OSError("the mail server does not stop talking")
        line: bytes = self._file.readline(size)
        self._left -= len(line)
        return line

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


@functools.cache
def bound() -> None:
    """Has both libraries keep to the limits, in the whole process, where only Apprise uses them."""
    _bound_mail()
    _bound_http()


def _bound_mail() -> None:
    read = smtplib.SMTP.getreply

    def getreply(self: Any) -> Any:
        if self.file is None and self.sock is not None:
            self.file = _Said(self.sock.makefile("rb"))
        return read(self)

    smtplib.SMTP.getreply = getreply  # type: ignore[method-assign]


def _bound_http() -> None:
    from requests.adapters import HTTPAdapter

    send = HTTPAdapter.send

    @functools.wraps(send)
    def bounded(self: Any, *arguments: Any, **options: Any) -> Any:
        response = send(self, *arguments, **options)
        until, body = time.monotonic() + LONGEST_S, bytearray()
        for chunk in response.iter_content(4096):
            body += chunk
            if len(body) > MOST_READ or time.monotonic() > until:
                response.close()
                break
        response._content = bytes(body[:MOST_READ])  # noqa: SLF001 - it has no public way
        return response

    HTTPAdapter.send = bounded  # type: ignore[method-assign]
