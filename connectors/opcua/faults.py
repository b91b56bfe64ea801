"""What can go wrong on a connection, said as the gateway knows it: SourceLost."""

import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.api.contracts import AndonError, SourceLost
from gateway.api.model import Nanos
from gateway.api.options import format_duration

_LOCKED_OUT_S = 30.0
"""Left alone for this long after a refused login: many servers lock a user who tries too often."""
_REFUSALS = ("BadIdentityToken", "BadUserAccessDenied", "BadUserSignature")
_TOO_MUCH = (
    "BadTooManyOperations",
    "BadRequestTooLarge",
    "BadResponseTooLarge",
    "BadEncodingLimitsExceeded",
)


@contextmanager
def translated(where: str, patience: Nanos) -> Iterator[None]:
    """Turn what asyncua, its cryptography and the network raise into SourceLost."""
    from asyncua.ua.uaerrors import UaError
    from cryptography.exceptions import InvalidSignature

    try:
        yield
    except TimeoutError as error:
        why = f"no answer within {format_duration(patience)}"
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
        # What asyncua makes of a malformed answer may fail in any way.
        why = f"an answer that cannot be read ({type(error).__name__}: {error})"
        raise SourceLost(f"{where}: {why}") from error


def is_too_much(lost: SourceLost) -> bool:
    """Whether the server refused a request only for its size."""
    return type(lost.__cause__).__name__ in _TOO_MUCH


def quieten_asyncua() -> None:
    """Everything that it would log is raised or reported here; a level that somebody set stays."""
    log = logging.getLogger("asyncua")
    if log.level == logging.NOTSET:
        log.setLevel(logging.CRITICAL + 1)
