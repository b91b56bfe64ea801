"""Adds templates and tables to the JSON Schema, since pydantic only sees the expanded file.

Promises
- An editor completes a template like a source; each of its values may also be a placeholder.
- Every source may name a table of tags instead of listing them.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.config.devices import PLACEHOLDER

Schema = dict[str, Any]

_REF = "#/$defs/"
_FILE = "A CSV file beside this one"
_NAMED = {"name": {"type": "string"}}
_USE: Schema = {
    "type": "object",
    "description": "One source for each device, all made from a template. Other options given here "
    "override the template's.",
    "required": ["template"],
    "properties": {
        "template": {"type": "string", "description": "A name under `templates`."},
        "devices": {
            "description": "A range (1-300), names, or mappings with a name and the values of "
            "placeholders.",
            "anyOf": [
                {"type": "string", "pattern": r"^\s*\d{1,9}\s*(-|\.\.)\s*\d{1,9}\s*$"},
                {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "anyOf": [
                            {"type": "string"},
                            {"type": "object", "required": ["name"], "properties": _NAMED},
                        ]
                    },
                },
            ],
        },
        "devices_file": {
            "type": "string",
            "description": f"{_FILE} with a column `name`; every column is a placeholder.",
        },
        "tags_file": {"type": "string", "description": f"{_FILE} with further tags."},
    },
}


def with_templates(schema: Schema) -> Schema:
    """The line file's schema, with `templates`, sources made from them and `tags_file`."""
    schema = json.loads(json.dumps(schema))
    defs: Schema = schema["$defs"]
    [sources] = schema["properties"]["sources"]["patternProperties"].values()
    choices: list[Schema] = sources["oneOf"] if "oneOf" in sources else [dict(sources)]
    names = [choice["$ref"].removeprefix(_REF) for choice in choices]
    for name in names:
        _allow_table(defs[name])
    defs |= {f"{name}Template": _template(defs[name]) for name in sorted(_reachable(defs, names))}
    for name in names:
        defs[f"{name}Template"]["required"] = ["type"]
        defs[f"{name}Template"].pop("anyOf", None)
    sources.clear()
    sources["oneOf"] = [*choices, _USE]
    [template] = schema["properties"]["templates"]["patternProperties"].items()
    kinds = [{"$ref": f"{_REF}{name}Template"} for name in names]
    schema["properties"]["templates"]["patternProperties"] = {template[0]: {"oneOf": kinds}}
    return schema


def _allow_table(source: Schema) -> None:
    """Allows a source to have a table instead of, or beside, its tags."""
    if "tags" not in source["properties"]:
        return
    source["properties"]["tags_file"] = {
        "type": "string",
        "description": f"{_FILE} with a column `name` and one for each option of a tag.",
    }
    if "tags" in source.get("required", ()):
        source["required"].remove("tags")
        source["anyOf"] = [{"required": ["tags"]}, {"required": ["tags_file"]}]


def _reachable(defs: Mapping[str, Any], names: list[str]) -> set[str]:
    reachable: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in reachable:
            reachable.add(name)
            waiting += _references(defs[name])
    return reachable


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].removeprefix(_REF)
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _template(source: Schema) -> Schema:
    """The schema of a model in which every value may be a placeholder."""
    renamed: Schema = _renamed(source)
    for name, field in renamed.get("properties", {}).items():
        if name == "tags":
            [of] = field.pop("patternProperties").values()
            field |= {"additionalProperties": of}
            field.pop("propertyNames", None)
        elif name != "type":
            renamed["properties"][name] = _or_placeholder(field)
    return renamed


def _or_placeholder(field: Schema) -> Schema:
    kept = {key: field[key] for key in ("description", "default") if key in field}
    rest = {key: value for key, value in field.items() if key not in kept}
    placeholder = {"type": "string", "pattern": PLACEHOLDER.pattern}
    return kept | {"anyOf": [*([rest] if set(rest) != {"anyOf"} else rest["anyOf"]), placeholder]}


def _renamed(value: Any) -> Any:
    """A copy in which every reference to a model refers to its template instead."""
    if isinstance(value, list):
        return [_renamed(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: f"{inner}Template" if key == "$ref" else _renamed(inner)
        for key, inner in value.items()
    }
