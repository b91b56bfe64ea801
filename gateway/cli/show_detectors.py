"""Tables of detectors and of the alarms that they raised."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from gateway.api.alarms import Severity
from gateway.api.local_time import local_time
from gateway.api.wording import number
from gateway.cli.pieces import STYLE, Facts, name_of, plain_table, word

_BAR = 24


def detectors(facts: Facts) -> Table:
    """A table of detectors: whether each works, what it says, and its score against the threshold.

    Without a score, why there is none.
    """
    table = plain_table("detector", "works", "says", "score / threshold", "windows", "why not")
    for detector in facts["detectors"]:
        table.add_row(
            detector["name"],
            word(detector["state"]),
            _verdict(detector, facts),
            _bar(detector["score"], detector["threshold"], below=detector.get("below", False)),
            str(detector["scored"]),
            _why(detector),
        )
    return table


def _why(detector: Facts) -> str:
    """Why it says nothing, and since when it is blind."""
    if detector["state"] not in ("blind", "failed") or not detector.get("since"):
        return str(detector["reason"])
    since = local_time(detector["since"], "%H:%M")
    return f"since {since}: {detector['reason']}"


def _verdict(detector: Facts, facts: Facts) -> Text:
    """What a detector says of the machine, which is not whether the detector works."""
    mine = [alert for alert in facts["active"] if alert["detector"] == detector["name"]]
    if mine:
        worst = max((alert["severity"] for alert in mine), key=lambda s: Severity(s).rank)
        count = "ALARM" if len(mine) == 1 else f"{len(mine)} ALARMS"
        return Text(f"{count}, {name_of(facts, 'severity', worst)}", style=STYLE[worst])
    return Text("no alarm" if detector["state"] == "ok" else "–", style="dim")


def _bar(score: float | None, threshold: float | None, *, below: bool) -> Text:
    if score is None or threshold is None:
        return Text("–", style="dim")
    numbers = f"{number(score, 3)} / {number(threshold, 3)}"
    if below or threshold <= 0:
        # A bar from zero would say the contrary.
        is_beyond = score < threshold if below else score > threshold
        return Text(numbers, style="bold red" if is_beyond else "dim")
    ratio = score / threshold
    # The threshold is at two thirds of the bar, so that scores beyond it show.
    filled = max(0, min(_BAR, round(ratio * _BAR * 2 / 3)))
    style = "bold red" if ratio > 1 else "dim"
    bar = "█" * filled + "·" * (_BAR - filled)
    mark = round(_BAR * 2 / 3)
    return Text.assemble((bar[:mark], style), ("│", "bold"), (bar[mark:], style), f" {numbers}")


def alerts(facts: Facts) -> RenderableType:
    """A table of the active alarms and the last transitions, with ids, messages and causes.

    What follows from another alarm is indented below it.
    """
    if not facts["alerts"] and not facts["active"]:
        return Text("no alarms", style="dim")
    # What is wrong is of more use than what was done about it: the state says that.
    latest = {alert["id"]: alert for alert in [*facts["alerts"], *facts["active"]]}
    table = plain_table("time", "severity", "state", "alarm")
    # An id is there to be copied.
    table.columns[-1].overflow = "fold"
    newest = sorted(latest.values(), key=lambda a: -a["at"])[:8]
    for depth, alert in below_their_causes(newest):
        severity = alert["severity"]
        table.add_row(
            local_time(alert["at"], "%H:%M:%S"),
            Text(name_of(facts, "severity", severity), style=STYLE.get(severity, "")),
            name_of(facts, "state", alert["state"]),
            "\n".join("  " * depth + each for each in (alert["id"], alert["message"])),
        )
    return table


def below_their_causes(alerts: Sequence[Facts]) -> Iterator[tuple[int, Facts]]:
    """The alarms in their order, each with those that follow from it below it, and how deep."""
    ids = {alert["id"] for alert in alerts}
    shown = set[str]()

    def family(alert: Facts, depth: int) -> Iterator[tuple[int, Facts]]:
        if alert["id"] in shown:
            return
        shown.add(alert["id"])
        yield depth, alert
        for other in alerts:
            if other.get("caused_by") == alert["id"]:
                yield from family(other, depth + 1)

    first = [alert for alert in alerts if alert.get("caused_by") not in ids]
    # Another version's alarms may follow from each other in a ring.
    for alert in [*first, *alerts]:
        yield from family(alert, 0)
