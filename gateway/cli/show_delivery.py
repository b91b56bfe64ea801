"""Tables of sinks, of bytes by day, and of the history; the connections of local services."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.api.local_time import local_time
from gateway.api.wording import counted
from gateway.cli.pieces import Facts, plain_table, word

DAYS = 7
"""Days of the ledger that a page shows."""


def sinks(facts: Facts) -> Table:
    """A table of sinks: bytes sent, and the budget of this hour."""
    table = plain_table("sink", "state", "sent", "this hour", "why")
    for sink in facts["sinks"]:
        state = word("up" if sink["up"] else "down")
        hour = f"{sink['spent']:,} of {sink['budget']:,} B" if sink["budget"] else "–"
        table.add_row(sink["name"], state, f"{sink['sent_bytes']:,} B", hour, _why(sink))
    return table


def _why(sink: Facts) -> str:
    """Why it is away, or what a sink that keeps points itself has to tell."""
    return str(sink["error"]) or "\n".join(map(str, sink.get("diagnostics", ())))


def ledger(facts: Facts) -> Table:
    """A table of the last days: bytes read, bytes of raw forwarding, bytes sent."""
    table = plain_table(
        "day (UTC)", "read", "raw forwarding, gzip", "sent", "of which clips", "saved"
    )
    for day in facts["ledger"][:DAYS]:
        raw, sent = day["raw_gzip"], day["sent"]
        # Without anything sent no saving is claimed: perhaps nothing can be sent.
        saved = f"{1 - sent / raw:.1%}".replace("%", " %") if raw and sent else "–"
        flows = (day["read"], raw, sent, day["clips"])
        table.add_row(day["day"], *(f"{count:,} B" for count in flows), saved)
    return table


def history(facts: Facts) -> Text:
    """One sentence on the raw samples kept on this machine."""
    oldest = facts.get("oldest_at")
    since = f" since {local_time(oldest, '%Y-%m-%d %H:%M')}" if oldest else ""
    kept = f"history: {facts.get('bytes', 0) / 1e6:,.1f} MB{since}"
    if facts.get("clips"):
        clips = facts["clips"]
        kept += f"; clips: {clips['cut']:,} sent, {clips['left_out']:,} left out"
        if asked := clips.get("unclear", 0) + clips.get("near_misses", 0):
            kept += f", {asked:,} asked for by unclear alarms and near misses"
    if facts["error"]:
        return Text(f"{kept}, {facts['dropped']:,} samples lost: {facts['error']}", style="yellow")
    return Text(kept, style="dim")


def services(facts: Facts) -> RenderableType:
    """A row for each local service: its open connections, and those that came to nothing."""
    return Group(*(_service(each) for each in facts["services"]))


def _service(facts: Facts) -> Text:
    streams = f", {counted(facts['streams'], 'stream')} among them" if facts["streams"] else ""
    words = f"{facts['name']} service: {counted(facts['open'], 'connection')} open{streams}"
    ended = ", ".join(f"{count:,} {reason}" for reason, count in sorted(facts["ended"].items()))
    if ended:
        return Text(f"{words}; not served: {ended}", style="yellow")
    return Text(words, style="dim")
