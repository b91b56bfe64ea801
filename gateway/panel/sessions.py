"""The sessions of browsers. Times are seconds of a clock that only goes forward.

Promises
- A session is found by a secret that only its browser has; what is kept of it is a hash.
- A session ends IDLE_S after its last use, and LONGEST_S after its begin at the latest.
- At most MOST are kept: of more the one that was not used for longest ends.
"""

import hashlib
import secrets
from dataclasses import dataclass, field

from gateway.panel.tokens import Role

IDLE_S = 12 * 3600.0
"""A shift and the hand-over."""
LONGEST_S = 30 * 86_400.0
MOST = 256


@dataclass(slots=True)
class Session:
    """Who sits at a browser."""

    role: Role
    begun: float
    used: float
    name: str = ""
    """Under which acts are stored; asked for before the first."""
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    """What every form of this session carries."""
    said: str = ""
    """What the last act came to, shown on the next page."""
    failed: bool = False
    """Whether that was a refusal."""
    is_certified: bool = False
    """Whether its name is the one in the browser's certificate, which no form changes."""

    @property
    def may_operate(self) -> bool:
        """Whether acts are accepted from it."""
        return self.role is Role.OPERATE


class Sessions:
    """All sessions, the one that was used last at the end."""

    def __init__(self) -> None:
        self._kept: dict[bytes, Session] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def begin(
        self, role: Role, now: float, name: str = "", *, is_certified: bool = False
    ) -> tuple[str, Session]:
        """A new session and its secret."""
        secret = secrets.token_urlsafe(32)
        session = Session(role, now, now, name, is_certified=is_certified)
        while len(self._kept) >= MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[_hash(secret)] = session
        return secret, session

    def find(self, secret: str, now: float) -> Session | None:
        """The session with this secret, which is now used; None if there is none, or it is over."""
        key = _hash(secret)
        session = self._kept.pop(key, None)
        if session is None or self._is_over(session, now):
            return None
        session.used = now
        self._kept[key] = session
        return session

    def end(self, secret: str) -> None:
        """Forget a session."""
        self._kept.pop(_hash(secret), None)

    @staticmethod
    def _is_over(session: Session, now: float) -> bool:
        return now - session.used > IDLE_S or now - session.begun > LONGEST_S


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
