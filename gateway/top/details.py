"""All that is known of one alarm, as rows of text (pure)."""

from collections.abc import Iterator

from gateway.api.model import Nanos
from gateway.top.facts import Facts, amount, clock, each, figure, words

_FIELDS = (
    ("advice", "what to do"),
    ("verdict", "verdict"),
    ("acknowledged_by", "acknowledged by"),
    ("by", "last act by"),
    ("reason", "because"),
    ("caused_by", "follows from"),
    ("model", "model"),
    ("id", "id"),
)


def details(alarm: Facts, entries: list[Facts], clip: str, now: Nanos) -> str:
    """The alarm in full, with its entries in the journal."""
    rows = [words(alarm, "message"), ""]
    rows.append(f"{words(alarm, 'severity')}, {words(alarm, 'state')}")
    began = amount(alarm, "began_at")
    rows.append(f"since {clock(alarm, 'opened_at', now)}")
    if began:
        rows[-1] += f", condition since {clock(alarm, 'began_at', now)}"
    value, threshold, peak = (figure(amount(alarm, key)) for key in ("value", "threshold", "peak"))
    # What a model says is a score, which people do not take for a measured value.
    named = ("score", "threshold") if words(alarm, "model") else ("value", "limit")
    rows.append(f"{named[0]} {value}, {named[1]} {threshold}, peak {peak}")
    rows += [f"{label}: {said}" for key, label in _FIELDS if (said := words(alarm, key))]
    rows += [f"clip: {clip}"] if clip else []
    rows += ["", "tags", *_tags(alarm)]
    if entries:
        rows += ["", "journal", *(_entry(entry, now) for entry in entries)]
    return "\n".join(rows)


def _tags(alarm: Facts) -> Iterator[str]:
    for top in each(alarm, "top_tags"):
        share, actual, expected = (amount(top, key) for key in ("share", "actual", "expected"))
        parts = [] if share is None else [f"{share:.0%}"]
        parts += [] if actual is None else [figure(actual)]
        parts += [] if expected is None else [f"expected {figure(expected)}"]
        parts += [words(top, "reason")] if words(top, "reason") else []
        yield f"  {words(top, 'tag')}  {', '.join(parts)}"


def _entry(entry: Facts, now: Nanos) -> str:
    by = f" by {words(entry, 'by')}" if words(entry, "by") else ""
    said = words(entry, "reason") or words(entry, "message")
    return f"  {clock(entry, 'at', now)}  {words(entry, 'transition')}{by}  {said}"
