"""The settings of the panel, and which of them are refused.

Promises
- What other machines can reach has TLS and asks for a token or a client certificate. Everything
  else is refused before the panel listens.
"""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from gateway.api.contracts import ConfigError

PORT = 9470


@dataclass(frozen=True)
class Settings:
    """Where the panel listens, and who may enter."""

    host: str = "127.0.0.1"
    port: int = PORT
    hosts: tuple[str, ...] = ()
    """Names of this machine beside `host`, as browsers ask for them."""
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    """Who signs the certificates of browsers that may operate."""
    view_token: Path | None = None
    operate_token: Path | None = None

    @property
    def asks_for_tokens(self) -> bool:
        """Whether a token lets people in."""
        return self.view_token is not None or self.operate_token is not None

    @property
    def is_open(self) -> bool:
        """Whether everybody who reaches the panel may operate it: on loopback, without tokens."""
        return not self.asks_for_tokens and self.client_ca is None


def check(settings: Settings) -> None:
    """ConfigError for settings that would let strangers in, or that contradict each other."""
    if (settings.certificate is None) != (settings.key is None):
        missing = "--key" if settings.key is None else "--cert"
        raise ConfigError(f"TLS needs both --cert and --key: {missing} is missing")
    if settings.client_ca is not None and settings.certificate is None:
        raise ConfigError("--client-ca needs TLS: give --cert and --key as well")
    if is_loopback(settings.host):
        return
    if settings.certificate is None:
        raise ConfigError(
            f"--host {settings.host} can be reached from other machines, and without TLS everybody "
            "on the way reads and changes what is sent: give --cert and --key, or listen on "
            "127.0.0.1"
        )
    if settings.is_open:
        raise ConfigError(
            f"--host {settings.host} can be reached from other machines, and everybody there could "
            "act on alarms: give --operate-token, --view-token or --client-ca, or listen on "
            "127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach a host; a name other than localhost may not be.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
