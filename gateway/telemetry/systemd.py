"""sd_notify: the few words that a service says to systemd (sd_notify(3)), in stdlib."""

import os
import socket

LONGEST_S = 1.0
"""How long a manager that does not read may hold up the daemon."""


def notify(*words: str) -> bool:
    """Send e.g. `READY=1`, `STATUS=...`; False where no service manager listens or reads."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.settimeout(LONGEST_S)
            channel.connect(address)
            channel.sendall("\n".join(words).encode())
    except OSError:
        return False
    return True


def watchdog_interval() -> float | None:
    """Seconds between two WATCHDOG=1, a third of what systemd allows; None if it asks for none."""
    allowed = os.environ.get("WATCHDOG_USEC")
    if not allowed or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(allowed) / 3e6
