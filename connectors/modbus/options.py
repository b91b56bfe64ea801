"""The options of a Modbus source and its tags.

Promises
- A tag that cannot be read is refused here, at the field that is wrong and with what would be
  right; a plan made from valid options cannot fail.
- Addresses count from 0, as on the wire.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from connectors.modbus.addresses import address_hint
from connectors.modbus.connection import UNTAGGED, ModbusConnectionOptions
from connectors.modbus.option_errors import FieldProblem, raise_problems
from connectors.modbus.registers import DataType, Encoding, Order
from connectors.modbus.texts import trimmed
from connectors.modbus.type_names import FOREIGN_NAMES
from gateway.api.model import SECOND, Nanos, Tag
from gateway.api.options import Name, PositiveDuration, TagOptions

Table = Literal["holding", "input", "coil", "discrete"]
BIT_TABLES: frozenset[Table] = frozenset(("coil", "discrete"))
UnitId = Annotated[int, Field(ge=0, le=255)]
Factor = Annotated[float, Field(allow_inf_nan=False)]


def _address(given: Any) -> Any:
    """An address as it is, or as hexadecimal text; ValueError with what would be right."""
    if isinstance(given, str) and re.fullmatch(r"0x[0-9a-f]{1,4}", given.strip(), re.IGNORECASE):
        return int(given, 16)
    if isinstance(given, bool) or (isinstance(given, int) and 0 <= given <= 65535):
        return given
    hint = address_hint(given)
    if hint:
        raise ValueError(f"must be 0 to 65535, not {given}: {hint}")
    return given


def _data_type(given: Any) -> Any:
    """A data type as it is; ValueError with our name for one that other programs use."""
    ours = FOREIGN_NAMES.get(given.strip().lower()) if isinstance(given, str) else None
    if ours:
        raise ValueError(f"{given} is called {ours} here")
    return given


def _factor(given: Any) -> Any:
    """A number; ValueError with what would be right where another tag is named."""
    if isinstance(given, str):
        try:
            return float(given)
        except ValueError:
            raise ValueError(
                f"must be a number, not {given!r}: where a register holds the power of ten, write "
                "its address, as in `scale_register: 84`"
            ) from None
    return given


class ModbusTag(TagOptions):
    """One value in a device: its address, its encoding and its meaning."""

    address: Annotated[int, BeforeValidator(_address), Field(ge=0, le=65535)]
    """Address of its first register or bit, counted from 0: 40001 in a manual is address 0 of the
    holding registers."""
    table: Table = "holding"
    """holding (function code 3), input (4), coil (1) or discrete (2)."""
    data_type: Annotated[DataType | None, BeforeValidator(_data_type)] = None
    """bool, int8, uint8, int16, uint16, int32, uint32, int64, uint64, float16, float32, float64;
    bcd16, bcd32, bcd64 (a decimal digit in four bits); mod10_32, mod10_48, mod10_64 (2, 3 or 4
    registers of 0 to 9999 each); or string with `length` and `enumeration`. Default: bool for
    coils, discrete inputs and `bit`, otherwise uint16. 64-bit integers are exact up to 2^53."""
    length: Annotated[int, Field(ge=1, le=125)] | None = None
    """How many registers a string takes, at two characters each."""
    bit: Annotated[int, Field(ge=0, le=15)] | None = None
    """Which bit of the register, 0 being the least significant."""
    byte: Literal["high", "low"] | None = None
    """Which half of the register an int8 or uint8 is in. Default: low."""
    byte_order: Order | None = None
    """Order of the two bytes in a register. Default: the source's."""
    word_order: Order | None = None
    """Order of the registers of a wide value. Default: the source's."""
    scale: Annotated[Factor, BeforeValidator(_factor)] = 1.0
    """The raw value is multiplied by this."""
    scale_register: Annotated[int, BeforeValidator(_address), Field(ge=0, le=65535)] | None = None
    """Address of a register of the same table that holds a power of ten as an int16, -10 to 10, as
    SunSpec's scale factors: the value is multiplied by it as well. Both are read in one request."""
    offset: Factor = 0.0
    """Added after scaling."""
    no_value: int | float | list[int | float] = []
    """Raw values, before scaling, that mean the device has no value, such as 0x7FFF or 0x8000:
    they become bad samples. For integers the number or its bit pattern."""
    unit_id: UnitId | None = None
    """The unit (slave) it is in. Default: the source's."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        raise_problems(_problems(self))
        return self

    @property
    def resolved_type(self) -> DataType:
        """The data type, with the default filled in."""
        if self.data_type is not None:
            return self.data_type
        return "bool" if self.table in BIT_TABLES or self.bit is not None else "uint16"

    def as_tag(self, name: str, source: str, period: Nanos) -> Tag:
        """The tag, with `no_value` in its unit, as recordings of other systems may hold it."""
        # Where the power of ten is in a register, the number in the unit is not known beforehand.
        absent = self.encoding().no_value_numbers() if self.scale_register is None else []
        scaled = tuple(dict.fromkeys(raw * self.scale + self.offset for raw in absent))
        return replace(super().as_tag(name, source, period), no_value=scaled)

    def encoding(self, byte_order: Order = "big", word_order: Order = "big") -> Encoding:
        """How the value is stored in its registers, with the source's orders as defaults."""
        absent = self.no_value if isinstance(self.no_value, list) else [self.no_value]
        return Encoding(
            data_type=self.resolved_type,
            byte_order=self.byte_order or byte_order,
            word_order=self.word_order or word_order,
            bit=self.bit,
            byte=self.byte or "low",
            scale=self.scale,
            offset=self.offset,
            no_value=tuple(absent),
            length=self.length or 1,
            texts=tuple(self.enumeration.items()),
            scale_register=self.scale_register,
        )


