"""Walks along the fields of the line file's schema and of data that fits it."""

import copy
from collections.abc import Mapping, Sequence
from typing import get_args, get_origin

from gateway.config.locate import _is_union, _models, fields, is_model, plain, types_of


def paths(data, kind, at=()):
    """The path of every field of the schema, along the data."""
    if _is_union(kind):
        models = _models(kind)
        chosen = [m for m in models if isinstance(data, dict) and data.get("type") in types_of(m)]
        for model in (chosen or models)[:1]:
            yield from paths(data, model, at)
    elif is_model(kind):
        for name, field in fields(kind).items():
            yield (*at, name)
            inner = data.get(name, {}) if isinstance(data, dict) else {}
            yield from paths(inner, plain(field.annotation), (*at, name))
    elif get_origin(kind) in (dict, Mapping) and isinstance(data, dict):
        for name, inner in data.items():
            yield (*at, name)
            yield from paths(inner, plain(get_args(kind)[1]), (*at, name))
    elif get_origin(kind) in (list, tuple, Sequence) and isinstance(data, list):
        for number, inner in enumerate(data):
            yield (*at, number)
            yield from paths(inner, plain(get_args(kind)[0]), (*at, number))


def changed(data, at, value):
    """A copy with one value replaced."""
    data = copy.deepcopy(data)
    inner = data
    for step in at[:-1]:
        inner = inner.setdefault(step, {}) if isinstance(inner, dict) else inner[step]
    inner[at[-1]] = value
    return data
