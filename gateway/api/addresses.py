"""Hosts and URLs as a line file gives them, with what would be right (pure)."""

import re
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator

_PORT = re.compile(r"(?P<host>[^:\[\]]+|\[[^\]]+\]):(?P<port>\d+)")
_HTTP_PORT = 8086
_LONGEST_HOST = 253
_LONGEST_URL = 2_000
_NAMED = re.compile(r"(?:password|passwd|token|secret|api_?key)=", re.IGNORECASE)


def resolvable(host: str) -> str:
    """A host that can be asked for at all; ValueError with what is wrong with any other."""
    if len(host) > _LONGEST_HOST:
        raise ValueError(f"is longer than the name of a host may be, {_LONGEST_HOST} characters")
    if not host.isprintable():
        raise ValueError("holds a character that no name of a host has")
    try:
        # As the look-up does it, which otherwise fails there.
        host.encode("idna")
    except UnicodeError:
        raise ValueError("is no name of a host: between two dots are 1 to 63 characters") from None
    return host


def bare_host(text: str) -> str:
    """The name or address of a host; ValueError with what would be right for anything else."""
    if not text.strip():
        raise ValueError("is empty: write a name or an address, as in 192.168.0.10")
    if text != text.strip() or re.search(r"\s", text):
        raise ValueError("must not contain spaces")
    if "@" in text:
        raise ValueError("holds a user: write only the name of the host, and beside it `username:`")
    rest = text.partition("://")[2] if "://" in text else text
    place = rest.partition("/")[0]
    match = _PORT.fullmatch(place)
    name = (match["host"] if match else place).strip("[]")
    if match:
        raise ValueError(f"holds a port: write `host: {name}` and `port: {match['port']}`")
    if name != text:
        raise ValueError(f"is more than a name or an address: write `host: {name or 'NAME'}`")
    return resolvable(text)


def without_login(text: str) -> str:
    """A URL in which no secret can be; ValueError, which does not repeat it, for any other."""
    # Not by `urlsplit` alone: of user:pa/ss@host it takes a part for the path.
    if "@" in text:
        raise ValueError(
            "holds a user or a password in clear text: "
            "use `username:` and `password: ${env:NAME}` instead"
        )
    if "?" in text or "#" in text:
        raise ValueError("ends with ? or #, where a secret may stand: write only the server's URL")
    if _NAMED.search(text):
        raise ValueError("holds a secret in clear text: write only the server's URL")
    if len(text) > _LONGEST_URL:
        raise ValueError(f"is longer than {_LONGEST_URL:,} characters")
    try:
        urlsplit(text)
    except ValueError:
        # The library's words repeat a part of it.
        raise ValueError("is no URL: write it as in https://influx.example.com:8086") from None
    return text


def http_url(text: str) -> str:
    """A URL with http:// or https:// and a host; ValueError with what would be right."""
    if "://" not in text:
        raise ValueError(f"has no scheme: write it as in {_proposed(text)}")
    parts = _split(text)
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"must start with http:// or https://, not {parts.scheme[:20]}://")
    if not parts.hostname:
        raise ValueError(f"names no host: write it as in {parts.scheme}://influx.example.com")
    if re.search(r"\s", text):
        raise ValueError("must not contain spaces")
    resolvable(parts.hostname)
    if parts.query or parts.fragment:
        raise ValueError("ends with ? or #: write only the server's URL")
    return text


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError(
            "holds a wrong host or port: write it as in https://influx.example.com:8086"
        ) from None
    return parts


def _proposed(text: str) -> str:
    """What was probably meant; plain HTTP only within this machine."""
    place = re.sub(r"^(?:https?:)?/*", "", text.strip())
    if not re.fullmatch(r"[A-Za-z0-9_.-]+(:\d+)?", place):
        return f"https://influx.example.com:{_HTTP_PORT}"
    host = place.partition(":")[0]
    is_local = host in ("localhost", "127.0.0.1")
    return f"http{'' if is_local else 's'}://{place}"


Host = Annotated[str, AfterValidator(bare_host)]
"""The name or address of a host, without a scheme, port or path."""
