"""The line file's `maintenance` section: the tag and its values, and what is wrong with them."""

from collections.abc import Iterator, Mapping, Sequence

from gateway.api.model import Tag
from gateway.api.nearest import nearest
from gateway.config.document import Document
from gateway.config.problems import Problem
from gateway.config.schema import LineFileBase, MaintenanceSection
from gateway.core.alarms.maintenance import LEAST_PATIENCE, LONGEST, Maintenance, TagRule


def maintenance_of(file: LineFileBase, tags: Sequence[Tag]) -> Maintenance:
    """The maintenance of a valid line file."""
    section = file.maintenance
    if section is None:
        return Maintenance(None, LONGEST)
    number = next(n for n, tag in enumerate(tags) if tag.name == section.tag)
    tag, given = tags[number], _given(section)
    values = frozenset(value for each in given if (value := _number(each, tag)) is not None)
    patience = max(LEAST_PATIENCE, round(file.timing.stale_periods * tag.period))
    words = " or ".join(tag.name_of(_number(each, tag)) or f"{each:g}" for each in given)
    rule = TagRule(number, tag.name, values, patience, section.settle, words)
    return Maintenance(rule, section.longest)


def maintenance_problems(
    document: Document, file: LineFileBase, tags: Mapping[str, Tag]
) -> Iterator[Problem]:
    """A tag that no source reads, a name that it does not have, a value that it never has."""
    section = file.maintenance
    if section is None:
        return
    tag = tags.get(section.tag)
    if tag is None:
        hint = nearest(section.tag, list(tags))
        message = f"no source reads a tag {section.tag}"
        yield document.problem(("maintenance", "tag"), message, hint, at="value")
        return
    for place, each in enumerate(_given(section)):
        at = ("maintenance", "when", place) if isinstance(section.when, list) else _WHEN
        number = _number(each, tag)
        if number is None:
            message = f"{tag.name} has no value of that name: {each}"
            names = list(tag.texts)
            hint = nearest(str(each), names) if names else "write the number that it has then"
            yield document.problem(at, message, hint, at="value")
        elif not _is_possible(number, tag):
            message = f"never holds: a value of {number:g} is out of the bounds of {tag.name}"
            hint = "see `low` and `high` of the tag"
            yield document.problem(at, message, hint, at="value", level="warning")


_WHEN = ("maintenance", "when")


def _given(section: MaintenanceSection) -> Sequence[float | str]:
    return section.when if isinstance(section.when, list) else [section.when]


def _number(given: float | str, tag: Tag) -> float | None:
    """The number that is meant; None if the tag has no such name."""
    return tag.texts.get(given) if isinstance(given, str) else float(given)


def _is_possible(number: float, tag: Tag) -> bool:
    return (tag.low is None or number >= tag.low) and (tag.high is None or number <= tag.high)
