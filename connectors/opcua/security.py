"""Sets certificates and the user on an asyncua client before it connects.

Promises
- The server's certificate is the pinned one, or one from the trusted folder. A certificate received
  over an open channel is only looked up there; the secure channel proves that the server has its
  key.
- It must be valid now, and match the server's application; one from the folder must match its host
  too.
- A password or a user's key is never logged.
"""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from connectors.opcua import trust
from connectors.opcua.certificates import first_in, load_certificate, load_key_of
from connectors.opcua.diagnosis import not_offered
from connectors.opcua.endpoints import endpoints_of, protection
from connectors.opcua.identity import ApplicationIdentity, load_identity, own_identity
from connectors.opcua.options import OpcUaOptions, SecurityOptions
from gateway.api.contracts import Places, SourceLost
from gateway.api.files import off_loop

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


async def secure(client: Any, options: OpcUaOptions, places: Places) -> None:
    """Prepares the client; ConfigError if a file is wrong, SourceLost if the server is."""
    await _log_in(client, options, places.config)
    security = options.security
    if security is None:
        return
    ours = await off_loop(lambda: _identity(security, places))
    theirs = await _server_certificate(options, security, places.config)
    where = urlsplit(options.url).netloc
    _refuse_if(where, trust.why_invalid(theirs, dt.datetime.now(dt.UTC)))

    async def check(certificate: "Certificate", application: Any) -> None:
        _refuse_if(where, trust.why_another_application(certificate, application.ApplicationUri))

    policy, mode = protection(security)
    client.application_uri = ours.uri
    client.certificate_validator = check
    client.security_policy = policy(theirs, ours.certificate, ours.key, mode)
    client.uaclient.set_security(client.security_policy)


async def _log_in(client: Any, options: OpcUaOptions, config: Path) -> None:
    if options.username is not None and options.password is not None:
        client.set_user(options.username)
        client.set_password(await options.password.read())
    if options.user_certificate is not None and options.user_key is not None:
        certificate, key = config / options.user_certificate, config / options.user_key
        client.user_certificate = await off_loop(lambda: load_certificate(certificate))
        client.user_private_key = await off_loop(lambda: load_key_of(client.user_certificate, key))


def _identity(security: SecurityOptions, places: Places) -> ApplicationIdentity:
    if security.certificate is None or security.private_key is None:
        return own_identity(places.state)
    return load_identity(places.config / security.certificate, places.config / security.private_key)


async def _server_certificate(
    options: OpcUaOptions, security: SecurityOptions, config: Path
) -> "Certificate":
    if security.server_certificate is not None:
        pinned = config / security.server_certificate
        return await off_loop(lambda: load_certificate(pinned))
    folder = config / str(security.trusted)
    trusted = await off_loop(lambda: trust.trusted_in(folder))
    where = urlsplit(options.url)
    shown = _certificate_shown(await endpoints_of(options), security, where.netloc)
    _refuse_if(where.netloc, trust.why_unknown(shown, trusted, folder))
    _refuse_if(where.netloc, trust.why_another_host(shown, where.hostname or ""))
    return shown


def _certificate_shown(
    endpoints: Sequence[Any], security: SecurityOptions, where: str
) -> "Certificate":
    policy, mode = protection(security)
    for each in endpoints:
        if (each.SecurityPolicyUri, each.SecurityMode) == (policy.URI, mode):
            try:
                return first_in(each.ServerCertificate or b"")
            except ValueError as error:
                raise SourceLost(f"{where}: shows no readable certificate") from error
    raise SourceLost(f"{where}: {not_offered(security, endpoints)}")


def _refuse_if(where: str, why: str) -> None:
    if why:
        raise SourceLost(f"{where}: {why}")
