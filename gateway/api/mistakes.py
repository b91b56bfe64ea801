"""Mistakes in options in words for people, instead of pydantic's (pure).

Promises
- No text names a Python type or class.
- The value of a secret is not repeated.
"""

import json
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

_PASSWORDS = ("password", "passwd", "passphrase", "passcode", "passwort", "kennwort", "pwd", "pass")
_TOKENS = ("token", "secret", "credential", "authorization", "bearer", "apikey", "apprise")
_SECRET_WORDS = frozenset((*_PASSWORDS, *_TOKENS))
_SIMILAR = ("password", "passphrase", "token", "secret", "passwd")
"""A key that was mistyped may hold a secret too."""
_ENDS = ("password", "passwd", "passphrase", "token", "secret", "apikey", "accesskey")
_PARTS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")


@lru_cache(maxsize=1 << 17)
def is_secret_key(key: str) -> bool:
    """Whether a key names a secret by its last word: token, client_secret, apiKey, pasword."""
    parts = [part.lower() for part in _PARTS.findall(key)]
    if not parts:
        return False
    last = parts[-1].removesuffix("s") if len(parts[-1]) > 4 else parts[-1]
    whole = "".join(parts).removesuffix("s")
    if last in _SECRET_WORDS or parts[-1] in _SECRET_WORDS or whole.endswith(_ENDS):
        return True
    is_swapped = any(sorted(last) == sorted(word) for word in _SIMILAR)
    return len(last) >= 4 and (is_swapped or bool(get_close_matches(last, _SIMILAR, 1, 0.82)))


_WORDS = {
    "string_type": "must be text, not {it}",
    "string_sub_type": "must be text, not {it}",
    "int_type": "must be a whole number, not {it}",
    "int_from_float": "must be a whole number, not {it}",
    "int_parsing": "must be a whole number, not {it}",
    "int_parsing_size": "must be a whole number of fewer digits, not {it}",
    "float_type": "must be a number, not {it}",
    "float_parsing": "must be a number, not {it}",
    "bool_type": "must be true or false, not {it}",
    "bool_parsing": "must be true or false, not {it}",
    "dict_type": "must hold keys and values, not {it}",
    "model_type": "must hold keys and values, not {it}",
    "model_attributes_type": "must hold keys and values, not {it}",
    "list_type": "must be a list, not {it}",
    "tuple_type": "must be a list, not {it}",
    "set_type": "must be a list, not {it}",
    "frozen_set_type": "must be a list, not {it}",
    "path_type": "must be a path, not {it}",
    "finite_number": "must be a finite number, not {it}",
    "greater_than": "must be greater than {gt}, not {it}",
    "greater_than_equal": "must be at least {ge}, not {it}",
    "less_than": "must be less than {lt}, not {it}",
    "less_than_equal": "must be at most {le}, not {it}",
    "multiple_of": "must be a multiple of {multiple_of}, not {it}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "missing": "is missing",
    "extra_forbidden": "unknown key",
    "union_tag_not_found": "its type is missing",
    "string_pattern_mismatch": "{it} does not have the right form",
    "none_required": "must be left out, not {it}",
}
_WIDEST = 60
_OWN_PREFIX = re.compile(r"^(?:Value error|Assertion failed), ")


def message_of(detail: Mapping[str, Any], key: str = "") -> str:
    """What is wrong with one value, from an entry of `ValidationError.errors()`.

    `key` is the value's key, by which a secret is recognised.
    """
    it = shown(detail["input"], key)
    if detail["type"] in ("enum", "literal_error"):
        return f"must be {one_of(choices(detail))}, not {it}"
    words = _WORDS.get(detail["type"])
    if words is not None:
        facts = {name: fact for name, fact in detail.get("ctx", {}).items() if name != "it"}
        return _singular(words.format(it=it, **facts))
    # A validator's own words; and those of types that only a plugin uses.
    own = _OWN_PREFIX.sub("", str(detail["msg"]))
    own = re.sub(r"^Input should ", "must ", own)
    return " ".join(re.sub(r"^(?:Input|Value) (?=is |must )", "", own).split())


def _singular(text: str) -> str:
    return re.sub(r"\b1 (character|entr)(?:s|ies)\b", _one, text)


def _one(match: re.Match[str]) -> str:
    return f"1 {match[1]}{'y' if match[1] == 'entr' else ''}"


def choices(detail: Mapping[str, Any]) -> list[str]:
    """The values that an enumeration or a literal may have."""
    expected = str(detail["ctx"]["expected"])
    return re.findall(r"'([^']*)'", expected) or [expected]


def one_of(values: Sequence[str]) -> str:
    """'tcp', 'one of tcp, udp'."""
    return f"{'one of ' if len(values) > 1 else ''}{', '.join(values)}"


def sentences(error: ValidationError) -> list[str]:
    """Each mistake with its option, as in 'port: must be at most 65535, not 70000'."""
    found = []
    for detail in error.errors(include_url=False):
        steps = [str(step) for step in detail["loc"]]
        key = next((step for step in reversed(steps) if not step.isdigit()), "")
        where = ".".join(steps)
        found.append(": ".join(part for part in (where, message_of(detail, key)) if part))
    return list(dict.fromkeys(found))


def quoted(text: object) -> str:
    """A text in quotes, shortened."""
    written = repr(text)
    return written if len(written) <= _WIDEST else f"{written[: _WIDEST - 3]}..."


def shown(value: object, key: str = "") -> str:
    """A value as written in a file, shortened; what may be a secret is not repeated."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "keys and values"
    if isinstance(value, list | tuple | set | frozenset):
        return "a list"
    if is_secret_key(key):
        return "this"
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return "this"
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."
