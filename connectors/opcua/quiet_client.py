"""An asyncua client with its background tasks disabled.

Promises
- A session that the server created and then rejected is closed.
- None of asyncua's background tasks (supervisor, publish loop, channel renewal) is started: they
  would hide failures.
- A session can be resumed over another connection, from a `SavedSession`.
- What the server may send is bounded, see `bounds`.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from connectors.opcua.bounds import StreamGuard
from gateway.api.contracts import SourceLost

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


_CALLBACK = "_call_callback"
"""The method of asyncua's protocol that takes an answer."""
_LOGINS = {
    "Anonymous": "without a user",
    "UserName": "with a name and a password",
    "Certificate": "with a user's certificate",
    "IssuedToken": "with a token",
}


def _no_login(wanted: str, offered: Sequence[str]) -> str:
    ways = sorted({_LOGINS.get(kind, kind) for kind in offered})
    return f"the server does not offer a login {_LOGINS[wanted]}; it offers one {', '.join(ways)}"


def make_client(url: str, seconds: float) -> Any:
    """A client that is not connected; `seconds` is the time-out of each response."""
    client = _client_class()(url, seconds)
    client.guard = StreamGuard(client)
    client.uaclient.session = _make_session(client.uaclient)
    return client


def _client_class() -> Any:  # noqa: C901 - a class with short methods
    from asyncua.client.client import Client

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

        async def open_secure_channel(self, renew: bool = False) -> None:
            if not renew:
                _hear_refusal(self.uaclient.protocol)
            await super().open_secure_channel(renew)
            if not renew:
                self.uaclient.protocol.__dict__.pop(_CALLBACK)

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

        def server_policy(self, token_type: Any) -> Any:
            kinds = [policy.TokenType.name for policy in self._policy_ids]
            if kinds and token_type.name not in kinds:
                raise SourceLost(_no_login(token_type.name, kinds))
            return super().server_policy(token_type)

        async def _activate(self) -> None:
            await self.activate_session(self._username, self._password, self.user_certificate)

    return QuietClient


def _hear_refusal(protocol: Any) -> None:
    """Lets a refused channel raise the server's status; asyncua drops it and fails elsewhere."""
    from asyncua.common.utils import Buffer
    from asyncua.ua.uaerrors import UaError

    call_back, fail = getattr(protocol, _CALLBACK), protocol._fail_all_pending  # noqa: SLF001

    def check_and_call_back(request_id: int, body: Any) -> None:
        try:
            if isinstance(body, Buffer):
                protocol.check_answer(body, "")
        except UaError as refused:
            fail(refused)
        else:
            call_back(request_id, body)

    setattr(protocol, _CALLBACK, check_and_call_back)


def _make_session(uaclient: Any) -> Any:
    from asyncua.client.ua_session import UaSession

    class QuietSession(UaSession):
        def ensure_publish_loop(self) -> None:
            """Does nothing: `publishing` sends the publish requests."""

    return QuietSession(uaclient)
