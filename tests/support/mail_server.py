"""A real SMTP server (aiosmtpd) on this machine, which can refuse, hang and be away."""

import asyncio
import contextlib
import email
import email.policy
import warnings
from functools import partial

import servers
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

HOST = "127.0.0.1"


class Mails:
    """What has arrived, as parsed messages with `to`, and what is answered instead of 250."""

    def __init__(self):
        self.messages = []
        self.answers = {}
        """By recipient, or for all by '': the answer to RCPT."""
        self.data_answer = ""

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        answer = self.answers.get(address) or self.answers.get("")
        if answer:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        if self.data_answer:
            return self.data_answer
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        message.to = list(envelope.rcpt_tos)
        message.is_encrypted = session.ssl is not None
        message.login = session.auth_data
        self.messages.append(message)
        return "250 OK"

    @property
    def keys(self):
        return [message["X-Andon-Key"] for message in self.messages]


class MailServer:
    """The server; away until `start`."""

    def __init__(self, *, port=None, login=None, tls=None):
        self.port, self.mails = port or servers.free_port(), Mails()
        self.hangs = False
        self._login, self._tls = login, tls
        self._server = None
        self._connections = set()

    def url(self, to="shift@plant.example", user="", more=""):
        scheme = "mailtos" if self._tls else "mailto"
        return f"{scheme}://{user}{HOST}:{self.port}?from=andon@plant.example&to={to}{more}"

    async def start(self):
        make = partial(
            _server,
            self.mails,
            hostname="mail",
            tls_context=self._tls,
            require_starttls=self._tls is not None,
            authenticator=self._check if self._login else None,
            auth_required=self._login is not None,
            auth_require_tls=False,
        )
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Silent(self) if self.hangs else self._noted(make()), HOST, self.port
        )

    def _noted(self, protocol):
        self._connections.add(protocol)
        return protocol

    def _check(self, server, session, envelope, mechanism, data):
        is_right = isinstance(data, LoginPassword) and (data.login, data.password) == self._login
        return AuthResult(success=is_right, handled=False, auth_data=data if is_right else None)

    async def stop(self):
        if self._server is None:
            return
        self._server.close()
        for each in self._connections:
            # After a failed handshake it is a transport without its inner part.
            with contextlib.suppress(AttributeError):
                each.transport.abort()
        self._connections.clear()
        await self._server.wait_closed()
        self._server = None

    async def __aenter__(self):
        await self.start()
        return self

    async def __aexit__(self, *_):
        await self.stop()


def _server(*arguments, **options):
    with warnings.catch_warnings():
        # It doubts a login without encryption.
        warnings.simplefilter("ignore")
        return SMTP(*arguments, **options)


class _Silent(asyncio.Protocol):
    """Accepts the connection and says nothing."""

    def __init__(self, server):
        self._server, self.transport = server, None

    def connection_made(self, transport):
        self.transport = transport
        self._server._connections.add(self)
