"""Numbers as the machine writes them: digits and a point."""

from typing import Any

import numpy as np

from gateway.api.model import Floats
from gateway.history.delimited.cells import MISSING

_FIRST = 1_000


def are_missing(column: Any) -> Any:
    """Which cells say that there is no value."""
    import pyarrow as pa
    from pyarrow import compute

    known = pa.array(sorted(MISSING), pa.string())
    return compute.is_in(compute.utf8_lower(column), value_set=known)


def plain(column: Any) -> Floats | None:
    """The numbers of a column that holds nothing else but missing values; None otherwise."""
    import pyarrow as pa
    from pyarrow import compute

    try:
        # Most columns that fail do so in their first rows; a cast that fails is slow.
        _without_missing(column[:_FIRST])
        return floats(compute.if_else(compute.equal(column, ""), None, column))
    except pa.ArrowInvalid:
        pass
    try:
        _without_missing(column[:_FIRST])
        return _without_missing(column)
    except pa.ArrowInvalid:
        return None


def _without_missing(column: Any) -> Floats:
    from pyarrow import compute

    return floats(compute.if_else(are_missing(column), None, column))


def floats(column: Any) -> Floats:
    """A column of numbers or text as float64, NaN for null and infinity; ArrowInvalid."""
    import pyarrow as pa

    values = np.array(column.cast(pa.float64()).to_numpy(zero_copy_only=False))
    values[~np.isfinite(values)] = np.nan
    return values


def typed(column: Any) -> Floats | None:
    """The numbers of a column of Parquet; None if it holds none."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    elif not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        return None
    # Large counters lose their last digits, as on the line.
    values = np.array(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
    values[~np.isfinite(values)] = np.nan
    return values
