"""Secrets of sinks, read when a connection is made.

Promises
- What cannot be read, or cannot be in a header, is SinkUnavailable with the reference that names
  the secret; its value is in no message.
"""

from gateway.api.contracts import ConfigError, SinkUnavailable
from gateway.api.options import Secret


async def secret_value(secret: Secret | None) -> str:
    """The secret without white space around it; empty if there is none."""
    try:
        return (await secret.read()).strip() if secret else ""
    except ConfigError as error:
        raise SinkUnavailable(str(error), needs_human=True) from error


async def header_value(secret: Secret | None) -> str:
    """The same, if it is valid in an HTTP header."""
    value = await secret_value(secret)
    if not value.isascii() or not value.isprintable():
        raise SinkUnavailable(f"{secret} must be one row of ASCII text", needs_human=True)
    return value
