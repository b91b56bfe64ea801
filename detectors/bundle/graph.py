"""The graph of an ONNX file, as far as its safety and its sizes depend on it. Pure.

Promises
- The file is read without an ONNX library, by code that no file can make slow or large: the numbers
  of fields, nodes and characters are bounded before anything is built from them.
- What two readers of the same bytes might understand differently is refused: a part that is given
  twice, a value of another type than its attribute states, numbers that do not fill their shape.
- The weights are counted, not copied.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from detectors.bundle.wire import (
    NOT_PROTOBUF,
    Numbers,
    Value,
    Wire,
    count_packed,
    fixed32,
    message,
    packed,
    varint,
)
from gateway.api.contracts import ModelError

MOST_NODES = 10_000
LONGEST_NAME = 500
MOST_KNOWN = 1_000
"""Whole numbers of a tensor that are read: enough for the shape, the axes or the order of one."""
MOST_DIMENSIONS = 16

STANDARD = ("", "ai.onnx")
FLOAT, INT, STRING, TENSOR, FLOATS, INTS, STRINGS = 1, 2, 3, 4, 6, 7, 8
"""Types of an attribute."""

_TEXT = 8
# Of each element type: bytes of one, and the field that holds them where raw bytes do not.
_ELEMENTS = {
    1: (4, 4), 2: (1, 5), 3: (1, 5), 4: (2, 5), 5: (2, 5), 6: (4, 5), 7: (8, 7), _TEXT: (32, 6),
    9: (1, 5), 10: (2, 5), 11: (8, 10), 12: (4, 11), 13: (8, 11), 16: (2, 5),
}  # fmt: skip
_WHOLE = {6: np.int32, 7: np.int64}
_LISTS = frozenset((fixed32(7), varint(8)))
"""Lists of an attribute that may be long: floats and ints."""
_REFUSED = frozenset(map(message, (10, 14, 15, 21, 22, 23)))
"""Tensors, types, references and sparse tensors as attributes."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of the file: its shape, bytes of an element, and its numbers if they are few.

    `numbers`: int64 in that shape, of a tensor of int32 or int64.
    """

    name: str
    shape: tuple[int, ...]
    item: int
    numbers: Numbers | None = None
    element: int = 0
    """Type of an element, by the number that ONNX gives it."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute; of the lists of floats and texts only the count and the longest text."""

    name: str
    kind: int = 0
    i: int = 0
    s: bytes = b""
    t: Tensor | None = None
    ints: Numbers = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    texts: Sequence[bytes] = ()
    floats: int = 0


@dataclass(frozen=True, slots=True)
class Node:
    """One operator; a missing optional input or output is an empty name."""

    kind: str
    domain: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True, slots=True)
class Entry:
    """An input or output as declared: its element type and shape, as far as they are given."""

    name: str
    element: int
    shape: tuple[int | str | None, ...] | None
    """Sizes of the axes; a free one is a name or None."""


@dataclass(frozen=True, slots=True)
class Graph:
    """The graph of a file and its opset; `weights` by name."""

    opset: int
    nodes: Sequence[Node]
    weights: Mapping[str, Tensor]
    inputs: Sequence[Entry]
    outputs: Sequence[Entry]
    declared: Sequence[Entry]
    """Other tensors whose shape the file declares."""


def read_graph(data: bytes) -> Graph:
    """Reads an ONNX file; ModelError if it is none, or holds what no bundle may hold."""
    return _File().read(memoryview(data))


