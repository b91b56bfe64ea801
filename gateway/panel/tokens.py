"""The roles of the panel, and the tokens that give them.

Promises
- Tokens are compared by their hashes in constant time, and both always.
- A token that can be guessed, or whose file everybody can read or change, is refused at the start.
"""

import hashlib
import hmac
import stat
from enum import StrEnum
from pathlib import Path

from gateway.api import masking
from gateway.api.contracts import ConfigError
from gateway.api.files import look, read_text

SHORTEST, LONGEST = 20, 1000
"""Characters of a token."""


class Role(StrEnum):
    """What a person may do at the panel."""

    VIEW = "view"
    OPERATE = "operate"


class Tokens:
    """The tokens by role, each read from the file that holds it; ConfigError."""

    def __init__(self, view: Path | None, operate: Path | None) -> None:
        files = {Role.VIEW: view, Role.OPERATE: operate}
        self._hashes = {role: _hash(_read(file)) for role, file in files.items() if file}
        if len(set(self._hashes.values())) < len(self._hashes):
            raise ConfigError(
                f"{view} and {operate} hold the same token: whoever may look could operate"
            )

    def role_of(self, token: str) -> Role | None:
        """The role that a token gives; None if it is neither."""
        given = _hash(token.strip())
        fits = [role for role, known in self._hashes.items() if hmac.compare_digest(given, known)]
        return fits[0] if fits else None


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _read(file: Path) -> str:
    mode = stat.S_IMODE(look(file).st_mode)
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        done = "read" if mode & stat.S_IROTH else "changed"
        raise ConfigError(f"{file} can be {done} by every user of this machine: chmod 640 {file}")
    token = read_text(file, LONGEST + 2).strip()
    if len(token) < SHORTEST or not (token.isascii() and token.isprintable()):
        raise ConfigError(
            f"{file} must hold one token of at least {SHORTEST} characters, without control "
            "characters: write one by openssl rand -base64 24"
        )
    return masking.remember(token)
