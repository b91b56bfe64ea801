"""The survey of an OPC UA server as a line file to edit (pure).

Promises
- `andon check` accepts the file unchanged, whatever the names, units and texts of the server are.
"""

from collections.abc import Mapping
from typing import Any

from connectors.discover import written
from connectors.discover.opcua import OpcUaSurvey, tag_names

_LONGEST = 56
_EXACT = 2.0**53
MOST_OTHERS = 200
"""Variables without a number that are named in comments."""


def line_file(settings: Mapping[str, Any], survey: OpcUaSurvey) -> str:
    """A line file to edit: a source with these settings and the proposed tags."""
    names = tag_names([_short(tag.name) for tag in survey.tags])
    tags = "\n".join(
        f"      {written.key(name)}: {_flow(tag.options)}  # {_comment(tag.comment)}"
        for name, tag in zip(names, survey.tags, strict=True)
    )
    # JSON is YAML, except for how it begins a mapping in a block.
    options = "\n".join(f"    {key}: {written.value(value)}" for key, value in settings.items())
    note = f" {survey.note}" if survey.note else ""
    return f"""\
# Written by `andon discover opcua`.{note} Delete what is not needed. The number after a tag is the
# value that was read. `low` and `high` are the server's EURange, the range of normal operation:
# widen them where values beyond it are possible, which would be bad. If the server numbers its
# nodes anew at a restart, replace `node` by `path` with the path after it.
version: 1
line: my-line
site: my-plant
sources:
  server:
{options}
    tags:
{tags}
{_others(survey)}"""


def _others(survey: OpcUaSurvey) -> str:
    if not survey.others:
        return ""
    rows = [f"# {_comment(path)}: {_comment(why)}" for path, why in survey.others[:MOST_OTHERS]]
    more = len(survey.others) - len(rows)
    rows += [f"# and {more:,} more"] if more else []
    return "# No numbers by themselves:\n" + "".join(f"{row}\n" for row in rows)


def _flow(options: Mapping[str, Any]) -> str:
    pairs = [f"{key}: {_written(value)}" for key, value in options.items()]
    return f"{{{', '.join(pairs)}}}"


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written.value(k)}: {_written(v)}" for k, v in value.items()) + "}"
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < _EXACT
    return written.value(int(value) if is_whole else value)


def _comment(text: str) -> str:
    """Text in one row, as a comment may hold it."""
    return written.value(text)[1:-1].replace('\\"', '"')


def _short(name: str) -> str:
    """The last elements of a path that fit into a tag's name."""
    while len(name) > _LONGEST and "." in name:
        name = name.partition(".")[2]
    return name
