"""What is known of a tensor before the graph runs, and what a rule says of an operator. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from detectors.bundle.graph import INT, INTS, MOST_DIMENSIONS, Attribute, Node
from detectors.bundle.wire import Numbers
from gateway.api.contracts import ModelError

Shape = tuple[int, ...]


class SizeError(ModelError):
    """The size of an operator's output cannot be known; the message says why."""


@dataclass(frozen=True, slots=True)
class Known:
    """A tensor: its shape, bytes of an element, and its whole numbers where they are known."""

    shape: Shape
    item: int = 8
    numbers: Numbers | None = None

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        return self.size * self.item


class Step(NamedTuple):
    """Outputs of an operator, bytes that it needs besides them, and its multiplications."""

    outputs: Sequence[Known]
    scratch: int = 0
    work: int = 0


class Call:
    """An operator with what is known of its inputs, None for one that is left out."""

    def __init__(self, node: Node, inputs: Sequence[Known | None]) -> None:
        self.node, self._inputs = node, inputs

    def __len__(self) -> int:
        return len(self._inputs)

    @property
    def given(self) -> Sequence[Known]:
        """All inputs that are not left out."""
        return [each for each in self._inputs if each is not None]

    def optional(self, number: int) -> Known | None:
        """An input that may be left out."""
        return self._inputs[number] if number < len(self._inputs) else None

    def __getitem__(self, number: int) -> Known:
        found = self.optional(number)
        if found is None:
            raise SizeError(f"it has no input {number + 1}")
        return found

    def numbers(self, number: int) -> Numbers | None:
        """The numbers of an optional input, flat; SizeError if the data decides them."""
        found = self.optional(number)
        if found is None:
            return None
        if found.numbers is None:
            raise SizeError("its size depends on the data")
        return found.numbers.ravel()

    def attribute(self, name: str, kind: int) -> Attribute | None:
        """An attribute, if it is given; SizeError if it is of another type."""
        found = self.node.attributes.get(name)
        if found is not None and found.kind != kind:
            raise SizeError(f"its {name} is of the type {found.kind} where {kind} is right")
        return found

    def whole(self, name: str, otherwise: int) -> int:
        """A whole number among the attributes."""
        found = self.attribute(name, INT)
        return otherwise if found is None else found.i

    def list(self, name: str) -> list[int] | None:
        """A list of whole numbers among the attributes."""
        found = self.attribute(name, INTS)
        if found is None:
            return None
        if len(found.ints) > MOST_DIMENSIONS * 2:
            raise SizeError(f"its {name} has {len(found.ints)} entries")
        return [int(each) for each in found.ints]

    def axis(self, otherwise: int, rank: int, name: str = "axis") -> int:
        """An axis among the attributes, from 0."""
        return axis_in(self.whole(name, otherwise), rank)


Rule = Callable[[Call], Step]
Rules = Mapping[str, Rule]


def axis_in(axis: int, rank: int) -> int:
    """An axis counted from 0."""
    if not -rank <= axis < rank:
        raise SizeError(f"it has no axis {axis} of {rank}")
    return axis % rank


def axes_in(axes: Sequence[int] | Numbers, rank: int) -> list[int]:
    """Different axes counted from 0."""
    found = [axis_in(int(axis), rank) for axis in axes]
    if len(set(found)) != len(found):
        raise SizeError(f"it takes an axis twice, of {found[:20]}")
    return found


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """The common shape of several tensors, as in NumPy."""
    rank = max(map(len, shapes), default=0)
    wide = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    found = []
    for sizes in zip(*wide, strict=True):
        different = set(sizes) - {1}
        if len(different) > 1:
            raise SizeError(f"its inputs of {_listed(shapes)} do not fit together")
        found.append(different.pop() if different else 1)
    return tuple(found)


def _listed(shapes: Sequence[Shape]) -> str:
    return " and ".join(str(list(shape)) for shape in shapes[:3])
