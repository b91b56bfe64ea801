"""Signature of a foreign model, read from its graph. Pure.

Promises
- Whatever follows from the shapes needs no option. An ambiguity is refused, with the option that
  resolves it. Nothing is guessed.
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
    """Parts of the signature given by the user; None is inferred."""

    kind: Kind | None = None
    layout: Layout | None = None
    rows: int | None = None
    """Rows of the model's input."""
    input: str | None = None
    output: str | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """Input and output of a model; `rows` and `tags` are the size of its input."""

    input: str
    output: str
    element: int
    """ONNX element type of the input."""
    layout: Layout
    kind: Kind
    rows: int
    tags: int
    columns: int
    """Columns of a probability: 1, or 2 with the anomaly's second."""

    @property
    def window(self) -> int:
        """Rows of a window: a forecast is compared with the row after its input."""
        return self.rows + (self.kind == "forecast")


def signature_of(model: Any, tags: int, hints: SignatureHints) -> Signature:
    """Signature of an `onnx.ModelProto` for this number of tags; ModelError if it is unclear."""
    graph = model.graph
    weights = {each.name for each in graph.initializer}
    inputs = [each for each in graph.input if each.name not in weights]
    entry = _the_one("input", inputs, hints.input)
    leaving = _the_one("output", [each for each in graph.output if _is_numbers(each)], hints.output)
    shape = _shape(entry)
    layout, rows = _layout(shape, tags, hints)
    kind, columns = _kind(_shape(leaving), shape, rows, tags, hints)
    element = entry.type.tensor_type.elem_type
    if element not in _NUMBERS:
        raise ModelError(f"its input {entry.name!r} is not a tensor of float or double")
    return Signature(entry.name, leaving.name, element, layout, kind, rows, tags, columns)


def _is_numbers(entry: Any) -> bool:
    return entry.type.HasField("tensor_type") and entry.type.tensor_type.elem_type in _NUMBERS


def _the_one(what: str, entries: Sequence[Any], hint: str | None) -> Any:
    names = [each.name for each in entries]
    if hint is not None:
        if hint not in names:
            raise ModelError(
                f"it has no {what} {hint!r} of float or double, only {', '.join(names) or 'none'}"
            )
        return entries[names.index(hint)]
    if not entries:
        raise ModelError(
            f"it has no {what} that is a tensor of float or double; a classifier of scikit-learn "
            "must be exported with options={'zipmap': False}"
        )
    if len(entries) > 1:
        raise ModelError(f"it has several {what}s; choose one with --{what}: {', '.join(names)}")
    return entries[0]


def _shape(entry: Any) -> tuple[int | None, ...]:
    """Sizes of the axes without the batch; a free axis is None."""
    sizes = [
        size.dim_value if size.HasField("dim_value") else None
        for size in entry.type.tensor_type.shape.dim
    ]
    if not sizes:
        raise ModelError(f"{entry.name!r} has no shape: export the model with shapes")
    if sizes[0] is not None:
        raise ModelError(
            f"{entry.name!r} has a fixed batch size of {sizes[0]}: export the model with a free "
            "batch axis"
        )
    return tuple(sizes[1:])


def _layout(shape: tuple[int | None, ...], tags: int, hints: SignatureHints) -> tuple[Layout, int]:
    """Layout of a window in the input, and its rows."""
    fits = [each for each in LAYOUTS if _rows(each, shape, tags, hints.rows)]
    if hints.layout is not None:
        fits = [each for each in fits if each == hints.layout]
    if not fits:
        raise ModelError(
            f"its input of shape {_format_shape(shape)} does not fit a window of {tags} tags"
            + (f" and {hints.rows} rows" if hints.rows else "")
            + ": give the tags of the model with --tags, in its order, and its --window"
        )
    if len(fits) > 1:
        raise ModelError(
            f"its input of shape {_format_shape(shape)} may be {' or '.join(fits)}: "
            "choose one with --layout"
        )
    rows = _rows(fits[0], shape, tags, hints.rows)
    assert rows is not None  # noqa: S101 - it fits
    return fits[0], rows


def _rows(layout: Layout, shape: tuple[int | None, ...], tags: int, hint: int | None) -> int | None:
    """Rows of a window in this layout; None if the layout does not fit."""
    if layout in ("row", "flat"):
        if len(shape) != 1:
            return None
        size = shape[0] if shape[0] is not None else tags * (hint or 1)
        rows = size // tags if size % tags == 0 else None
        fits = rows is not None and (rows == 1) == (layout == "row")
    else:
        if len(shape) != 2:
            return None
        time, columns = shape if layout == "time_tag" else shape[::-1]
        rows = time if time is not None else hint
        fits = columns == tags
    return rows if fits and rows and hint in (rows, None) else None


def _kind(
    output: tuple[int | None, ...],
    entry: tuple[int | None, ...],
    rows: int,
    tags: int,
    hints: SignatureHints,
) -> tuple[Kind, int]:
    """Meaning of the output, and the number of columns of a probability."""
    fits: list[Kind] = []
    columns = output[0] if len(output) == 1 else None
    if len(output) == len(entry) and all(
        g in (t, None) for g, t in zip(output, entry, strict=True)
    ):
        fits.append("reconstruction")
    if output in ((tags,), (1, tags)) and "reconstruction" not in fits:
        fits.append("forecast")
    if output in ((), (1,)):
        fits += ["score", "probability"]
    if columns == 2 and not fits:
        fits.append("probability")
    if hints.kind is not None:
        if hints.kind == "forecast" and output in ((tags,), (1, tags)):
            fits.append("forecast")
        fits = [each for each in dict.fromkeys(fits) if each == hints.kind]
    if not fits:
        raise ModelError(
            f"its output of shape {_format_shape(output)} is not a "
            f"{hints.kind or ' or '.join(KINDS)} for an input of shape "
            f"{_format_shape(entry)} ({rows} rows of {tags} tags)"
        )
    if len(fits) > 1:
        raise ModelError(f"its output may be a {' or a '.join(fits)}: choose one with --kind")
    return fits[0], 2 if columns == 2 and fits[0] == "probability" else 1


def _format_shape(shape: tuple[int | None, ...]) -> str:
    return f"[{', '.join(['batch', *('free' if size is None else str(size) for size in shape)])}]"
