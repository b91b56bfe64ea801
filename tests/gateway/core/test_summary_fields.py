"""A field of the summaries is known in every place that handles one.

Whoever adds a field to `Summary` runs this test: it names each place that was forgotten.
"""

from dataclasses import fields
from pathlib import Path

from fakes import batch, tag

from gateway.api.line_protocol import decode
from gateway.api.model import SECOND, Summary
from gateway.core.points import summary_envelope
from gateway.core.summary import Summariser
from gateway.core.summary_merge import merged

SCHEMA = Path(__file__).parents[3] / "docs" / "influx-schema.md"
MINUTE = 60 * SECOND
T0 = 1_700_000_100 * SECOND // (15 * MINUTE) * (15 * MINUTE)
KEYS = {"tag", "start", "end"}
"""Not fields of the point: its tag, and its time."""


def summaries():
    """Two summaries of an enumeration, so that each field has a value."""
    mode = tag("mode", names={1.0: "running", 2.0: "jammed"})
    summariser = Summariser([mode], MINUTE, SECOND, T0)
    for second in range(120):
        summariser.push(batch(T0 + second * SECOND, float(second % 2 + 1)))
    return summariser.advance(T0 + 3 * MINUTE)[:2]


def documented():
    """The fields in the table of andon_summary."""
    table = SCHEMA.read_text(encoding="utf-8").split("\n## andon_summary\n")[1].split("\n## ")[0]
    return {row.split("`")[1] for row in table.splitlines() if row.startswith("| `")}


def forgotten():
    first, second = summaries()
    stored = [decode(summary_envelope(each, "plant", "press").body) for each in (first, second)]
    places = {
        "core/summary.py computes no": {
            f.name for f in fields(Summary) if getattr(first, f.name) not in (None, "")
        },
        "core/points.py does not store": {*stored[0].fields},
        "core/summary_merge.py does not merge": {*merged(stored).fields},
        "docs/influx-schema.md does not describe": documented(),
    }
    for field in fields(Summary):
        if field.name not in KEYS:
            yield from (
                f"{place} {field.name}" for place in places if field.name not in places[place]
            )


def test_each_field_of_a_summary_is_computed_stored_merged_and_documented():
    places = list(forgotten())
    assert not places, "\n".join(places)
