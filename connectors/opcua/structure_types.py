"""Asks a server for the descriptions of its structure types.

Promises
- Limits on time, number, depth and names: a server with endless types only leaves some undescribed.
- A type that cannot be described has its reason in `Structures.faults`; nothing is raised for it.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from connectors.opcua.client import OpcUaReadOnlyClient
from connectors.opcua.items import Reference
from connectors.opcua.structures import (
    MOST_ID,
    OPTIONAL,
    PLAIN,
    UNION,
    VARIANT,
    Layout,
    Member,
    Structures,
)
from gateway.api.visible import brief

MOST_TYPES, MOST_MEMBERS, MOST_ANCESTORS = 200, 1000, 20
MOST_NAME, MOST_NAMES, MOST_FAULTS = 512, 2_000_000, 1_000
"""Characters of a member's name and of all names together; types that cannot be described."""
LOAD_S = 20.0
_HAS_ENCODING, _HAS_SUBTYPE = "i=38", "i=45"
_LAST_BUILT_IN = 25
_ABSTRACT_NUMBERS = {f"i={number}": VARIANT for number in (26, 27, 28)}
"""Number, Integer and UInteger: on the wire a variant."""
_ENUMERATION, _INT32 = "i=29", 6
_STRUCTURE = "i=22"
_NOT_DESCRIBED = "the server does not describe it (no DataTypeDefinition)"
_NO_TIME = f"its description did not come within {LOAD_S:g} s"


async def load(client: OpcUaReadOnlyClient, types: Structures) -> None:
    """Describes the types in `wanted` and those of their members; SourceLost if it breaks."""
    wanted, types.wanted = types.wanted, set()
    if len(types.faults) > MOST_FAULTS:
        types.faults.clear()
    if len(types.types) > MOST_TYPES:
        types.types.clear()
        types.layouts.clear()
    for encoding in wanted:
        types.forget(encoding)
    try:
        async with asyncio.timeout(LOAD_S):
            for encoding in sorted(wanted):
                await _describe_encoding(client, types, encoding)
    except TimeoutError:
        known = types.types.keys() | types.faults.keys()
        types.faults |= dict.fromkeys(wanted - known, _NO_TIME)


async def _describe_encoding(client: OpcUaReadOnlyClient, types: Structures, encoding: str) -> None:
    (owners,) = await client.browse([encoding], _HAS_ENCODING, is_forward=False)
    if not owners:
        types.faults[encoding] = "the server does not say to which type it belongs"
        return
    type_id = owners[0].node
    fault = await _describe(client, types, owners[0])
    if fault:
        types.faults[encoding] = f"{brief(owners[0].name)}: {fault}"
    else:
        types.types[encoding] = type_id


async def _describe(client: OpcUaReadOnlyClient, types: Structures, first: Reference) -> str:
    """Describes a type and those of its members, breadth first; the reason if it cannot."""
    left, bases = [(first.node, first.name)], dict[str, int | str]()
    while left:
        type_id, name = left.pop(0)
        if type_id in types.layouts or type_id in types.faults:
            continue
        (definition,) = await client.attributes([type_id], "DataTypeDefinition")
        fault = _why_not(definition)
        if len(types.layouts) >= MOST_TYPES:
            fault = f"more than {MOST_TYPES} types"
        elif not fault and _characters(types, definition) > MOST_NAMES:
            fault = f"the names of all members have more than {MOST_NAMES:,} characters"
        if fault:
            types.faults[type_id] = fault
            continue
        members = []
        for each in definition.Fields or ():
            kind = each.DataType.to_string()
            if kind not in bases:
                bases[kind] = await _base(client, kind)
            members.append(_member(each, bases[kind]))
            if isinstance(bases[kind], str):
                left.append((kind, each.Name or ""))
        types.layouts[type_id] = Layout(brief(name), int(definition.StructureType), tuple(members))
    return types.faults.get(first.node, "")


def _why_not(definition: Any) -> str:
    """Why values cannot be decoded by this definition; empty if they can."""
    if type(definition).__name__ != "StructureDefinition":
        return _NOT_DESCRIBED
    if definition.StructureType not in (PLAIN, OPTIONAL, UNION):
        return "members of varying type are not supported"
    if len(definition.Fields or ()) > MOST_MEMBERS:
        return f"more than {MOST_MEMBERS} members"
    open_rank = next(
        (each for each in definition.Fields or () if each.ValueRank in (0, -2, -3)), None
    )
    if open_rank is not None:
        return f"its member {brief(str(open_rank.Name))} has no fixed number of dimensions"
    return _too_long(definition.Fields or ())


def _too_long(fields: Sequence[Any]) -> str:
    """That a name or an id of these members is longer than the standard allows, or nothing."""
    if any(len(each.Name or "") > MOST_NAME for each in fields):
        return f"a member's name has more than {MOST_NAME} characters"
    if any(len(each.DataType.to_string()) > MOST_ID for each in fields):
        return f"a member's type has an id of more than {MOST_ID:,} characters"
    return ""


def _characters(types: Structures, definition: Any) -> int:
    """Of the names of all members that are described, and of these."""
    known = sum(len(each.name) for layout in types.layouts.values() for each in layout.members)
    return known + sum(len(each.Name or "") for each in definition.Fields or ())


def _member(described: Any, kind: int | str) -> Member:
    rank = max(described.ValueRank, 0)
    return Member(described.Name or "", kind, rank, bool(described.IsOptional))


async def _base(client: OpcUaReadOnlyClient, type_id: str) -> int | str:
    """The built-in type that a type is encoded as, or its own id if it is a structure."""
    at = type_id
    for _ in range(MOST_ANCESTORS):
        if at in _ABSTRACT_NUMBERS:
            return _ABSTRACT_NUMBERS[at]
        if at == _ENUMERATION:
            return _INT32
        if at == _STRUCTURE:
            return type_id if type_id != _STRUCTURE else 22
        number = int(at[2:]) if at.startswith("i=") else 0
        if 0 < number <= _LAST_BUILT_IN:
            return number
        (above,) = await client.browse([at], _HAS_SUBTYPE, is_forward=False)
        if not above:
            break
        at = above[0].node
    return type_id
