"""Translates the errors of a connection into SourceLost."""

import logging
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from connectors.opcua.statuses import code_in_words
from gateway.api.contracts import AndonError, SourceLost
from gateway.api.event_loop import NameNotResolved
from gateway.api.model import Nanos
from gateway.api.options import format_duration
from gateway.api.visible import brief

_LOCKED_OUT_S = 30.0
"""Wait after a refused login: many servers lock a user after too many attempts."""
_REFUSALS = ("BadIdentityToken", "BadUserAccessDenied", "BadUserSignature")
TOO_MUCH = (
    "BadTooManyOperations",
    "BadRequestTooLarge",
    "BadResponseTooLarge",
    "BadEncodingLimitsExceeded",
)


@contextmanager
def translated(where: str, timeout: Nanos) -> Iterator[None]:
    """Turns the errors of asyncua, its cryptography and the network into SourceLost."""
    try:
        yield
    except AndonError:
        raise
    except Exception as error:
        # asyncua can fail in any way on a malformed response.
        refused = type(error).__name__.startswith(_REFUSALS)
        why = _in_words(error, where, timeout)
        raise SourceLost(f"{where}: {why}", _LOCKED_OUT_S if refused else 0.0) from error


def _in_words(error: Exception, where: str, timeout: Nanos) -> str:
    """An error as a sentence, without the names of any code."""
    from asyncua.common.utils import NotEnoughData
    from asyncua.ua.uaerrors import UaError, UaStatusCodeError
    from cryptography.exceptions import InvalidSignature

    if isinstance(error, UaStatusCodeError):
        return code_in_words(error.code)
    if isinstance(error, NotEnoughData):
        return "a response of the server is shorter than the lengths in it"
    if isinstance(error, UaError):
        # "Unhandled ..." and the like come with parts of asyncua's objects.
        return brief(str(error).partition(":")[0]) or "the server does not keep to the protocol"
    if isinstance(error, InvalidSignature):
        return "the signature of a response is wrong"
    if isinstance(error, OSError):
        return _of_network(error, where, timeout)
    return "malformed response"


def _of_network(error: OSError, where: str, timeout: Nanos) -> str:
    if isinstance(error, NameNotResolved):
        return str(error)
    if isinstance(error, socket.gaierror):
        return f"the name {urlsplit(f'//{where}').hostname} cannot be resolved"
    if isinstance(error, TimeoutError) and error.errno is None:
        return f"no response within {format_duration(timeout)}"
    # Of a name with several addresses asyncio joins the errors into one text.
    numbers = {int(number) for number in re.findall(r"\[Errno (\d+)\]", str(error))}
    number = error.errno or next(iter(sorted(numbers)), None)
    return os.strerror(number).lower() if number else "the connection was closed"


def is_too_much(lost: SourceLost) -> bool:
    """True if the server refused a request because of its size."""
    return type(lost.__cause__).__name__ in TOO_MUCH


def quieten_asyncua() -> None:
    """All that asyncua would log is raised or reported here; a lower level already set is kept.

    At its highest level it logs each error that a server sends.
    """
    logger = logging.getLogger("asyncua")
    if logger.level in (logging.NOTSET, logging.CRITICAL):
        logger.setLevel(logging.CRITICAL + 1)