class _File:
    def __init__(self) -> None:
        self._wire = Wire()

    def read(self, model: memoryview) -> Graph:
        opset, graph = 0, None
        for key, value in self._wire.fields(model):
            if key in (message(20), message(25)):
                raise ModelError("the model contains custom functions, which are not allowed")
            if key == message(8):
                opset = max(opset, self._opset(_part(value)))
            elif key == message(7):
                _once(graph, "graph")
                graph = _part(value)
        if not opset or graph is None:
            raise ModelError("the model is not an ONNX file: the graph or the opset is missing")
        return self._graph(graph, opset)

    def _opset(self, data: memoryview) -> int:
        domain, version = "", 0
        for key, value in self._wire.fields(data):
            if key == message(1):
                domain = _name(value)
            elif key == varint(2):
                version = _number(value)
        if domain not in (*STANDARD, "ai.onnx.ml"):
            raise ModelError(
                f"the model uses the operator set {domain[:60]!r}; only ai.onnx and ai.onnx.ml are "
                "allowed"
            )
        return version if domain in STANDARD else 0

    def _graph(self, data: memoryview, opset: int) -> Graph:
        nodes: list[Node] = []
        weights: dict[str, Tensor] = {}
        entries: dict[int, list[Entry]] = {11: [], 12: [], 13: []}
        for key, value in self._wire.fields(data):
            if key == message(1):
                nodes.append(self._node(_part(value)))
                if len(nodes) > MOST_NODES:
                    raise ModelError(f"the model has more than {MOST_NODES:,} operators")
            elif key == message(5):
                tensor = self._tensor(_part(value))
                _once(weights.get(tensor.name), f"weight {tensor.name[:60]!r}")
                weights[tensor.name] = tensor
            elif key == message(15):
                raise ModelError("the model contains sparse tensors, which are not allowed")
            elif key in (message(11), message(12), message(13)):
                entries[key >> 3].append(self._entry(_part(value)))
        inputs = [each for each in entries[11] if each.name not in weights]
        return Graph(opset, nodes, weights, inputs, entries[12], entries[13])

    def _node(self, data: memoryview) -> Node:
        kind = domain = ""
        inputs: list[str] = []
        outputs: list[str] = []
        attributes: dict[str, Attribute] = {}
        for key, value in self._wire.fields(data):
            if key == message(1):
                inputs.append(_name(value))
            elif key == message(2):
                outputs.append(_name(value))
            elif key == message(3):
                _name(value)
            elif key == message(4):
                kind = _name(value)
            elif key == message(7):
                domain = _name(value)
            elif key == message(5):
                attribute = self._attribute(_part(value))
                _once(attributes.get(attribute.name), f"attribute {attribute.name[:60]!r}")
                attributes[attribute.name] = attribute
        return Node(kind, "" if domain in STANDARD else domain, inputs, outputs, attributes)

    def _attribute(self, data: memoryview) -> Attribute:
        given: dict[str, Any] = {}
        ints: list[Numbers] = []
        texts: list[bytes] = []
        floats = 0
        for key, value in self._wire.fields(data, _LISTS):
            if key in (varint(8), message(8)):
                ints.append(_whole_numbers(value))
            elif key in (fixed32(7), message(7)):
                floats += max(len(_part(value)) // (5 if key == fixed32(7) else 4), 1)
            elif key == message(9):
                texts.append(_short(value))
            else:
                self._note_single(given, key, value)
        joined = np.concatenate(ints) if ints else np.empty(0, dtype=np.int64)
        return Attribute(**{"name": "", **given}, ints=joined, texts=texts, floats=floats)

    def _note_single(self, given: dict[str, Any], key: int, value: Value) -> None:
        """Notes a field of an attribute that is not a list."""
        if key in (message(6), message(11)):
            raise ModelError("the model contains a graph inside an operator, which is not allowed")
        if key in _REFUSED:
            raise ModelError("the model contains an attribute of a type that is not allowed")
        if key == message(1):
            given["name"] = _name(value)
        elif key == varint(3):
            given["i"] = _number(value)
        elif key == message(4):
            given["s"] = _short(value)
        elif key == message(5):
            _once(given.get("t"), "tensor of an attribute")
            given["t"] = self._tensor(_part(value))
        elif key == varint(20):
            given["kind"] = _number(value)

    def _tensor(self, data: memoryview) -> Tensor:
        name, element, dims = "", 0, []
        raw: memoryview | None = None
        stored: list[tuple[int, Value]] = []
        for key, value in self._wire.fields(data):
            if key == message(13) or (key == varint(14) and value):
                raise ModelError(
                    "the model keeps its weights in another file: save it without external data"
                )
            if key in (varint(1), message(1)):
                dims += _whole_numbers(value).tolist()
            elif key == varint(2):
                element = _number(value)
            elif key == message(8):
                name = _name(value)
            elif key == message(9):
                raw = _part(value)
            elif key >> 3 in (4, 5, 6, 7, 10, 11):
                stored.append((key, value))
        return _checked(name, element, dims, raw, stored)

    def _entry(self, data: memoryview) -> Entry:
        name, kind = "", None
        for key, value in self._wire.fields(data):
            if key == message(1):
                name = _name(value)
            elif key == message(2):
                _once(kind, f"type of {name[:60]!r}")
                kind = _part(value)
        element, shape = 0, None
        for tensor in self._parts(kind, message(1), "type"):
            for key, value in self._wire.fields(tensor):
                if key == varint(1):
                    element = _number(value)
                elif key == message(2):
                    _once(shape, f"shape of {name[:60]!r}")
                    shape = _part(value)
        sizes = [self._size(each) for each in self._parts(shape, message(1))]
        return Entry(name, element, None if shape is None else tuple(sizes[: MOST_DIMENSIONS + 1]))

    def _parts(
        self, data: memoryview | None, wanted: int, single: str = ""
    ) -> Iterator[memoryview]:
        """The messages with this key; ModelError if one that must be `single` is given twice."""
        before = None
        for key, value in self._wire.fields(data) if data is not None else ():
            if key == wanted:
                _once(before if single else None, single)
                before = _part(value)
                yield before

    def _size(self, data: memoryview) -> int | str | None:
        size: int | str | None = None
        for key, value in self._wire.fields(data):
            if key == varint(1):
                size = _number(value)
            elif key == message(2):
                size = _name(value)
        return size


def _checked(
    name: str,
    element: int,
    dims: Sequence[int],
    raw: memoryview | None,
    stored: Sequence[tuple[int, Value]],
) -> Tensor:
    """The tensor, if its numbers fill its shape exactly."""
    where = f"the weight {name[:60]!r}"
    if element not in _ELEMENTS:
        raise ModelError(f"{where} has the element type {element}, which is not allowed")
    item, wanted = _ELEMENTS[element]
    if len(dims) > MOST_DIMENSIONS or min(dims, default=0) < 0:
        raise ModelError(f"{where} has the shape {list(dims)[:20]}, which is not one")
    if any(key >> 3 != wanted for key, _ in stored) or (stored and raw is not None):
        raise ModelError(f"{where} holds numbers of several types")
    if raw is not None:
        found = len(raw) / item if element != _TEXT else -1
    else:
        found = sum(_count(key, value, wanted) for key, value in stored)
    if found != prod(dims):
        raise ModelError(f"{where} holds {found:g} numbers, and its shape {list(dims)} other")
    if element == _TEXT:
        item += max((len(_short(value)) for _, value in stored), default=0)
    numbers = None
    if element in _WHOLE and prod(dims) <= MOST_KNOWN:
        if raw is not None:
            flat = np.frombuffer(raw, dtype=np.dtype(_WHOLE[element]).newbyteorder("<"))
        else:
            parts = [_whole_numbers(value) for _, value in stored]
            flat = np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
        numbers = flat.astype(np.int64).reshape(tuple(dims))
    return Tensor(name, tuple(dims), item, numbers, element)


def _count(key: int, value: Value, field_number: int) -> int:
    """Numbers that a field of a tensor holds, by its wire type."""
    if field_number == 6 or not key & 2:
        return 1
    size = {4: 4, 10: 8}.get(field_number)
    part = _part(value)
    if size is None:
        return count_packed(part)
    if len(part) % size:
        raise ModelError(NOT_PROTOBUF)
    return len(part) // size


def _part(value: Value) -> memoryview:
    if not isinstance(value, memoryview):
        raise ModelError(NOT_PROTOBUF)
    return value


def _number(value: Value) -> int:
    if not isinstance(value, int):
        raise ModelError(NOT_PROTOBUF)
    return value


def _whole_numbers(value: Value) -> Numbers:
    if isinstance(value, memoryview):
        return packed(value)
    return np.atleast_1d(np.asarray(value, dtype=np.int64))


def _short(value: Value) -> bytes:
    part = _part(value)
    if len(part) > LONGEST_NAME:
        raise ModelError(f"the model holds a text of more than {LONGEST_NAME} characters")
    return bytes(part)


def _name(value: Value) -> str:
    part = _part(value)
    if len(part) > LONGEST_NAME:
        raise ModelError(f"the model holds a name of more than {LONGEST_NAME} characters")
    return bytes(part).decode(errors="replace")


def _once(before: object, what: str) -> None:
    if before is not None:
        raise ModelError(f"the model gives the {what} twice")
