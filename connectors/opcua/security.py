"""Who we are and whom we trust, put into asyncua's client before it connects.

Promises
- The server's certificate is the pinned one, or one of a folder. What a server shows over an open
  channel is only looked up there; that it has the key is proven by the channel that follows.
- It must be valid now, and be for the application that answers; of a folder, for its host too.
- A password or a user's key is used, never logged.
"""

import asyncio
import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from connectors.opcua import trust
from connectors.opcua.certificates import first_in, load_certificate, load_key_of
from connectors.opcua.faults import quieten_asyncua, translated
from connectors.opcua.identity import CERTIFICATE, FOLDER, Identity, load_identity, own_identity
from connectors.opcua.options import OpcUaOptions, SecurityOptions
from gateway.api.contracts import Places, SourceLost
from gateway.api.model import SECOND

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


async def secure(client: Any, options: OpcUaOptions, places: Places) -> None:
    """Prepare asyncua's client; ConfigError for a file, SourceLost for a server, says why not."""
    _log_in(client, options, places.config)
    security = options.security
    if security is None:
        return
    ours = await asyncio.to_thread(_identity, security, places)
    theirs = await _theirs(options, security, places.config)
    where = urlsplit(options.url).netloc
    _refuse_if(where, trust.why_invalid(theirs, dt.datetime.now(dt.UTC)))

    async def look(certificate: "Certificate", application: Any) -> None:
        _refuse_if(where, trust.why_another_application(certificate, application.ApplicationUri))

    policy, mode = _protection(security)
    client.application_uri = ours.uri
    client.certificate_validator = look
    client.security_policy = policy(theirs, ours.certificate, ours.key, mode)
    client.uaclient.set_security(client.security_policy)


async def endpoints_of(options: OpcUaOptions) -> list[Any]:
    """What a server offers, asked without security; SourceLost if it does not answer."""
    from asyncua.client.client import Client

    quieten_asyncua()
    with translated(urlsplit(options.url).netloc, options.timeout):
        return await Client(
            options.url_with_port, options.timeout / SECOND
        ).connect_and_get_server_endpoints()


def offered(endpoints: Sequence[Any]) -> str:
    """The policies and modes of endpoints, for people."""
    found = {
        f"{each.SecurityPolicyUri.rpartition('#')[2]} {each.SecurityMode.name}".removesuffix(
            " None_"
        )
        for each in endpoints
    }
    return ", ".join(sorted(found)) or "nothing"


@contextmanager
def explained(options: OpcUaOptions, places: Places) -> Iterator[None]:
    """Add what may be the reason when a server hangs up or keeps silent."""
    # One that cannot read what we send, or does not trust us, says no more than that.
    security = options.security
    try:
        yield
    except SourceLost as lost:
        why = lost.__cause__
        is_speechless = isinstance(why, TimeoutError | ConnectionError)
        if security is None or not is_speechless or isinstance(why, ConnectionRefusedError):
            raise
        ours = security.certificate or places.state / FOLDER / CERTIFICATE
        theirs = security.server_certificate
        pinned = f"is {theirs} still its certificate, and " if theirs else ""
        raise SourceLost(f"{lost}; {pinned}does it trust {ours}?") from lost


def _log_in(client: Any, options: OpcUaOptions, config: Path) -> None:
    if options.username is not None and options.password is not None:
        client.set_user(options.username)
        client.set_password(options.password.resolve())
    if options.user_certificate is not None and options.user_key is not None:
        client.user_certificate = load_certificate(config / options.user_certificate)
        client.user_private_key = load_key_of(client.user_certificate, config / options.user_key)


def _identity(security: SecurityOptions, places: Places) -> Identity:
    if security.certificate is None or security.private_key is None:
        return own_identity(places.state)
    return load_identity(places.config / security.certificate, places.config / security.private_key)


async def _theirs(options: OpcUaOptions, security: SecurityOptions, config: Path) -> "Certificate":
    if security.server_certificate is not None:
        return load_certificate(config / security.server_certificate)
    folder = config / str(security.trusted)
    trusted = trust.trusted_in(folder)
    where = urlsplit(options.url)
    shown = _shown(await endpoints_of(options), security, where.netloc)
    _refuse_if(where.netloc, trust.why_unknown(shown, trusted, folder))
    _refuse_if(where.netloc, trust.why_another_host(shown, where.hostname or ""))
    return shown


def _shown(endpoints: Sequence[Any], security: SecurityOptions, where: str) -> "Certificate":
    policy, mode = _protection(security)
    for each in endpoints:
        if (each.SecurityPolicyUri, each.SecurityMode) == (policy.URI, mode):
            try:
                return first_in(each.ServerCertificate or b"")
            except ValueError as error:
                raise SourceLost(f"{where}: shows no certificate that can be read") from error
    wanted = f"{security.policy} {security.mode}"
    raise SourceLost(f"{where}: does not offer {wanted}, but {offered(endpoints)}")


def _protection(security: SecurityOptions) -> tuple[Any, Any]:
    from asyncua import ua
    from asyncua.crypto import security_policies

    policy = getattr(security_policies, "SecurityPolicy" + security.policy.replace("_", ""))
    return policy, getattr(ua.MessageSecurityMode, security.mode)


def _refuse_if(where: str, why: str) -> None:
    if why:
        raise SourceLost(f"{where}: {why}")
