"""Names of recorded columns that no tag of a line can have, and how a detector maps them."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import get_args

from gateway.api.options import Name

_NAME = re.compile(next(fact.pattern for fact in get_args(Name)[1].metadata))
_LONGEST = 64
_SPELLED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "µ": "u", "°": "deg"})
_SHOWN = 10


def is_tag_name(name: str) -> bool:
    """Whether a tag of a line can have this name."""
    return _NAME.fullmatch(name) is not None


def mapping_needed(columns: Iterable[str], mapped: Iterable[str] = ()) -> str:
    """A sentence about the columns that no tag can be called after; empty if there is none."""
    odd = [name for name in columns if not is_tag_name(name) and name not in set(mapped)]
    if not odd:
        return ""
    names = " or ".join(map(repr, odd[:_SHOWN])) + (" and others" if len(odd) > _SHOWN else "")
    return (
        f"no tag of a line can be called {names}: map each to the line's tag in the onnx detector, "
        f"as in {example(odd[:_SHOWN])}"
    )


def example(columns: Sequence[str]) -> str:
    """A mapping as it stands in a line file, with a proposed name for each column's tag."""
    taken: set[str] = set()
    pairs = []
    for column in columns:
        name = proposed(column)
        while name in taken:
            name = f"{name[: _LONGEST - 2]}_2" if not name.endswith("_2") else f"{name[:-1]}3"
        taken.add(name)
        key = column.replace("\\", "\\\\").replace('"', '\\"')
        pairs.append(f'"{key}": {name}')
    return f"tags: {{{', '.join(pairs)}}}"


def proposed(column: str) -> str:
    """A valid tag name that resembles the column's."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFC", column.lower())
                                  .translate(_SPELLED))  # fmt: skip
    letters = "".join(each for each in plain if not unicodedata.combining(each))
    name = re.sub(r"[^a-z0-9.-]+", "_", letters).strip("_.-")
    name = name if name[:1].isalpha() else f"tag_{name}".rstrip("_")
    return name[:_LONGEST]
