"""Why no session could be opened, in one sentence for people.

Promises
- A server that gives a reason is quoted with what can be done about it. One that gives none, as
  most do for certificates, is asked what it is and what it offers.
- It changes only the message: every failure to open stays a `SourceLost` with its wait.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from connectors.opcua.certificates import first_in, load_certificate, thumbprint
from connectors.opcua.endpoints import endpoints_of, offered, protection
from connectors.opcua.hello import why_not_opcua
from connectors.opcua.identity import CERTIFICATE, FOLDER
from connectors.opcua.options import OpcUaOptions, SecurityOptions
from connectors.opcua.trust import described
from gateway.api.contracts import AndonError, ConfigError, Places, SourceLost
from gateway.api.files import off_loop
from gateway.api.model import SECOND
from gateway.api.options import format_duration

USER_REFUSED = ("BadIdentityToken", "BadUserAccessDenied", "BadUserSignature")
_SENTENCES = {
    "BadInvalidTimestamp": "the server refuses our time: its clock and ours differ too much",
    "BadLicense": "the server's licence does not allow another connection",
    "BadServerHalted": "the server has stopped working",
    "BadServerTooBusy": "the server is too busy for another connection",
    "BadShutdown": "the server is shutting down",
    "BadTcpEndpointUrlInvalid": "the server does not know itself by the address in `url`",
    "BadTcpServerTooBusy": "the server is too busy for another connection",
    "BadTooManySecureChannelsOpen": "the server has no free connection: close another client, or "
    "wait until it has dropped its old ones",
    "BadTooManySessions": "the server has no free session: close another client, or wait until its "
    "old sessions time out",
}
_CERTIFICATES = {
    "BadCertificateHostNameInvalid": "it wants our host's name in our certificate",
    "BadCertificateTimeInvalid": "by its clock our certificate is not valid now",
    "BadCertificateUriInvalid": "our certificate has another application URI than we gave",
    "BadCertificateRevoked": "it has revoked our certificate",
}
_UNEXPLAINED = (TimeoutError, ConnectionError)
_DISTRUST = ("BadCertificateUntrusted", "BadSecurityChecksFailed", "BadCertificateChainIncomplete")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Explains failures to connect with these options."""

    options: OpcUaOptions
    places: Places

    async def explained(self, lost: SourceLost) -> SourceLost:
        """The same failure, with its reason."""
        where = urlsplit(self.options.url).netloc
        why = await self._why(lost) or str(lost).removeprefix(f"{where}: ")
        return SourceLost(f"{where}: {why}", lost.wait)

    async def _why(self, lost: SourceLost) -> str:
        cause, status = lost.__cause__, type(lost.__cause__).__name__
        said = await self._of_status(status)
        if said:
            return f"{said} ({status})"
        is_away = isinstance(cause, OSError) and not isinstance(cause, _UNEXPLAINED)
        if cause is None or is_away or isinstance(cause, ConnectionRefusedError):
            return ""
        return await self._asked(cause)

    async def _of_status(self, status: str) -> str:
        """What a server's status means; empty if it needs no more words, or is none."""
        # These look into files, and so do not belong into the event loop.
        if status.startswith(USER_REFUSED):
            return await off_loop(self._refused_user)
        if status.startswith(_DISTRUST):
            return await off_loop(self._distrust)
        if status.startswith("BadCertificate"):
            said = _CERTIFICATES.get(status, "it refuses our certificate")
            return f"the server does not accept {await off_loop(self._ours)}: {said}"
        known = (text for name, text in _SENTENCES.items() if status.startswith(name))
        return next(known, "")

    async def _asked(self, cause: BaseException) -> str:
        """The reason, by what the server says of itself."""
        url, seconds = urlsplit(self.options.url_with_port), self.options.timeout / SECOND
        host, port = str(url.hostname), int(url.port or 0)
        why = await why_not_opcua(host, port, self.options.url_with_port, seconds)
        if why and isinstance(cause, TimeoutError):
            return f"no response within {format_duration(self.options.timeout)}: {why}"
        if why:
            return why
        try:
            endpoints = await endpoints_of(self.options)
        except AndonError:
            return ""
        return await off_loop(lambda: self._compared(endpoints, cause))

    def _compared(self, endpoints: Sequence[Any], cause: BaseException) -> str:
        security = self.options.security
        policy, mode = protection(security)
        fitting = [
            each
            for each in endpoints
            if (each.SecurityPolicyUri, each.SecurityMode) == (policy.URI, mode)
        ]
        if not fitting:
            return not_offered(security, endpoints)
        if security is None:
            return ""
        return self._other_certificate(security, fitting[0]) or self._unexplained(cause)

    def _unexplained(self, cause: BaseException) -> str:
        # A server that does not trust us closes the connection, or does not respond.
        return self._distrust() if isinstance(cause, _UNEXPLAINED) else ""

    def _other_certificate(self, security: SecurityOptions, endpoint: Any) -> str:
        """How the certificate that the server shows differs from the pinned one."""
        if security.server_certificate is None:
            return ""
        try:
            shown = first_in(endpoint.ServerCertificate or b"")
            pinned = load_certificate(self.places.config / security.server_certificate)
        except (ValueError, ConfigError):
            return "the server shows no readable certificate"
        if shown == pinned:
            return ""
        return (
            f"the server shows another certificate than {security.server_certificate}: "
            f"{described(shown)}; if it has a new one, compare the thumbprint and replace the file"
        )

    def _distrust(self) -> str:
        return (
            f"the server does not trust our certificate yet: {self._ours()}; move it from the "
            "server's rejected to its trusted certificates"
        )

    def _ours(self) -> str:
        security = self.options.security
        if security is None:
            return "a connection without a certificate"
        path = self.places.state / FOLDER / CERTIFICATE
        if security.certificate is not None:
            path = self.places.config / security.certificate
        try:
            return f"{self._shown(path)}, thumbprint {thumbprint(load_certificate(path))}"
        except ConfigError:
            return self._shown(path)

    def _shown(self, path: Path) -> str:
        security = self.options.security
        return str(security.certificate if security and security.certificate else path)

    def _refused_user(self) -> str:
        options = self.options
        if options.user_certificate is not None:
            return f"the server refuses the user's certificate {options.user_certificate}"
        if options.username is not None:
            return f"the server refuses the user {options.username!r} or its password"
        return "the server refuses a login without a user: add `username` and `password`"


def not_offered(security: SecurityOptions | None, endpoints: Sequence[Any]) -> str:
    """That the server does not offer what is wanted, and what it does."""
    wanted = "a connection without security"
    if security is not None:
        wanted = f"{security.policy} {security.mode}"
    return f"the server does not offer {wanted}; it offers {offered(endpoints)}"
