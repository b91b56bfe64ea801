"""Why a connection cannot be opened, in words (pymodbus logs the reason and returns False)."""

import errno
import socket
import termios
from collections.abc import Callable
from typing import Any

from gateway.api import event_loop
from gateway.api.contracts import ConfigError


class ConnectFailure:
    """Remembers why the last attempt to connect failed."""

    def __init__(self, where: str, host: str | None) -> None:
        self.error: Exception | None = None
        self._where, self._host = where, host

    def remembering(self, create: Callable[[], Any]) -> Callable[[], Any]:
        """The same function, its errors remembered; ConfigError where only a person can help."""

        async def attempt() -> Any:
            self.error = None
            try:
                return await create()
            except OSError as error:
                self.error = error
                raise
            except termios.error as error:
                # The only error of a serial port that is not an OSError.
                if error.args[0] == errno.EINVAL:
                    why = "the port does not support this baudrate, parity or stopbits"
                    raise ConfigError(f"{self._where}: {why}") from error
                self.error = OSError(*error.args)
                raise self.error from error
            except ValueError as error:
                # A baud rate that the serial port does not support.
                raise ConfigError(f"{self._where}: {error}") from error

        return attempt

    def reason(self, timeout: str) -> str:
        """What an operator can act on."""
        error = self.error = self.error or event_loop.unresolved(self._host)
        if error is None:
            return f"no connection within {timeout}"
        if isinstance(error, event_loop.NameNotResolved):
            return str(error)
        if isinstance(error, socket.gaierror):
            return f"the name {self._host} cannot be resolved"
        return "connection refused" if isinstance(error, ConnectionRefusedError) else str(error)
