"""Parquet files that mean harm or are broken, each for one weakness of a reader."""

import io
import struct

import numpy as np
import pyarrow as pa
from pyarrow import parquet
from raw_parquet import (
    BYTE_ARRAY,
    DELTA_BYTE_ARRAY,
    DELTA_LENGTH_BYTE_ARRAY,
    DOUBLE,
    FIRST,
    FIXED,
    FLOW,
    GZIP,
    INT64,
    MAGIC,
    RLE_DICTIONARY,
    TIME,
    ZSTD,
    chunk,
    element,
    file,
    group,
    i32,
    items,
    page,
    record,
    repeated,
    simple,
    text,
    times,
    varint,
)

ROWS = 100
BILLION = 10**9


def dictionary_bomb(rows, copies=1):
    """A number that a dictionary repeats in each row."""
    return typed(DOUBLE, struct.pack("<d", 7.5), rows, copies)


def text_bomb(length, rows):
    """A text that a dictionary repeats in each row."""
    word = struct.pack("<I", length) + b"a" * length
    return typed(BYTE_ARRAY, word, rows, f10=record(f1=record()))


def typed(kind, word, rows, copies=1, **logical):
    """Two columns of one repeated value each: times of one moment, and `kind`."""
    parts, chunks, at = b"", [], len(MAGIC)
    moment = struct.pack("<q", FIRST)
    for of, name, value in ((INT64, "time", moment), (kind, "flow", word)):
        first = page(value, 1, kind=2, codec=ZSTD)
        rest = page(repeated(rows), rows, encoding=RLE_DICTIONARY)
        # A codec holds for all pages of a chunk: the second one is stored packed, too.
        rest = page(repeated(rows), rows, encoding=RLE_DICTIONARY, codec=ZSTD)
        begin = at + len(parts)
        parts += first + rest
        size = len(first) + len(rest)
        chunks.append(
            chunk(of, name, begin + len(first), size, rows, codec=ZSTD, dictionary_at=begin)
        )
    schema = [element("schema", children=2), TIME, element("flow", kind, repetition=0, **logical)]
    return file(schema, [group(chunks, rows)] * copies, parts, rows * copies)


