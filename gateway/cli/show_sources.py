"""Tables of sources and their tags."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from gateway.api.durations import spell, spell_age
from gateway.api.model import SECOND
from gateway.api.wording import number
from gateway.cli.pieces import (
    NAMED,
    REASONS,
    Facts,
    name_of,
    plain_table,
    rows_to_show,
    shortened,
    word,
)


def tags(facts: Facts, *, every: bool = False) -> RenderableType:
    """A table of tags with last value and state of the data; of many, those that are not fresh.

    Below it why they are not, one row for each reason.
    """
    table = plain_table("tag", "value", "unit", "data", "age", "source")
    shown, abnormal = rows_to_show(facts["tags"], _is_normal, every)
    for tag in shown:
        value = reading(tag, digits=4)
        data = word(tag["state"]), spell_age(tag["age_s"])
        table.add_row(tag["tag"], value, tag["unit"], *data, tag["source"])
    whys = _reasons(shown, facts)
    if len(shown) == len(facts["tags"]):
        return Group(table, *whys)
    states = ", ".join(f"{n:,} {state}" for state, n in facts["tag_states"].items() if n)
    head = f"{len(facts['tags']):,} tags: {states}"
    return Group(shortened(head, table, len(shown), abnormal), *whys)


def _is_normal(tag: Facts) -> bool:
    return bool(tag["state"] == "fresh" and tag.get("ne107", "normal") == "normal")


def _reasons(tags: Sequence[Facts], facts: Facts) -> list[Text]:
    """Why tags are not fresh: their names by reason, with the class of NE 107."""
    by_reason: dict[str, list[str]] = {}
    for tag in tags:
        if tag.get("reason"):
            status = tag.get("ne107", "normal")
            known = "" if status == "normal" else f"{name_of(facts, 'ne107', status)}, "
            by_reason.setdefault(f"{known}{tag['reason']}", []).append(tag["tag"])
    rows = []
    for why, names in list(by_reason.items())[:REASONS]:
        more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
        rows.append(Text(f"  {', '.join(names[:NAMED])}{more}: {why}", style="yellow"))
    if len(by_reason) > REASONS:
        rows.append(
            Text(f"  and {len(by_reason) - REASONS:,} more reasons: --json", style="yellow")
        )
    return rows


def reading(tag: Facts, digits: int) -> str:
    """A tag's value as text: '230.4', '2 (jammed)', or a dash if there is none."""
    if tag["value"] is None:
        return "–"
    return number(tag["value"], digits) + (f" ({tag['name']})" if tag.get("name") else "")


def sources(facts: Facts, *, every: bool = False) -> RenderableType:
    """A table of sources: state, for how long, age of the newest sample, connection losses."""
    table = plain_table("source", "state", "since", "age", "samples", "lost", "why")
    shown, down = rows_to_show(facts["sources"], lambda source: bool(source["up"]), every)
    for source in shown:
        state = word("up" if source["up"] else "down")
        times = spell(int(source["since_s"]) * SECOND), spell_age(source["age_s"])
        counts = f"{source['samples']:,}", f"{source['losses']:,}"
        table.add_row(source["name"], state, *times, *counts, _why(source))
    total = len(facts["sources"])
    if len(shown) == total:
        return table
    return shortened(f"{total:,} sources: {total - down:,} up", table, len(shown), down)


def _why(source: Facts) -> str:
    """Why a source is down; else its lost samples, corrected times and first diagnostic."""
    if not source["up"]:
        return str(source["error"])
    times = sorted(set(source.get("corrected", {}).values()))
    lost, diagnostics = source.get("lost_samples", 0), list(source.get("diagnostics", ()))
    parts = [f"{lost:,} samples lost at the source"] if lost else []
    more = f" (and {len(diagnostics) - 1} more: --json)" if len(diagnostics) > 1 else ""
    parts += [f"times corrected by {', '.join(times[:NAMED])}"] if times else []
    return "; ".join([*parts, *(f"{each}{more}" for each in diagnostics[:1])])
