"""The language file: the texts of alarms in the words of those who read them.

Promises
- Every key is one of andon's texts, and every text has the placeholders of the one it replaces, no
  more and no fewer: a sentence never lacks its value, and never shows braces.
- Texts that the file leaves out stay English.
- Problems carry the file's own name and lines.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from gateway.api.nearest import nearest
from gateway.api.options import Strict
from gateway.config import checks
from gateway.config.document import Document, Where
from gateway.config.parse import read
from gateway.config.problems import ConfigProblems, Problem
from gateway.config.site import validated
from gateway.core.alarms.texts import TEXTS

_NAMED: Where = ("alarms", "language")
_PLACEHOLDER = re.compile(r"\{(\w*)\}")
_UNFIT = re.compile(r"[\x00-\x1f\x7f]")
LONGEST = 300
"""Characters of a text."""


class LanguageFile(Strict):
    """The texts of alarms in another language."""

    version: Literal[1]
    language: str = ""
    """Its name, for people."""
    texts: dict[str, Annotated[str, Field(min_length=1, max_length=LONGEST)]]
    """The texts by their keys."""


def read_language(
    line_path: Path, document: Document
) -> tuple[Mapping[str, str], Sequence[Problem]]:
    """All texts, in the language of the file that the line names, and the file's problems."""
    named = document.get(*_NAMED)
    if not isinstance(named, str):
        return TEXTS, ()
    try:
        language = read(line_path.parent / named, partial(document.unreadable, _NAMED))
    except ConfigProblems as error:
        return TEXTS, error.problems
    if too_new := checks.version(language):
        return TEXTS, too_new
    file, problems = validated(language, LanguageFile)
    if file is None:
        return TEXTS, problems
    return {**TEXTS, **file.texts}, list(_flaws(language, file.texts))


def _flaws(language: Document, texts: Mapping[str, str]) -> Iterator[Problem]:
    for key, text in texts.items():
        where = ("texts", key)
        if key not in TEXTS:
            yield language.problem(where, "no text has this key", nearest(key, list(TEXTS)))
        elif why := _unfit(text, TEXTS[key]):
            hint = f"the English text is: {TEXTS[key]}"
            yield language.problem(where, why, hint, at="value")


def _unfit(text: str, english: str) -> str:
    """What is wrong with a text in place of the English one; empty if nothing is."""
    has, wanted = set(_PLACEHOLDER.findall(text)), set(_PLACEHOLDER.findall(english))
    if unknown := sorted(has - wanted):
        return f"this text has no placeholder {_braced(unknown)}"
    if missing := sorted(wanted - has):
        return f"must contain {_braced(missing)}"
    if _UNFIT.search(text):
        return "must be one line without control characters"
    if english == TEXTS["decimal point"] and len(text) > 1:
        return "must be a single character"
    return ""


def _braced(names: Sequence[str]) -> str:
    return " and ".join(f"{{{name}}}" for name in names)
