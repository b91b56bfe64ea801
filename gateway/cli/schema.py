"""`andon schema`: the JSON Schema of the line file, for editors and other programs."""

import json
from typing import Any

import click

from gateway.api.options import format_duration, format_size
from gateway.cli.template_schema import with_templates
from gateway.config.schema import line_file, site_file

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


@click.command()
@click.option("--site", is_flag=True, help="The schema of the site file instead.")
def command(*, site: bool) -> None:
    """Print the JSON Schema of the line file.

    It includes the options of every installed plugin. An editor uses it if a file starts with
    `# yaml-language-server: $schema=andon.schema.json`.
    """
    click.echo(schema_text(site=site), nl=False)


def schema_text(*, site: bool) -> str:
    """The JSON Schema as printed by `andon schema` and shipped in configs/."""
    model = site_file() if site else line_file()
    title = "andon site file" if site else "andon line file"
    written = _as_written(model.model_json_schema())
    schema = {"$schema": _DIALECT, "title": title, **(written if site else with_templates(written))}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _as_written(schema: Any) -> Any:
    """The schema in the file's own terms, without keys that only pydantic or OpenAPI reads."""
    if isinstance(schema, list):
        return [_as_written(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    written = {
        key: _as_written(value) for key, value in schema.items() if not _is_noise(key, value)
    }
    if "patternProperties" in written:
        # Without this an editor ignores an invalid name instead of marking it.
        written.setdefault("additionalProperties", False)
    default = written.get("default")
    if isinstance(default, dict) and default:
        # The default of a section only repeats the defaults of its fields.
        del written["default"]
    elif type(default) is int and "pattern" in written:
        is_size = "KiB" in written["pattern"]
        written["default"] = format_size(default) if is_size else format_duration(default)
    if isinstance(written.get("description"), str):
        written["description"] = " ".join(written["description"].split())
    return written


def _is_noise(key: str, value: Any) -> bool:
    """Whether a key is a title that repeats a field's name, or OpenAPI's hint beside a `oneOf`."""
    return (key == "title" and isinstance(value, str)) or (
        key == "discriminator" and "propertyName" in value
    )
