"""The survey of a broker as a list, and as a line file to edit (pure).

Promises
- `andon check` accepts the file unchanged.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from connectors.discover import written
from connectors.discover.opcua import tag_names
from connectors.discover.survey import BrokerSurvey, TopicSummary
from connectors.mqtt.paths import Path, write_path
from gateway.api.model import SECOND, Nanos
from gateway.api.options import format_duration

_PERIODS: tuple[Nanos, ...] = tuple(
    round(seconds * SECOND)
    for seconds in (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600)
)


def listing(survey: BrokerSurvey) -> Iterator[str]:
    """A row for each topic, edge node and device: its content and its period."""
    for among in (survey.topics, survey.nodes):
        for name, summary in sorted(among.items()):
            yield f"{name}  {_row(summary)}"
    if survey.left_out:
        yield f"{survey.left_out:,} messages on further topics"


def _row(summary: TopicSummary) -> str:
    period = f"about every {format_duration(rounded(summary.period))}" if summary.period else ""
    count = f"{summary.messages:,} message" + ("" if summary.messages == 1 else "s")
    facts = [summary.kind, count, period, "retained" if summary.is_retained else ""]
    shown = [
        f"{_written(field) or 'the payload'} = {value:g}"
        for field, value in list(summary.numbers.items())[:4]
    ]
    shown += [f"{len(summary.numbers) - 4} more"] if len(summary.numbers) > 4 else []
    times = {
        each["time_path"]: each["time_format"]
        for each in summary.options.values()
        if "time_path" in each
    }
    shown += [f"{path} = its time ({form})" for path, form in list(times.items())[:1]]
    if summary.nameless:
        shown.append("aliases without a birth")
    shown += summary.notes
    return ", ".join(fact for fact in facts if fact) + (f": {', '.join(shown)}" if shown else "")


def _written(field: Path | str) -> str:
    return field if isinstance(field, str) else write_path(field)


def rounded(period: Nanos) -> Nanos:
    """The nearest common period."""
    return min(_PERIODS, key=lambda common: abs(common - period) / common)


def line_file(settings: Mapping[str, Any], survey: BrokerSurvey, most: int) -> str:
    """A line file to edit: a source with these settings and at most `most` tags."""
    numbers = survey.numbers
    wanted = numbers[:most]
    names = tag_names([f"{each.sender}/{_written(each.field)}" for each in wanted])
    summaries = {"sparkplug": survey.nodes, "topic": survey.topics}
    tags = []
    for name, each in zip(names, wanted, strict=True):
        kind = "sparkplug" if isinstance(each.field, str) else "topic"
        summary = summaries[kind][each.sender]
        options = {kind: each.sender} | _options(each.field, summary)
        value = summary.numbers[each.field]
        tags.append(f"      {written.key(name)}: {_flow(options)}  # {value:g}\n")
    left_out = f" The first {most:,} of {len(numbers):,}." if len(numbers) > most else ""
    connection = "\n".join(f"    {key}: {written.value(value)}" for key, value in settings.items())
    return f"""\
# Written by `andon discover mqtt`. Delete what is not needed; give tags a name, unit, low and high.
# The number after a tag is its last value.{left_out}
{_notes(survey)}version: 1
line: my-line
site: my-plant
sources:
  broker:
{connection}
    tags:
{"".join(tags)}"""


def _options(field: Path | str, summary: TopicSummary) -> dict[str, Any]:
    if isinstance(field, str):  # a metric is published when it changes: there is no period
        return {"metric": field}
    options = {"path": write_path(field), **summary.options.get(field, {})}
    period = summary.period_of(field)
    if period is not None:
        options["period"] = format_duration(rounded(period))
    return options


def _notes(survey: BrokerSurvey) -> str:
    """A comment for everything that is not among the tags, or that a person has to add."""
    found = (
        f"# {name}: {note}"
        for among in (survey.topics, survey.nodes)
        for name, summary in sorted(among.items())
        for note in summary.notes or _why_none(summary)
    )
    # A topic may hold what would end a comment.
    return "".join(f"{json.dumps(note, ensure_ascii=True)[1:-1]}\n" for note in found)


def _why_none(summary: TopicSummary) -> list[str]:
    """Why nothing of it is proposed; empty if something is."""
    if summary.numbers:
        return []
    if summary.nameless:
        return ["not proposed: its metrics have aliases, and no birth came that names them"]
    if summary.kind == "Sparkplug":
        return ["not proposed: none of its metrics is a number"]
    return [f"not proposed: {_WITHOUT_A_NUMBER.get(summary.kind, summary.kind)}"]


_WITHOUT_A_NUMBER = {
    "empty": "the payload is empty",
    "JSON": "JSON without a number",
    "text": "a text; a tag with `enumeration:` reads it",
    "too long": "the payload is too long",
}


def _flow(options: Mapping[str, Any]) -> str:
    pairs = (f"{key}: {written.value(value)}" for key, value in options.items())
    return f"{{{', '.join(pairs)}}}"