def prefix_bomb(length, rows):
    """Each text is the one before it and nothing more: a few bytes for any number of texts."""
    rest = (varint(0) + bytes(4)) * (-(-(rows - 1) // 128) - 1)
    head = varint(128) + varint(4) + varint(rows)
    # Lengths of prefixes are 0, L, L, ...: the first difference is L, the others are 0.
    prefixes = head + varint(0) + varint(0) + bytes([32, 0, 0, 0])
    prefixes += struct.pack("<I", length) + bytes(124) + rest
    # Lengths of what follows them are L, 0, 0, ...: the lowest difference is -L.
    others = head + varint(length * 2) + varint(length * 2 - 1) + bytes([32] * 4)
    others += struct.pack("<I", 0) + struct.pack("<I", length) * 127 + rest
    flow = page(prefixes + others + b"b" * length, rows, encoding=DELTA_BYTE_ARRAY)
    word = element("flow", BYTE_ARRAY, repetition=0, f6=i32(0))
    return simple(rows, flow=flow, column=word, kind=BYTE_ARRAY)


def texts_claimed(count, encoding=DELTA_LENGTH_BYTE_ARRAY):
    """A page of texts whose own first bytes, which no header repeats, claim so many of them."""
    lengths = varint(128) + varint(4) + varint(count) + varint(0) + bytes(60)
    flow = page(lengths * 2, ROWS, encoding=encoding)
    return simple(flow=flow, column=element("flow", BYTE_ARRAY, repetition=0, f6=i32(0)),
                  kind=BYTE_ARRAY)  # fmt: skip


def two_headers(first, second):
    """A page with a header of each version, which differ in the number of values."""
    flow = struct.pack(f"<{ROWS}d", *range(ROWS))
    size = i32(len(flow))
    of_1 = record(f1=i32(first), f2=i32(0), f3=i32(3), f4=i32(3))
    of_2 = record(f1=i32(second), f2=i32(0), f3=i32(second), f4=i32(0), f5=i32(0), f6=i32(0))
    return simple(flow=record(f1=i32(0), f2=size, f3=size, f5=of_1, f8=of_2)[1] + flow)


def long_decimals(kind, length, rows):
    """Decimals of so many bytes, which a dictionary repeats in each row."""
    word = bytes(length) if kind == FIXED else struct.pack("<I", length) + bytes(length)
    decimal = {"f6": i32(5), "f7": i32(0), "f8": i32(38)}
    return typed(kind, word, rows, f2=i32(length), f10=record(
        f5=record(f1=i32(0), f2=i32(38))), **decimal)  # fmt: skip


def columns(count, rows=2, name="c{}"):
    """So many columns, all with the same pages."""
    first = page(times(rows), rows)
    second = page(struct.pack(f"<{rows}d", *range(rows)), rows)
    at = len(MAGIC)
    chunks = [chunk(INT64, "time", at, len(first), rows)]
    names = [name.format(n) for n in range(count)]
    chunks += [chunk(DOUBLE, each, at + len(first), len(second), rows) for each in names]
    schema = [element("schema", children=count + 1), TIME]
    schema += [element(each, DOUBLE, repetition=0) for each in names]
    return file(schema, [group(chunks, rows)], first + second, rows)


def nested(depth):
    """A column within a column, and so on."""
    levels = [element(f"g{n}", children=1, f3=i32(1)) for n in range(depth)]
    return file([element("schema", children=2), TIME, *levels, FLOW], [], b"", 0)


def nest_of_structs(depth):
    """A footer with an unknown field that is nested for ever."""
    return file(
        [element("schema", children=2), TIME, FLOW],
        [],
        f15000=(12, b"\x1c" * depth + bytes(depth + 1)),
    )


def written(columns, **options):
    out = io.BytesIO()
    parquet.write_table(pa.table(columns), out, **options)
    return out.getvalue()


def table(**more):
    rows = np.arange(ROWS)
    base = {"time": pa.array(rows * 10**9 + FIRST, pa.timestamp("ns", tz="UTC"))}
    return base | {"flow": pa.array(rows * 0.5 % 7.0)} | more


def lies():
    """What a file says of itself, and is not so."""
    flow = struct.pack(f"<{ROWS}d", *(n * 0.5 % 7 for n in range(ROWS)))
    yield "a page that claims 2 GB", simple(flow=page(flow, ROWS, expanded=2**31 - 1))
    yield "a page of a negative size", simple(flow=page(flow, ROWS, expanded=-1))
    yield "a page that is longer than its column", simple(flow=page(flow, ROWS, compressed=10**6))
    yield "a page of a negative length", simple(flow=page(flow, ROWS, compressed=-5))
    yield "a page with a billion values", simple(flow=page(flow, BILLION))
    yield "a page with a negative count", simple(flow=page(flow, -ROWS))
    yield "a page of a type that does not exist", simple(flow=page(flow, ROWS, encoding=99))
    yield "billions of rows claimed", simple(claimed=10**10)
    yield "more rows than 64 bits", simple(claimed=2**63 - 1)
    yield "a negative number of rows", simple(claimed=-1)
    yield "columns of different lengths", simple(chunk_rows=ROWS - 1)
    yield "a row group with other rows", simple(group_rows=ROWS + 1)
    yield "a row group of no rows", simple(group_rows=0)
    yield "a page with two headers", two_headers(2**31 - 1, ROWS)
    yield "a footer longer than the file", simple(0)[:-8] + struct.pack("<I", 2**31) + MAGIC
    yield "a footer of nothing", MAGIC + struct.pack("<I", 0) + MAGIC
    yield "hundreds of thousands of row groups", simple(copies=180_000)
    yield (
        "a list of 2 billion elements",
        file([element("schema", children=2), TIME, FLOW], [], f5=items([record()], count=2**31)),
    )
    yield (
        "pages behind the end",
        file(
            [element("schema", children=2), TIME, FLOW],
            [
                group(
                    [chunk(INT64, "time", 10**9, 800, ROWS), chunk(DOUBLE, "flow", 4, 800, ROWS)],
                    ROWS,
                )
            ],
            rows=ROWS,
        ),
    )
    yield (
        "pages before the beginning",
        file(
            [element("schema", children=2), TIME, FLOW],
            [
                group(
                    [chunk(INT64, "time", -4, 800, ROWS), chunk(DOUBLE, "flow", 4, 800, ROWS)], ROWS
                )
            ],
            rows=ROWS,
        ),
    )
    yield (
        "a chunk of 2^62 bytes",
        file(
            [element("schema", children=2), TIME, FLOW],
            [
                group(
                    [chunk(INT64, "time", 4, 2**62, ROWS), chunk(DOUBLE, "flow", 4, 800, ROWS)],
                    ROWS,
                )
            ],
            rows=ROWS,
        ),
    )
    yield (
        "a row group without columns",
        file([element("schema", children=2), TIME, FLOW], [group([], ROWS)], rows=ROWS),
    )
    yield "another magic at the end", simple()[:-4] + b"PAR2"
    yield "an encrypted footer", simple()[:-4] + b"PARE"
    yield "cut in the middle", simple()[:500]
    yield "four bytes", MAGIC
    yield "only zeros", MAGIC + bytes(100_000) + MAGIC
    yield "a length that is none", MAGIC + b"\xff" * 12 + MAGIC


def bombs():
    """Small files that expand."""
    yield "a billion equal numbers", dictionary_bomb(BILLION)
    yield "two billion equal numbers", dictionary_bomb(2**31 - 10)
    yield "a thousand row groups of a billion", dictionary_bomb(BILLION, copies=1_000)
    yield "an equal text of 1 MB in a million rows", text_bomb(10**6, 10**6)
    yield "a text of 100 MB in each of ten thousand rows", text_bomb(10**8, 10**4)
    yield "texts that repeat a prefix", prefix_bomb(10**6, 100_000)
    for count in (10**9, 2**31 - 1, 2**32 - 1):
        yield f"{count:,} texts claimed within a page", texts_claimed(count)
        yield f"{count:,} prefixes claimed within a page", texts_claimed(count, DELTA_BYTE_ARRAY)
    for length, rows in ((10**5, 10**6), (10**6, 10**4), (10**7, 1_000)):
        yield f"decimals of {length:,} bytes", long_decimals(BYTE_ARRAY, length, rows)
        yield f"decimals of {length:,} fixed bytes", long_decimals(FIXED, length, rows)
    zeros = bytes(100_000_000)
    yield (
        "a page of zeros in zstd",
        simple(flow=page(zeros, ROWS, codec=ZSTD, expanded=2**31 - 1), codec=ZSTD),
    )
    yield "a page of zeros in gzip", simple(flow=page(zeros, ROWS, codec=GZIP), codec=GZIP)
    yield (
        "a page that claims less than it holds",
        simple(flow=page(zeros, ROWS, codec=ZSTD, expanded=800), codec=ZSTD),
    )
    yield (
        "a page that claims to be empty",
        simple(flow=page(zeros, ROWS, codec=ZSTD, expanded=0), codec=ZSTD),
    )
    yield (
        "a hundred thousand columns",
        file([element("schema", children=100_001), TIME, *[FLOW] * 100_000], []),
    )
    yield "six thousand columns", columns(6_000)
    yield "two columns in many row groups", simple(copies=120_000)
    yield "a schema nested a thousand levels", nested(1_000)
    yield "a schema nested ten thousand levels", nested(9_900)
    yield "structures nested for ever", nest_of_structs(1_000_000)
    yield (
        "metadata of 20 MB",
        file(
            [element("schema", children=2), TIME, FLOW],
            [],
            f5=items([record(f1=text("x"), f2=text(b"y" * 20_000_000))]),
        ),
    )
    yield (
        "many pairs of metadata",
        file(
            [element("schema", children=2), TIME, FLOW],
            [],
            f5=items([record(f1=text("x"))] * 300_000),
        ),
    )
    yield "a name of 5 MB", columns(1, name="n" * 5_000_000)
    yield (
        "a schema that claims a billion children",
        file([element("schema", children=BILLION), TIME, FLOW], []),
    )
    yield "many empty pages", simple(flow=page(b"", 0) * 300_000 + page(bytes(800), ROWS))


def odd():
    """Files that a library wrote, of kinds that no recording has; many can be read in part."""
    rows = range(ROWS)
    words = pa.array([f"w{n % 3}" for n in rows])
    yield "lists", written(table(a=pa.array([[n] * 50 for n in rows])))
    yield "lists of lists", written(table(a=pa.array([[[n]] for n in rows])))
    yield "structures", written(table(a=pa.array([{"b": n, "c": {"d": n}} for n in rows])))
    yield (
        "maps",
        written(table(a=pa.array([[("k", n)] for n in rows], pa.map_(pa.string(), pa.int64())))),
    )
    yield "bytes", written(table(a=pa.array([b"\xff\x00"] * ROWS)))
    yield (
        "decimals of 76 digits",
        written(table(a=pa.array([10**70 + n for n in rows], pa.decimal256(76, 0)))),
    )
    yield "huge counters", written(table(a=pa.array([2**64 - 1 - n for n in rows], pa.uint64())))
    yield "infinities", written(table(a=pa.array([np.inf, -np.inf] * (ROWS // 2))))
    yield "durations", written(table(a=pa.array(rows, pa.duration("s"))))
    yield "times of day", written(table(a=pa.array(rows, pa.time64("us"))))
    yield (
        "text that is not UTF-8",
        written(table(a=pa.array([b"\xff\xfe"] * ROWS).view(pa.string()))),
    )
    yield (
        "times before the beginning",
        written(table() | {"time": pa.array([-(2**62) - n for n in rows], pa.timestamp("ms"))}),
    )
    yield (
        "times at the end of 64 bits",
        written(table() | {"time": pa.array([2**63 - ROWS + n for n in rows], pa.timestamp("ns"))}),
    )
    yield (
        "times that are null",
        written(table() | {"time": pa.array([None] * ROWS, pa.timestamp("ns"))}),
    )
    yield "no rows", written({name: each[:0] for name, each in table().items()})
    yield "no columns", written({})
    yield "one column", written({"time": table()["time"]})
    yield "only words", written({"time": words, "flow": words})
    yield "a column without a name", written({**table(), "": words})
    yield "names with dots", written({**table(), "flow.x": words, "a.b.c": table()["flow"]})
    yield "a name with an escape", written({**table(), "\x1b[31mred": table()["flow"]})
    yield "a column of nulls", written(table(a=pa.nulls(ROWS)))
    yield "large texts", written(table(a=pa.array(words, pa.large_string())))
    yield "words by number", written(table(a=words.dictionary_encode()))
    yield "half floats", written(table(a=pa.array(np.arange(ROWS, dtype=np.float16))))
    yield (
        "gaps of a century",
        written(
            table()
            | {"time": pa.array([FIRST + 10**18 * (n % 4) + n for n in rows], pa.timestamp("ns"))}
        ),
    )
    yield (
        "a time of the value",
        written({"time": table()["time"], "tag": words, "value": table()["time"]}),
    )
    yield "milliseconds that are times", written(table(ms=pa.array(rows, pa.timestamp("s"))))


PARQUET = {**dict(lies()), **dict(bombs()), **dict(odd())}
"""By name, the bytes of each."""
MUST_FAIL = {*dict(lies()), *dict(bombs())} - {"a page of zeros in gzip"}
