"""Keys and values as YAML text that a line file may hold (pure).

Promises
- Whatever the text is, `andon check` reads it back unchanged. A lone surrogate, which no file can
  hold, becomes U+FFFD.
- A key that some YAML reader takes for another type (null, yes, 1e3, 12:30) is in quotes.
"""

import json
import re

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_OTHER_TYPE = frozenset(("null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf"))
"""In any case: words of YAML 1.1 and 1.2 that are not text, for editors and other readers."""
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]|[\ud800-\udfff]")


def key(text: str) -> str:
    """A key: plain where every reader takes it for text, else in quotes."""
    is_plain = _PLAIN.fullmatch(text) and text.lower().strip(".") not in _OTHER_TYPE
    return text if is_plain else value(text)


def value(plain: object) -> str:
    """Text, a number, a list or a mapping in one row."""
    # JSON is YAML, but for characters that YAML does not print, and for pairs of surrogates.
    return _ESCAPED.sub(_escape, json.dumps(plain, ensure_ascii=False))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\u{0xFFFD if 0xD800 <= code <= 0xDFFF else code:04x}"
