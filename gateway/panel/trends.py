"""The plots of a page: tags over time, from the daemon's local history.

Promises
- What has no plot has a sentence that says why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from gateway.api.contracts import AndonError
from gateway.api.model import SECOND, Nanos
from gateway.api.visible import SENTENCE, brief
from gateway.control.client import ControlError
from gateway.panel.watch import Watch

HOURS = (1, 4, 8, 24)
HOUR: Nanos = 3600 * SECOND
BEFORE: Nanos = 600 * SECOND
"""What is shown before an alarm began."""
LONGEST: Nanos = 24 * HOUR
TAGS = 3
POINTS = 300


@dataclass(frozen=True)
class Plot:
    """One tag's values over time, as SVG."""

    name: str
    svg: Any


async def of_alarm(watch: Watch, alarm: Mapping[str, Any], now: Nanos) -> tuple[list[Plot], str]:
    """The plots of an alarm's first tags; a sentence if there are none."""
    tops = [tag for tag in alarm["top_tags"][:TAGS] if isinstance(tag.get("tag"), str)]
    if not tops:
        return [], ""
    return await _plots(watch, [tag["tag"] for tag in tops], 0, now)


async def of_tag(watch: Watch, tag: str, hours: int, now: Nanos) -> tuple[list[Plot], str]:
    """The plot of a tag over the last hours; a sentence if there is none."""
    return await _plots(watch, [tag], now - hours * HOUR, now)


async def _plots(
    watch: Watch, tags: Sequence[str], since: Nanos, until: Nanos
) -> tuple[list[Plot], str]:
    query = urlencode(
        [("tag", tag) for tag in tags] + [("since", since), ("until", until), ("points", POINTS)]
    )
    try:
        await watch.ask(f"/trend?{query}")
    except AndonError as error:
        if isinstance(error, ControlError) and error.status == 404:
            return [], "The daemon of this line has no trends."
        return [], brief(str(error), SENTENCE)
    return [], ""
