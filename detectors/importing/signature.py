"""What a foreign model takes and gives, read from its graph: pure.

Promises
- What follows from the shapes is not asked for; what they leave open is refused with the option
  that would say it. Nothing is guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gateway.api.contracts import ModelError

Layout = Literal["row", "flat", "time_tag", "tag_time"]
Kind = Literal["reconstruction", "forecast", "probability", "score"]
LAYOUTS: tuple[Layout, ...] = ("row", "flat", "time_tag", "tag_time")
KINDS: tuple[Kind, ...] = ("reconstruction", "forecast", "probability", "score")
_NUMBERS = {1: "float", 11: "double"}
"""ONNX's codes of the element types that a window may be cast to."""


@dataclass(frozen=True, slots=True)
class SignatureHints:
    """What the user said; None is inferred."""

    kind: Kind | None = None
    layout: Layout | None = None
    rows: int | None = None
    """Rows that the model itself sees."""
    input: str | None = None
    output: str | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """How windows enter the model and what leaves it; `rows` and `tags` are what it sees."""

    input: str
    output: str
    element: int
    """ONNX element type of the input."""
    layout: Layout
    kind: Kind
    rows: int
    tags: int
    columns: int
    """Of a probability's output: 1, or 2 with that of the anomaly second."""

    @property
    def window(self) -> int:
        """Rows of a window: a forecast is compared with the row after those it sees."""
        return self.rows + (self.kind == "forecast")


def signature_of(model: Any, tags: int, asked: SignatureHints) -> Signature:
    """The form of an `onnx.ModelProto` for so many tags; ModelError says what is in the way."""
    graph = model.graph
    weights = {each.name for each in graph.initializer}
    inputs = [each for each in graph.input if each.name not in weights]
    entry = _the_one("input", inputs, asked.input)
    leaving = _the_one("output", [each for each in graph.output if _is_numbers(each)], asked.output)
    shape = _shape(entry)
    layout, rows = _layout(shape, tags, asked)
    kind, columns = _kind(_shape(leaving), shape, rows, tags, asked)
    element = entry.type.tensor_type.elem_type
    if element not in _NUMBERS:
        raise ModelError(f"its input {entry.name!r} is no tensor of float or double")
    return Signature(entry.name, leaving.name, element, layout, kind, rows, tags, columns)


def _is_numbers(entry: Any) -> bool:
    return entry.type.HasField("tensor_type") and entry.type.tensor_type.elem_type in _NUMBERS


def _the_one(what: str, entries: Sequence[Any], asked: str | None) -> Any:
    names = [each.name for each in entries]
    if asked is not None:
        if asked not in names:
            raise ModelError(f"it has no {what} of numbers {asked!r}: {', '.join(names) or 'none'}")
        return entries[names.index(asked)]
    if not entries:
        raise ModelError(
            f"it has no {what} that is a tensor of float or double; a classifier of scikit-learn "
            "must be exported with options={'zipmap': False}"
        )
    if len(entries) > 1:
        raise ModelError(f"it has several {what}s, choose with --{what}: {', '.join(names)}")
    return entries[0]


def _shape(entry: Any) -> tuple[int | None, ...]:
    """Fixed sizes as numbers, free ones as None, without the batch."""
    sizes = [
        size.dim_value if size.HasField("dim_value") else None
        for size in entry.type.tensor_type.shape.dim
    ]
    if not sizes:
        raise ModelError(f"{entry.name!r} has no shape: export the model with its shapes")
    if sizes[0] is not None:
        raise ModelError(
            f"{entry.name!r} is for batches of {sizes[0]}: export the model with a free batch axis"
        )
    return tuple(sizes[1:])


def _layout(shape: tuple[int | None, ...], tags: int, asked: SignatureHints) -> tuple[Layout, int]:
    """How a window is laid out in the input, and its rows."""
    fits = [each for each in LAYOUTS if _rows(each, shape, tags, asked.rows)]
    if asked.layout is not None:
        fits = [each for each in fits if each == asked.layout]
    if not fits:
        raise ModelError(
            f"its input of {_spelt(shape)} fits no window of {tags} tags"
            + (f" and {asked.rows} rows" if asked.rows else "")
            + ": give the model's own tags with --tags, in its order, and its --window"
        )
    if len(fits) > 1:
        raise ModelError(
            f"its input of {_spelt(shape)} may be {' or '.join(fits)}: choose with --layout"
        )
    rows = _rows(fits[0], shape, tags, asked.rows)
    assert rows is not None  # noqa: S101 - it fits
    return fits[0], rows


def _rows(
    layout: Layout, shape: tuple[int | None, ...], tags: int, asked: int | None
) -> int | None:
    """Rows of a window in this layout; None if it does not fit."""
    if layout in ("row", "flat"):
        if len(shape) != 1:
            return None
        size = shape[0] if shape[0] is not None else tags * (asked or 1)
        rows = size // tags if size % tags == 0 else None
        right = rows is not None and (rows == 1) == (layout == "row")
    else:
        if len(shape) != 2:
            return None
        time, columns = shape if layout == "time_tag" else shape[::-1]
        rows = time if time is not None else asked
        right = columns == tags
    return rows if right and rows and asked in (rows, None) else None


def _kind(
    given: tuple[int | None, ...],
    taken: tuple[int | None, ...],
    rows: int,
    tags: int,
    asked: SignatureHints,
) -> tuple[Kind, int]:
    """What the output means, and how many columns a probability has."""
    fits: list[Kind] = []
    columns = given[0] if len(given) == 1 else None
    if len(given) == len(taken) and all(g in (t, None) for g, t in zip(given, taken, strict=True)):
        fits.append("reconstruction")
    if given in ((tags,), (1, tags)) and "reconstruction" not in fits:
        fits.append("forecast")
    if given in ((), (1,)):
        fits += ["score", "probability"]
    if columns == 2 and not fits:
        fits.append("probability")
    if asked.kind is not None:
        if asked.kind == "forecast" and given in ((tags,), (1, tags)):
            fits.append("forecast")
        fits = [each for each in dict.fromkeys(fits) if each == asked.kind]
    if not fits:
        raise ModelError(
            f"its output of {_spelt(given)} is no {asked.kind or ' or '.join(KINDS)} for an input "
            f"of {_spelt(taken)} ({rows} rows of {tags} tags)"
        )
    if len(fits) > 1:
        raise ModelError(f"its output may be a {' or a '.join(fits)}: choose with --kind")
    return fits[0], 2 if columns == 2 and fits[0] == "probability" else 1


def _spelt(shape: tuple[int | None, ...]) -> str:
    return f"[{', '.join(['batch', *('free' if size is None else str(size) for size in shape)])}]"
