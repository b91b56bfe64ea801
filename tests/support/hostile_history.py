"""History files that no daemon wrote, with the right checksum in each name."""

import io
import random
import zlib

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from gateway.api.model import SECOND
from gateway.history.names import Name
from gateway.history.table import schema

START = 1_773_129_600 * SECOND
ROWS = 120


def table(facts=None, **columns):
    rows = np.arange(len(columns.get("time", range(ROWS))))
    at = pa.array(START + rows * SECOND, pa.timestamp("ns", tz="UTC"))
    base = {
        "time": at,
        "tag": pa.array(["flow", "level"] * (len(rows) // 2)),
        "value": pa.array(rows % 7 * 0.5),
        "quality": pa.array(["good"] * len(rows)),
        "arrived": at,
    } | columns
    facts = {"line": "press-3", "started": str(START), **(facts or {})}
    known = schema(facts)
    for name in ("tag", "quality"):
        if isinstance(base[name], pa.Array) and pa.types.is_string(base[name].type):
            base[name] = base[name].dictionary_encode()
    return pa.table(base).replace_schema_metadata(known.metadata)


def written(content, **options):
    out = io.BytesIO()
    parquet.write_table(content, out, **options)
    return out.getvalue()


def stamps(*numbers):
    return pa.array(list(numbers), pa.timestamp("ns", tz="UTC"))


def named(data, first=1):
    """The name that a file with this content has."""
    return str(Name(1, first, first, START, zlib.crc32(data)))


def members():
    honest = written(table())
    yield "honest", honest
    for started in ("", "x", "-1", "0", "1", "9" * 18, "9" * 5_000, "\u0663\u0663", "1.5", " 1",
                    str(2**62), str(2**63), str(START + 10**18)):  # fmt: skip
        yield f"started {started[:20]!r}", written(table({"started": started}))
    yield "another version", written(table().replace_schema_metadata({"andon.history": "2"}))
    yield (
        "facts that are no text",
        written(
            table().replace_schema_metadata({b"andon.history": b"1", b"andon.started": b"\xff\xfe"})
        ),
    )
    far = [0, 1, 2**62, 2**63 - 1, -(2**63) + 1, START + 10**18, START - 10**18, START + 10**12]
    for at in far:
        ends = stamps(*([START] * (ROWS - 1)), at)
        yield f"arrived at {at}", written(table(arrived=ends))
        yield f"of {at}", written(table(time=ends))
        yield f"arrived and of {at}", written(table(time=ends, arrived=ends))
    yield "arrivals that go back", written(table(arrived=stamps(*(START - n for n in range(ROWS)))))
    yield "times that are null", written(table(time=stamps(*[None] * ROWS)))
    yield "arrivals that are null", written(table(arrived=stamps(*[None] * ROWS)))
    yield "values without end", written(table(value=pa.array([np.inf, -np.inf] * (ROWS // 2))))
    yield "values that are null", written(table(value=pa.array([None] * ROWS, pa.float64())))
    yield "tags that are null", written(table(tag=pa.array([None] * ROWS, pa.string())))
    yield "a tag in each row", written(table(tag=pa.array([f"t{n}" for n in range(ROWS)])))
    yield "a tag of 1 MB", written(table(tag=pa.array(["x" * 1_000_000] * ROWS)))
    yield "unknown qualities", written(table(quality=pa.array(["great"] * ROWS)))
    yield "qualities that are null", written(table(quality=pa.array([None] * ROWS, pa.string())))
    for name in table().column_names:
        yield f"without {name}", written(table().drop_columns([name]))
        yield f"{name} as numbers", written(table(**{name: pa.array(range(ROWS))}))
        yield f"{name} as lists", written(table(**{name: pa.array([[n] for n in range(ROWS)])}))
    yield "another column", written(table(more=pa.array(range(ROWS))))
    yield "no rows", written(table().slice(0, 0))
    yield "a row group for each row", written(table(), row_group_size=1)
    for name in ("tag", "quality"):
        plain = dict.fromkeys(table().column_names, "PLAIN") | {name: "DELTA_BYTE_ARRAY"}
        yield (
            f"{name} in another encoding",
            written(table(), use_dictionary=False, column_encoding=plain),
        )
    many = 2**21
    yield (
        "a row group of two million rows",
        written(
            table(
                time=pa.array(np.arange(many) + START, pa.timestamp("ns", tz="UTC")),
                arrived=pa.array(np.arange(many) + START, pa.timestamp("ns", tz="UTC")),
            ),
            row_group_size=many,
            compression="zstd",
        ),
    )
    rng = random.Random(1)
    for n in range(20):
        spoilt = bytearray(honest)
        for _ in range(rng.choice((1, 2, 5))):
            spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
        yield f"mutation {n}", bytes(spoilt)


HISTORY = dict(members())
"""By name, the bytes of each."""
