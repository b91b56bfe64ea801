"""Keeps resolved secrets out of logs, messages and answers.

Promises
- A secret that this process has resolved is masked in a text: as it is, quoted, escaped, or encoded
  in base64. Texts without one are returned as they are.
- What an HTTP header or a URL holds as a login is masked too, whoever resolved it.
"""

import base64
import json
import re
from collections.abc import Iterator
from functools import cache
from urllib.parse import quote, quote_plus

MASK = "********"
REFERENCE = re.compile(r"\$\{(?:(env):([A-Za-z_]\w*)|(credential):([\w.@-]+)|(file):([^{}$\n]+))\}")
"""The whole form in which a file names a secret."""
_MOST = 256
"""Secrets that are remembered; of more the oldest are forgotten."""
_SHORT = 4
"""A secret of fewer characters is masked only where it stands alone."""
_LEAST = 3
"""Of one or two characters it would mask half of every text, and is masked in logins alone."""
_MARKS = "://", "uthorization", "UTHORIZATION", "earer", "asic", "oken", "assw"

_secrets: dict[str, None] = {}

_HEADER = re.compile(
    # A header as text, or in a mapping or list.
    r"""((?:Proxy-)?Authorization["']?\s{0,4}(?:[:=,]|\s)\s{0,4}(?:b(?=["']))?["']?)
        (?:(?:Token|Basic|Bearer|Digest|Negotiate)\s+)?[^\s"',)}]+
    """,
    re.IGNORECASE | re.VERBOSE,
)
_LOGIN = re.compile(r"\b((?:Token|Basic|Bearer)\s+)(?=[^\s\"',)}]*\d)[\w\-.~+/=]{12,}")
_IN_URL = re.compile(r"(://)[^\s\"'<>]{0,2000}@")
_IN_QUERY = re.compile(
    r"\b((?:\w*(?:password|passwd|token|secret|api_?key))=)[^\s\"'&,;)}]+", re.IGNORECASE
)


def remember(secret: str) -> str:
    """Has `mask` hide this secret from now on; returns it."""
    for each in {secret, secret.strip()}:
        if len(each) >= _LEAST and each not in _secrets:
            while len(_secrets) >= _MOST:
                del _secrets[next(iter(_secrets))]
            _secrets[each] = None
            _pattern.cache_clear()
    return secret


def forget() -> None:
    """Forgets every secret, for tests."""
    _secrets.clear()
    _pattern.cache_clear()


def mask(text: str) -> str:
    """The text with each resolved secret masked, and each login of a header or URL."""
    if _secrets:
        text = _pattern().sub(MASK, text)
    if not any(mark in text for mark in _MARKS):
        return text
    text = _HEADER.sub(rf"\1{MASK}", text)
    text = _LOGIN.sub(rf"\1{MASK}", text)
    text = _IN_QUERY.sub(rf"\1{MASK}", text)
    return _IN_URL.sub(rf"\1{MASK}@", text)


@cache
def _pattern() -> re.Pattern[str]:
    forms = {form for secret in _secrets for form in _forms(secret)}
    # The longest first, or the rest of a longer secret would be left.
    return re.compile("|".join(map(_whole, sorted(forms, key=len, reverse=True))))


def _whole(form: str) -> str:
    if len(form) >= _SHORT:
        return re.escape(form)
    return rf"(?<![\w./-]){re.escape(form)}(?![\w./-])"


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield from (quote(secret, safe=""), quote(secret), quote_plus(secret))
    yield from (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
    yield from (repr(secret)[1:-1], repr(secret.encode())[2:-1])
    if len(secret) >= _SHORT:
        yield from _in_base64(secret.encode())


def _in_base64(secret: bytes) -> Iterator[str]:
    """The characters that the secret alone decides, wherever it starts in what is encoded."""
    for before in range(3):
        first = -(-before * 8 // 6)
        last = (before + len(secret)) * 8 // 6
        text = base64.b64encode(bytes(before) + secret).decode()[first:last]
        if len(text) >= _SHORT:
            yield text
            yield text.translate(str.maketrans("+/", "-_"))
