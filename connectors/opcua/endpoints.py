"""What a server offers: its endpoints with their policies, and what of asyncua stands for them."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from connectors.opcua.bounds import StreamGuard
from connectors.opcua.faults import quieten_asyncua, translated
from connectors.opcua.options import OpcUaOptions, SecurityOptions
from gateway.api.model import SECOND
from gateway.api.visible import brief
from gateway.api.wording import listed


async def endpoints_of(options: OpcUaOptions) -> list[Any]:
    """The server's endpoints, fetched without security; SourceLost if it does not respond."""
    from asyncua.client.client import Client

    quieten_asyncua()
    with translated(urlsplit(options.url).netloc, options.timeout):
        client = Client(options.url_with_port, options.timeout / SECOND)
        StreamGuard(client)
        return await client.connect_and_get_server_endpoints()


def offered(endpoints: Sequence[Any]) -> str:
    """The policies and modes of endpoints, readable."""
    choices = {
        f"{brief((each.SecurityPolicyUri or '').rpartition('#')[2])} {each.SecurityMode.name}"
        for each in endpoints
    }
    plain = {choice.removesuffix(" None_") for choice in choices}
    return listed(sorted("no security" if each == "None" else each for each in plain)) or "nothing"


def protection(security: SecurityOptions | None) -> tuple[Any, Any]:
    """Asyncua's policy and mode."""
    from asyncua import ua
    from asyncua.crypto import security_policies

    if security is None:
        return security_policies.SecurityPolicyNone, ua.MessageSecurityMode.None_
    policy = getattr(security_policies, "SecurityPolicy" + security.policy.replace("_", ""))
    return policy, getattr(ua.MessageSecurityMode, security.mode)
