"""Translates the errors of a connection into SourceLost."""

import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.api.contracts import AndonError, SourceLost
from gateway.api.model import Nanos
from gateway.api.options import format_duration

_LOCKED_OUT_S = 30.0
"""Wait after a refused login: many servers lock a user after too many attempts."""
_REFUSALS = ("BadIdentityToken", "BadUserAccessDenied", "BadUserSignature")
_TOO_MUCH = (
    "BadTooManyOperations",
    "BadRequestTooLarge",
    "BadResponseTooLarge",
    "BadEncodingLimitsExceeded",
)


@contextmanager
def translated(where: str, timeout: Nanos) -> Iterator[None]:
    """Turns the errors of asyncua, its cryptography and the network into SourceLost."""
    from asyncua.ua.uaerrors import UaError
    from cryptography.exceptions import InvalidSignature

    try:
        yield
    except TimeoutError as error:
        why = f"no response within {format_duration(timeout)}"
        raise SourceLost(f"{where}: {why}") from error
    except ConnectionRefusedError as error:
        raise SourceLost(f"{where}: connection refused") from error
    except (OSError, struct.error, UaError, InvalidSignature) as error:
        refused = type(error).__name__.startswith(_REFUSALS)
        why = str(error) or type(error).__name__
        raise SourceLost(f"{where}: {why}", _LOCKED_OUT_S if refused else 0.0) from error
    except AndonError:
        raise
    except Exception as error:
        # asyncua can fail in any way on a malformed response.
        why = f"malformed response ({type(error).__name__}: {error})"
        raise SourceLost(f"{where}: {why}") from error


def is_too_much(lost: SourceLost) -> bool:
    """True if the server refused a request because of its size."""
    return type(lost.__cause__).__name__ in _TOO_MUCH


def quieten_asyncua() -> None:
    """All that asyncua would log is raised or reported here; a level already set is kept."""
    logger = logging.getLogger("asyncua")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL + 1)
