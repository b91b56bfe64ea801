"""How often an address may try a token. Times are seconds of a clock that only goes forward.

Promises
- An address of IPv6 is its network of 64 bits.
- After FREE wrong tokens within WITHIN_S an address waits until the oldest of them is that old.
- At most ADDRESSES addresses are remembered; of more the one that failed longest ago is forgotten.
"""

from collections import deque
from ipaddress import IPv6Address, IPv6Network, ip_address

FREE = 5
WITHIN_S = 60.0
ADDRESSES = 1024


class Attempts:
    """The wrong tokens of the last minute, by address."""

    def __init__(self) -> None:
        self._failed: dict[str, deque[float]] = {}

    def __len__(self) -> int:
        return len(self._failed)

    def wait_s(self, address: str, now: float) -> float:
        """How long this address must wait before its next token is looked at; 0 if not at all."""
        times = self._failed.get(_network(address), ())
        recent = [at for at in times if now - at < WITHIN_S]
        return 0.0 if len(recent) < FREE else recent[-FREE] + WITHIN_S - now

    def failed(self, address: str, now: float) -> None:
        """A token of this address was wrong."""
        address = _network(address)
        times = self._failed.pop(address, None) or deque(maxlen=FREE)
        times.append(now)
        while len(self._failed) >= ADDRESSES:
            del self._failed[next(iter(self._failed))]
        self._failed[address] = times

    def succeeded(self, address: str) -> None:
        """A token of this address was right."""
        self._failed.pop(_network(address), None)


def _network(address: str) -> str:
    """What counts as one address: of IPv6 the network, whose addresses are one machine's to choose.

    >>> _network("192.0.2.7"), _network("2001:db8::1:2%eth0")
    ('192.0.2.7', '2001:db8::/64')
    """
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return parsed.ipv4_mapped.compressed if parsed.ipv4_mapped else str(_of(parsed))


def _of(address: IPv6Address) -> IPv6Network:
    return IPv6Network((int(address), 64), strict=False)
