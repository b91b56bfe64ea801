"""Checks the alarms that a line file names in `caused_by`.

Promises
- Each of them is an alarm of the line, andon's own among them, and none is named by itself.
- Alarms that follow from each other in a ring are rejected: none would be the cause.
"""

from collections.abc import Iterator, Mapping, Sequence

from gateway.api.alarms import Alarm
from gateway.api.contracts import Detector
from gateway.api.nearest import nearest
from gateway.config.document import Document, Where
from gateway.config.load import LineConfig
from gateway.config.problems import Problem
from gateway.core.drift import DETECTOR as MODELS
from gateway.core.drift import ModelHealth
from gateway.core.freshness import DETECTOR as DATA
from gateway.core.freshness import FreshnessWatch

_KEY = "caused_by"


def unknown_upstream(config: LineConfig, detectors: Mapping[str, Detector]) -> list[Problem]:
    """Problems of what `caused_by` names; empty without a document."""
    document = config.document
    if document is None:
        return []
    alarms = {f"{n}.{alarm.name}": alarm for n, each in detectors.items() for alarm in each.alarms}
    timing, names = config.file.timing, [tag.name for tag in config.tags]
    watch = FreshnessWatch(config.tags, timing.stale_periods, timing.hold_periods)
    own = {f"{DATA}.{alarm.name}": alarm for alarm in watch.alarms}
    own |= {f"{MODELS}.{alarm.name}": alarm for alarm in ModelHealth(detectors, names).alarms}
    # The other alarms of a ring would repeat its problem.
    rings = [name for name in alarms if _is_ring(name, alarms)][:1]
    return [
        *_unknown(document, [*alarms, *own]),
        *(_ring(document, name, alarms) for name in rings),
    ]


def _unknown(document: Document, known: Sequence[str]) -> Iterator[Problem]:
    for where in _places(document):
        for name in _named(document, where):
            if name not in known:
                message = f"the line has no alarm {name}"
                yield document.problem(where, message, nearest(name, known), at="value")


def _is_ring(name: str, alarms: Mapping[str, Alarm]) -> bool:
    """Whether an alarm follows from itself, maybe by way of others."""
    waiting, seen = list(alarms[name].caused_by), set[str]()
    while waiting:
        cause = waiting.pop()
        if cause == name:
            return True
        if cause not in seen and cause in alarms:
            seen.add(cause)
            waiting += alarms[cause].caused_by
    return False


def _ring(document: Document, name: str, alarms: Mapping[str, Alarm]) -> Problem:
    detector = name.partition(".")[0]
    mine = [place for place in _places(document) if place[1] == detector]
    wanted = alarms[name].caused_by
    fitting = [place for place in mine if tuple(_named(document, place)) == tuple(wanted)]
    message = f"{name} follows from itself"
    hint = "name only alarms that do not follow from this one"
    return document.problem((fitting or mine)[0], message, hint, at="value")


def _places(document: Document) -> list[Where]:
    return [where for where in document.keys if where[:1] == ("detectors",) and where[-1] == _KEY]


def _named(document: Document, where: Where) -> Sequence[str]:
    given = document.get(*where)
    given = [given] if isinstance(given, str) else given
    return [name for name in given if isinstance(name, str)] if isinstance(given, list) else []
