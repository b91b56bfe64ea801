"""Texts of a recording that stand for states, as the numbers that the line file gives them."""

from collections.abc import Mapping
from typing import Any

from gateway.history.columns import Columns
from gateway.history.reading import Notes

Texts = Mapping[str, Mapping[str, float]]
"""The number of each text, by column."""


def in_numbers(columns: Columns, texts: Texts, notes: Notes) -> Columns:
    """The columns with these texts as numbers; what is neither stays as it is."""
    arrays = list(columns.arrays)
    for at, name in enumerate(columns.names):
        if texts.get(name) and columns.is_text(at):
            arrays[at] = _replaced(name, arrays[at], texts[name], notes)
    return columns._replace(arrays=arrays)


def _replaced(column: str, array: Any, texts: Mapping[str, float], notes: Notes) -> Any:
    import pyarrow as pa

    words = array.dictionary_encode()
    cells = [str(word).strip() for word in words.dictionary.to_pylist()]
    known = {cell: texts[cell] for cell in cells if cell in texts}
    if not known:
        return array
    pairs = ", ".join(f"{cell} as {number:g}" for cell, number in sorted(known.items()))
    notes.say(f"{column}: read {pairs} (enumeration)")
    numbers = [repr(float(known[cell])) if cell in known else cell for cell in cells]
    return pa.array(numbers, pa.string()).take(words.indices)
