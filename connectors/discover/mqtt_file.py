"""What was heard at a broker, as a list for people and as a line file to edit (pure).

Promises
- `andon check` accepts the file as it stands.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from connectors.discover.heard import Heard, Path, Source
from connectors.discover.opcua import tag_names
from gateway.api.model import SECOND, Nanos
from gateway.api.options import format_duration

_PERIODS: tuple[Nanos, ...] = tuple(
    round(seconds * SECOND)
    for seconds in (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600)
)


def listing(heard: Heard) -> Iterator[str]:
    """A line for each topic, edge node and device: what it carries and how often."""
    for among in (heard.topics, heard.nodes):
        for name, source in sorted(among.items()):
            yield f"{name}  {_said(source)}"
    if heard.left_out:
        yield f"{heard.left_out:,} messages on further topics"


def _said(source: Source) -> str:
    often = f"about every {format_duration(rounded(source.period))}" if source.period else ""
    count = f"{source.messages:,} message" + ("" if source.messages == 1 else "s")
    what = [source.kind, count, often, "retained" if source.is_retained else ""]
    shown = [
        f"{_written(what) or 'the payload'} = {value:g}"
        for what, value in list(source.numbers.items())[:4]
    ]
    shown += [f"{len(source.numbers) - 4} more"] if len(source.numbers) > 4 else []
    if source.time_path is not None:
        shown.append(f"{path_of(source.time_path)} = its time ({source.time_format})")
    if source.nameless:
        shown.append("aliases, whose birth was not heard")
    return ", ".join(part for part in what if part) + (f": {', '.join(shown)}" if shown else "")


def _written(what: Path | str) -> str:
    return what if isinstance(what, str) else path_of(what)


def path_of(path: Path) -> str:
    """How a line file writes it: with dots, or as a JSON pointer where a key holds one."""
    if all(step and "." not in step and not step.startswith("/") for step in path):
        return ".".join(path)
    return "".join(f"/{step.replace('~', '~0').replace('/', '~1')}" for step in path)


def rounded(period: Nanos) -> Nanos:
    """The nearest usual period."""
    return min(_PERIODS, key=lambda usual: abs(usual - period) / usual)


def line_file(said: Mapping[str, Any], heard: Heard, most: int) -> str:
    """A line file with these tags of a source as it was `said`, to edit; at most `most` tags."""
    places = heard.places
    wanted = places[:most]
    names = tag_names([f"{place.where}/{_written(place.what)}" for place in wanted])
    written = {"sparkplug": heard.nodes, "topic": heard.topics}
    tags = []
    for name, place in zip(names, wanted, strict=True):
        kind = "sparkplug" if isinstance(place.what, str) else "topic"
        source = written[kind][place.where]
        options = {kind: place.where} | _options(place.what, source)
        value = source.numbers[place.what]
        tags.append(f"      {name}: {_flow(options)}  # {value:g}\n")
    left_out = f" The first {most:,} of {len(places):,}." if len(places) > most else ""
    how = "\n".join(f"    {key}: {json.dumps(value)}" for key, value in said.items())
    return f"""\
# What `andon discover mqtt` heard. Delete what is not needed; give tags a name, unit, low and high.
# The number behind a tag is what came last.{left_out}
version: 1
line: my-line
site: my-plant
sources:
  broker:
{how}
    tags:
{"".join(tags)}"""


def _options(what: Path | str, source: Source) -> dict[str, str]:
    if isinstance(what, str):  # is published when it changes, which says nothing of a period
        return {"metric": what}
    options = {"path": path_of(what)}
    if source.time_path is not None and source.time_format is not None:
        options |= {"time_path": path_of(source.time_path), "time_format": source.time_format}
    if source.period is not None:
        options["period"] = format_duration(rounded(source.period))
    return options


def _flow(options: Mapping[str, str]) -> str:
    # JSON's quotes are YAML's, whatever stands between them.
    pairs = (f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in options.items())
    return f"{{{', '.join(pairs)}}}"