class ModbusOptions(ModbusConnectionOptions):
    """A Modbus device, or several units on one bus or behind one gateway. Read-only."""

    type: Literal["modbus"]
    unit_id: UnitId = 1
    """The unit (slave) of tags without their own."""
    period: PositiveDuration = SECOND
    """How often tags without their own period are read."""
    byte_order: Order = "big"
    """Order of the two bytes in a register; big is what Modbus prescribes."""
    word_order: Order = "big"
    """Order of the registers of a wide value; big means the most significant first."""
    max_registers: Annotated[int, Field(ge=1, le=125)] = 125
    """The most registers the device returns in one response."""
    max_bits: Annotated[int, Field(ge=1, le=2000)] = 2000
    """The most coils or discrete inputs the device returns in one response."""
    max_gap: Annotated[int, Field(ge=0, le=124)] = 8
    """Unused registers between two tags that may be read to fetch both in one request. For coils
    and discrete inputs, sixteen times as many bits."""
    park_after: Annotated[int, Field(ge=1)] = 3
    """Where several units share the bus: failed cycles in a row after which one is parked."""
    park_for: PositiveDuration = 30 * SECOND
    """How long a parked unit is left alone before it is tried again."""
    tags: Annotated[dict[Name, ModbusTag], Field(min_length=1)]
    """The tags to read, by name."""

    @model_validator(mode="after")
    def _fits_in_a_request(self) -> Self:
        widest = max(self.tags, key=lambda name: self.tags[name].encoding().words)
        words = self.tags[widest].encoding().words
        if words > self.max_registers:
            message = f"must be at least {words}: {widest} takes {words} registers"
            raise_problems([("max_registers", message, self.max_registers)])
        return self

    @model_validator(mode="after")
    def _reads_scales_with_their_values(self) -> Self:
        for name, tag in self.tags.items():
            encoding = tag.encoding()
            if encoding.scale_register is None:
                continue
            ends = (tag.address, encoding.scale_register)
            span = max(ends[0] + encoding.words, ends[1] + 1) - min(ends)
            if span > self.max_registers:
                message = (
                    f"{name}: its scale_register {ends[1]} is too far from its address {ends[0]}: "
                    f"one request must read both, which is {span} registers, and `max_registers` "
                    f"allows {self.max_registers}"
                )
                raise_problems([("tags", message, ends[1])])
        return self

    @model_validator(mode="after")
    def _reads_no_broadcast_address(self) -> Self:
        if self.transport in UNTAGGED and 0 in {self.unit_of(tag) for tag in self.tags.values()}:
            message = "0 is the broadcast address, and no unit responds to it: use 1 to 247"
            raise_problems([("unit_id", message, self.unit_id)])
        return self

    def unit_of(self, tag: ModbusTag) -> int:
        """The unit that a tag is in, with the source's as the default."""
        return self.unit_id if tag.unit_id is None else tag.unit_id


