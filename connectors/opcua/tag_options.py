"""The options of one OPC UA tag: where its number is, and how it is sampled."""

from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from connectors.opcua.nodes import NodeName, parse_node
from connectors.opcua.paths import PathElement, parse_path
from connectors.opcua.selection import Selection, parse_member
from connectors.opcua.statuses import UNCERTAIN
from gateway.api.options import PositiveDuration, TagOptions

Mode = Literal["subscribe", "poll"]


def _no_truth(index: object) -> object:
    if isinstance(index, bool):
        raise ValueError("is true or false; write the element's number, counted from 0")  # noqa: TRY004
    return index


def _elements(written: object) -> object:
    """One element, or '0, 2' of a table of tags, as a list."""
    if isinstance(written, str):
        parts = [part.strip() for part in written.split(",")]
        return [int(part) if part.isdecimal() else part for part in parts]
    return written if isinstance(written, list | tuple) else [written]


def _names(written: object) -> object:
    """One name, or several in one text, as a list."""
    if isinstance(written, str):
        return [part.strip() for part in written.split(",")]
    return written


_ELEMENT = {"type": "integer", "minimum": 0}
_ELEMENTS = {"type": "array", "items": _ELEMENT, "minItems": 1, "maxItems": 8}
Element = Annotated[int, BeforeValidator(_no_truth), Field(ge=0, lt=2**31)]
Index = Annotated[
    list[Element],
    BeforeValidator(_elements),
    Field(min_length=1, max_length=8),
    WithJsonSchema({"anyOf": [_ELEMENT, _ELEMENTS]}),
]


def _is_uncertain(name: str) -> str:
    if name == "any" or name in UNCERTAIN:
        return name
    if name.startswith("Bad"):
        raise ValueError(f"{name} is a bad quality: such a value is never used; leave it out")
    raise ValueError(f"{name} is not an uncertain quality: write any, or {', '.join(UNCERTAIN)}")


_UNCERTAIN = {"type": "string", "enum": ["any", *UNCERTAIN]}
GoodEnough = Annotated[
    list[Annotated[str, AfterValidator(_is_uncertain)]],
    BeforeValidator(_names),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [_UNCERTAIN, {"type": "array", "items": _UNCERTAIN, "minItems": 1}]}),
]
QueueSize = Annotated[int, Field(ge=1, le=100_000)]


class OpcUaTag(TagOptions):
    """One variable of the server, or a number in its value."""

    node: str | None = None
    """Its node id with the namespace's URI, as in nsu=urn:plant;s=Pump.Speed. Either this or
    `path`."""
    path: str | None = None
    """The browse names that lead to it, as in Objects/2:Press/2:Speed or
    Objects/nsu=urn:plant;Press/nsu=urn:plant;Speed, looked up at every connect: for servers that
    renumber their nodes. A name without a namespace is looked for in all; & before a / or & that
    is part of a name."""
    index: Index | None = None
    """The element of an array, counted from 0; of a matrix a list, as in [0, 2]."""
    member: str | None = None
    """The member of a structure, as in Speed, Motor.Speed or Axes[1].Position. With `index`, that
    of the element."""
    good_enough: GoodEnough | None = None
    """Uncertain qualities whose values are used. Default: the source's."""
    mode: Mode | None = None
    """subscribe or poll. Default: the source's."""
    sampling_interval: PositiveDuration | None = None
    """How often the server samples it. Default: its period."""
    queue_size: QueueSize | None = None
    """Changes that the server keeps until they are fetched; an outage of this many sampling
    intervals loses nothing. Default: the changes of two publishing intervals, at least 20."""
    deadband: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Changes up to this size, in the variable's own unit, are not sent by the server."""

    @field_validator("node")
    @classmethod
    def _is_node(cls, node: str | None) -> str | None:
        if node is not None:
            parse_node(node)
        return node

    @field_validator("path")
    @classmethod
    def _is_path(cls, path: str | None) -> str | None:
        if path is not None:
            parse_path(path)
        return path

    @field_validator("member")
    @classmethod
    def _is_member(cls, member: str | None) -> str | None:
        if member is not None:
            parse_member(member)
        return member

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if self.node is None and self.path is None:
            raise ValueError("add `node:`, as in nsu=urn:plant;s=Pump.Speed, or `path:`")
        if self.node is not None and self.path is not None:
            raise ValueError("`node` and `path` exclude each other: remove one")
        if self.member is not None and self.deadband is not None:
            raise ValueError("no server applies a `deadband` to a member of a structure: remove it")
        return self

    @property
    def place(self) -> NodeName | tuple[PathElement, ...]:
        """The node or the path, parsed."""
        return parse_path(self.path or "") if self.node is None else parse_node(self.node)

    @property
    def selection(self) -> Selection:
        """Which number of the node's value the tag is."""
        member = () if self.member is None else parse_member(self.member)
        texts = {name.strip(): number for name, number in self.enumeration.items()}
        return Selection((*(self.index or ()), *member), texts)
