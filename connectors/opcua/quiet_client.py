"""An asyncua client with its background tasks disabled.

Promises
- A session that the server created and then rejected is closed.
- None of asyncua's background tasks (supervisor, publish loop, channel renewal) is started: they
  would hide failures.
- A session can be resumed over another connection, from a `SavedSession`.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

TRIES = 6
"""How often resuming a session is tried over a network that breaks each time."""


@dataclass(slots=True)
class SavedSession:
    """The state needed to resume a session, and its subscriptions.

    `started` is the server's start time: after a restart the session is gone, and its numbers may
    belong to other clients.
    """

    token: Any = field(repr=False)
    nonce: bytes | None = field(repr=False)
    user_policies: list[Any] = field(repr=False)
    server_certificate: bytes | None = field(repr=False)
    started: Any
    subscriptions: tuple[int, ...]
    tries: int = 0


def make_client(url: str, seconds: float) -> Any:
    """A client that is not connected; `seconds` is the time-out of each response."""
    from asyncua.client.client import Client
    from asyncua.client.ua_session import UaSession

    class QuietSession(UaSession):
        def ensure_publish_loop(self) -> None:
            """Does nothing: `publishing` sends the publish requests."""

    class QuietClient(Client):
        # asyncua does not close a session that the server created and then rejected for its
        # certificate or endpoints: each attempt to connect would leave one on the server.
        async def create_session(self) -> Any:
            try:
                return await super().create_session()
            except Exception:
                with suppress(Exception):
                    await self.uaclient.close_session(delete_subscriptions=True)
                raise

        async def start_session(self) -> None:
            await self.create_session()
            await self._activate()

        async def resume(self, saved: SavedSession) -> None:
            session = self.uaclient.session
            session.restore_authentication_token(saved.token)
            self._policy_ids = saved.user_policies
            self._server_nonce = saved.nonce  # type: ignore[assignment] # asyncua types it None
            self.security_policy.peer_certificate = saved.server_certificate
            try:
                await self._activate()
            except Exception:
                session.reset_authentication_token()
                raise

        def saved_session(self, started: Any, subscriptions: tuple[int, ...]) -> SavedSession:
            return SavedSession(
                self.uaclient.session.authentication_token,
                self._server_nonce,
                self._policy_ids,
                self.security_policy.peer_certificate,
                started,
                subscriptions,
            )

        async def _activate(self) -> None:
            await self.activate_session(self._username, self._password, self.user_certificate)

    client = QuietClient(url, seconds)
    client.uaclient.session = QuietSession(client.uaclient)
    return client
