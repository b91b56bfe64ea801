"""What `host` may be: a bare name or address (pure)."""

import re

from gateway.api.addresses import resolvable

_URL = re.compile(r"(?:[a-z][a-z0-9+.-]*://)?([^/]*)(?:/.*)?", re.IGNORECASE)
_WITH_PORT = re.compile(r"(?:\[([0-9a-f:.%]+)\]|([^:\s]+))\s*[:;]\s*(\d{1,5})", re.IGNORECASE)
_IN_BRACKETS = re.compile(r"\[([0-9a-f:.%]+)\]", re.IGNORECASE)


def host_problem(host: str) -> str:
    """What would be right instead of this host; empty if it may be one."""
    bare = host.strip()
    match = _URL.fullmatch(bare)
    name = match[1] if match else bare
    if with_port := _WITH_PORT.fullmatch(name):
        where = with_port[1] or with_port[2]
        return f"the port is a field of its own: write `host: {where}` and `port: {with_port[3]}`"
    if brackets := _IN_BRACKETS.fullmatch(name):
        return f'write the address without brackets: `host: "{brackets[1]}"`'
    if "/" in host or host != bare or any(char.isspace() for char in host):
        return f"write the bare name or address, as in `host: {name.strip() or '192.168.0.10'}`"
    try:
        resolvable(bare)
    except ValueError as error:
        return str(error)
    return ""
