"""Asks a server what describes its variables: units, ranges, and names of their numbers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from connectors.discover.opcua_variables import NUMBERS, FoundVariable, enumeration_of
from connectors.opcua.client import OpcUaReadOnlyClient
from connectors.opcua.connection import value_in
from connectors.opcua.items import Target

HAS_PROPERTY = "i=46"
_KNOWN = ("EURange", "EngineeringUnits", "EnumStrings", "EnumValues", "FalseState", "TrueState")
_BUILT_IN = frozenset(f"i={number}" for number in range(1, 30))
_SUBTYPE = "i=45"
_MOST_ANCESTORS = 8

Properties = Mapping[str, str]
"""Node ids of properties, by name."""


@dataclass(slots=True)
class DataTypes:
    """What is known of data types: the names of their numbers, and which are numbers."""

    enumerations: dict[str, dict[str, float]] = field(default_factory=dict)
    are_numbers: dict[str, bool] = field(default_factory=dict)


async def described(
    client: OpcUaReadOnlyClient,
    variables: Sequence[FoundVariable],
    nodes: Sequence[str],
    properties: Sequence[Properties],
    types: DataTypes,
) -> list[FoundVariable]:
    """The variables with what their properties and data types say; `nodes` are their ids here."""
    wanted = [{name: each[name] for name in _KNOWN if name in each} for each in properties]
    places = [place for each in wanted for place in each.values()]
    data = await client.read([Target(place) for place in places])
    values = dict(zip(places, map(value_in, data), strict=True))
    kinds = [
        kind.to_string() if kind else "" for kind in await client.attributes(nodes, "DataType")
    ]
    await _learn(client, sorted({*kinds} - {""}), types)
    return [
        _with(variable, {name: values[place] for name, place in each.items()}, kind, types)
        for variable, each, kind in zip(variables, wanted, kinds, strict=True)
    ]


def _with(
    variable: FoundVariable, said: Mapping[str, Any], kind: str, types: DataTypes
) -> FoundVariable:
    low, high = _range(said.get("EURange"))
    return replace(
        variable,
        unit=_unit(said.get("EngineeringUnits")),
        low=low,
        high=high,
        enumeration=_names(said) or types.enumerations.get(kind, {}),
        has_number_type=types.are_numbers.get(kind, False),
    )


def _range(said: Any) -> tuple[float | None, float | None]:
    low, high = getattr(said, "Low", None), getattr(said, "High", None)
    if low is None or high is None or not math.isfinite(low) or not math.isfinite(high):
        return None, None
    return (float(low), float(high)) if low < high else (None, None)


def _unit(said: Any) -> str:
    name = getattr(said, "DisplayName", None)
    return str(getattr(name, "Text", None) or "").strip()


def _names(said: Mapping[str, Any]) -> dict[str, float]:
    """The names of a variable's numbers, by the properties that it or its type has."""
    if isinstance(values := said.get("EnumValues"), list):
        return enumeration_of([(_text(each.DisplayName), float(each.Value)) for each in values])
    if isinstance(texts := said.get("EnumStrings"), list):
        return enumeration_of([(_text(each), float(at)) for at, each in enumerate(texts)])
    states = (("FalseState", 0.0), ("TrueState", 1.0))
    return enumeration_of([(_text(said[name]), at) for name, at in states if name in said])


def _text(said: Any) -> str:
    return str(getattr(said, "Text", said) or "")


async def _learn(client: OpcUaReadOnlyClient, kinds: Sequence[str], types: DataTypes) -> None:
    types.are_numbers |= dict.fromkeys(NUMBERS, True) | dict.fromkeys(_BUILT_IN - NUMBERS, False)
    new = [kind for kind in kinds if kind not in types.are_numbers]
    definitions = await client.attributes(new, "DataTypeDefinition")
    for kind, definition in zip(new, definitions, strict=True):
        fields = getattr(definition, "Fields", None) or ()
        if type(definition).__name__ == "EnumDefinition":
            values = [(_text(each.DisplayName) or each.Name, float(each.Value)) for each in fields]
            types.enumerations[kind] = enumeration_of(values)
        else:
            types.enumerations[kind] = await _by_properties(client, kind)
        is_number = bool(types.enumerations[kind]) or await _is_number(client, kind)
        types.are_numbers[kind] = is_number


async def _by_properties(client: OpcUaReadOnlyClient, kind: str) -> dict[str, float]:
    """The names of an enumeration's numbers from the properties of its type, as before 1.04."""
    (below,) = await client.browse([kind], HAS_PROPERTY)
    known = [each for each in below if each.name in ("EnumStrings", "EnumValues")]
    data = await client.read([Target(each.node) for each in known])
    return _names(dict(zip((each.name for each in known), map(value_in, data), strict=True)))


async def _is_number(client: OpcUaReadOnlyClient, kind: str) -> bool:
    for _ in range(_MOST_ANCESTORS):
        if kind in _BUILT_IN:
            return kind in NUMBERS
        (above,) = await client.browse([kind], _SUBTYPE, is_forward=False)
        if not above:
            return False
        kind = above[0].node
    return False
