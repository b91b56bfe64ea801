"""What the data of tags says of their sensors, in the classes of NAMUR NE 107. Pure.

Promises
- A tag whose data is good, or merely late, is normal. All others have one class and a reason.
- Each source has alarms of its own for each class that its tags can have: `lost` while all its tags
  have failed, `no_data` for some of them, and one for each of the other classes. A source that is
  lost says nothing new about single tags, so it neither raises nor clears their alarms.
"""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from gateway.api.alarms import Alarm, Severity
from gateway.api.model import SECOND, Bools, Tag

ON_DELAY = 2 * SECOND
OFF_DELAY = 2 * SECOND


class DeviceStatus(IntEnum):
    """NE 107, the least serious first; `name.lower()` is how it is stored."""

    NORMAL = 0
    MAINTENANCE_REQUIRED = 1
    """It can be used, and needs attention soon: its clock is wrong."""
    OUT_OF_SPECIFICATION = 2
    """Beyond the tag's bounds, or uncertain as the device itself says."""
    CHECK_FUNCTION = 3
    """There is data, and it may not be that of the process: it is frozen."""
    FAILURE = 4
    """No usable data: stale, never seen, or bad as the device says."""


_OTHERS = {
    DeviceStatus.OUT_OF_SPECIFICATION: Severity.MEDIUM,
    DeviceStatus.CHECK_FUNCTION: Severity.MEDIUM,
    DeviceStatus.MAINTENANCE_REQUIRED: Severity.LOW,
}


def classes_of(tags: Sequence[Tag]) -> tuple[DeviceStatus, ...]:
    """The classes below failure that some of these tags can have, in the order of their alarms."""
    may_freeze = any(tag.frozen_after for tag in tags)
    return tuple(each for each in _OTHERS if may_freeze or each != DeviceStatus.CHECK_FUNCTION)


def alarms_of(source: str, tags: Sequence[Tag]) -> Sequence[Alarm]:
    """The alarms of a source: `lost`, `no_data`, and one for each of `classes_of`."""
    failure = DeviceStatus.FAILURE
    kinds = [("lost", Severity.HIGH, failure), ("no_data", Severity.HIGH, failure)]
    kinds += [(each.name.lower(), _OTHERS[each], each) for each in classes_of(tags)]
    return [
        Alarm(
            f"{source}.{name}",
            threshold=0.5,
            severity=severity,
            on_delay=ON_DELAY,
            off_delay=OFF_DELAY,
            scope=tuple(tag.name for tag in tags),
            updates=True,
            ne107=status.name.lower(),
        )
        for name, severity, status in kinds
    ]


def judged(
    status: NDArray[np.int64], awaited: Bools, classes: Sequence[DeviceStatus]
) -> list[float]:
    """The scores of a source's alarms: how many tags; NaN where that cannot be told."""
    failed = status == DeviceStatus.FAILURE
    silent = float((failed & ~awaited).sum())
    if failed.all():
        return [silent or np.nan, np.nan, *([np.nan] * len(classes))]
    no_data = silent or (np.nan if (failed & awaited).any() else 0.0)
    return [0.0, no_data, *(float((status == each).sum()) for each in classes)]
