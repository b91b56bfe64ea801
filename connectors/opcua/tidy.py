"""asyncua's client as we want it: nothing runs that we did not start, and no session is forgotten.

Promises
- A session that the server has made and then does not want is closed.
- Nothing of asyncua's own machinery (supervisor, publish loop, channel renewal) is started: what
  it does when something fails would be hidden from us.
- A session can be taken up over another connection, which is what a `Ticket` is for.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

TRIES = 6
"""How often a session is asked for over a network that breaks each time."""


@dataclass(slots=True)
class Ticket:
    """What it takes to take up a session again, and the subscriptions in it.

    `started` is when the server was started: another one knows nothing of ours, and may have given
    the same numbers to others.
    """

    token: Any = field(repr=False)
    nonce: bytes | None = field(repr=False)
    user_policies: list[Any] = field(repr=False)
    server_certificate: bytes | None = field(repr=False)
    started: Any
    subscriptions: tuple[int, ...]
    tries: int = 0


def tidy_client(url: str, seconds: float) -> Any:
    """A client that is not connected; `seconds` is the patience for each answer."""
    from asyncua.client.client import Client
    from asyncua.client.ua_session import UaSession

    class QuietSession(UaSession):
        def ensure_publish_loop(self) -> None:
            """Publish requests are ours to send."""

    class TidyClient(Client):
        # asyncua forgets a session that the server has made and that it then does not want, for
        # the certificate or the endpoints: one would stay behind for each attempt to connect.
        async def create_session(self) -> Any:
            try:
                return await super().create_session()
            except Exception:
                with suppress(Exception):
                    await self.uaclient.close_session(delete_subscriptions=True)
                raise

        async def begin(self) -> None:
            await self.create_session()
            await self._activate()

        async def take_up(self, ticket: Ticket) -> None:
            session = self.uaclient.session
            session.restore_authentication_token(ticket.token)
            self._policy_ids = ticket.user_policies
            self._server_nonce = ticket.nonce  # type: ignore[assignment] # asyncua says None
            self.security_policy.peer_certificate = ticket.server_certificate
            try:
                await self._activate()
            except Exception:
                session.reset_authentication_token()
                raise

        def ticket(self, started: Any, subscriptions: tuple[int, ...]) -> Ticket:
            return Ticket(
                self.uaclient.session.authentication_token,
                self._server_nonce,
                self._policy_ids,
                self.security_policy.peer_certificate,
                started,
                subscriptions,
            )

        async def _activate(self) -> None:
            await self.activate_session(self._username, self._password, self.user_certificate)

    client = TidyClient(url, seconds)
    client.uaclient.session = QuietSession(client.uaclient)
    return client