def _problems(tag: ModbusTag) -> Iterator[FieldProblem]:
    """Field, what would be right, and the value given, for every setting that is wrong."""
    kind, words = tag.resolved_type, tag.encoding().words
    yield from _bit_problems(tag)
    yield from _text_problems(tag)
    if tag.byte is not None and kind not in ("int8", "uint8"):
        yield "byte", f"picks half a register for int8 or uint8; this is {kind}", tag.byte
    if tag.address + words > 65536:
        message = f"a {kind} takes {words} registers and ends beyond the last address, 65535"
        yield "address", message, tag.address
    if tag.scale == 0:
        yield "scale", "0 would make every value the same", tag.scale
    yield from _scale_register_problems(tag)
    yield from _no_value_problems(tag)


def _scale_register_problems(tag: ModbusTag) -> Iterator[FieldProblem]:
    register = tag.scale_register
    if register is None:
        return
    if tag.resolved_type in ("bool", "string"):
        yield "scale_register", f"has no meaning for a {tag.resolved_type}; leave it out", register
    elif tag.address <= register < tag.address + tag.encoding().words:
        yield "scale_register", "is a register of the value itself", register


def _bit_problems(tag: ModbusTag) -> Iterator[FieldProblem]:
    is_bool = tag.resolved_type == "bool"
    if tag.table in BIT_TABLES:
        if not is_bool:
            message = f"a {tag.table} is a single bit: use bool, or the table holding or input"
            yield "data_type", message, tag.data_type
        if tag.bit is not None:
            message = f"a {tag.table} is already a single bit: leave `bit` out"
            yield "bit", message, tag.bit
    elif tag.bit is not None and not is_bool:
        yield "bit", f"a bit is a bool, not a {tag.resolved_type}: leave data_type out", tag.bit
    elif is_bool and tag.bit is None:
        yield "data_type", "which bit of the register? add `bit: 0` to `bit: 15`", tag.data_type


def _text_problems(tag: ModbusTag) -> Iterator[FieldProblem]:
    if tag.resolved_type != "string":
        if tag.length is not None:
            yield "length", f"belongs to a string; this is {tag.resolved_type}", tag.length
        return
    if tag.length is None:
        yield "data_type", "how long? add `length`, in registers of two characters", tag.data_type
    if not tag.enumeration:
        message = "which numbers do the texts stand for? add `enumeration: {AUTO: 1, MANUAL: 2}`"
        yield "data_type", message, tag.data_type
    for text in map(str.encode, tag.enumeration):
        if len(text) > 2 * (tag.length or 125):
            yield "enumeration", f"too long for {tag.length} registers", text.decode()
        elif trimmed(text) != text:
            yield "enumeration", "spaces around a text are not compared", text.decode()
    for name, plain in (("scale", 1), ("offset", 0), ("word_order", None), ("no_value", [])):
        given = getattr(tag, name)
        if given != plain:
            yield name, "has no meaning for a string; leave it out", given


def _no_value_problems(tag: ModbusTag) -> Iterator[FieldProblem]:
    encoding = tag.encoding()
    if encoding.is_text:
        return
    if encoding.no_value and encoding.data_type == "bool":
        yield "no_value", "a single bit has no pattern left for this", tag.no_value
        return
    try:
        encoding.no_value_patterns()
    except (ValueError, OverflowError) as error:
        yield "no_value", f"{error} ({encoding.data_type})", tag.no_value
