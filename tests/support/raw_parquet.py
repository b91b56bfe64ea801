"""Parquet files byte by byte, so that a test can write what no library would."""

import struct
import zlib

import pyarrow as pa

MAGIC = b"PAR1"
INT32, INT64, DOUBLE, BYTE_ARRAY, FIXED = 1, 2, 5, 6, 7
PLAIN, RLE, DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY, RLE_DICTIONARY = 0, 3, 6, 7, 8
NONE, GZIP, ZSTD = 0, 2, 6
FIRST = 1_773_129_600_000_000_000
_I32, _I64, _BINARY, _LIST, _STRUCT = 5, 6, 8, 9, 12


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def zigzag(number):
    return varint((number << 1) ^ (number >> 63))


def i32(number):
    return _I32, zigzag(number)


def i64(number):
    return _I64, zigzag(number)


def text(data):
    data = data.encode() if isinstance(data, str) else data
    return _BINARY, varint(len(data)) + data


def items(values, count=None):
    """A list of values, all of one type; it claims `count` of them."""
    kind = values[0][0] if values else _STRUCT
    count = len(values) if count is None else count
    return _LIST, bytes([0xF0 | kind]) + varint(count) + b"".join(data for _, data in values)


def record(**fields):
    """A structure; the names of its fields are f1, f2, ..."""
    out = b""
    for name, (kind, data) in sorted(fields.items(), key=lambda each: int(each[0][1:])):
        out += bytes([kind]) + zigzag(int(name[1:])) + data
    return _STRUCT, out + b"\0"


def element(name, kind=None, children=None, repetition=1, **more):
    """A column of the schema, or a group of some."""
    fields = {"f4": text(name), **more}
    if kind is not None:
        fields |= {"f1": i32(kind), "f3": i32(repetition)}
    if children is not None:
        fields |= {"f5": i32(children)}
    return record(**fields)


TIME = element("time", INT64, repetition=0, f10=record(f8=record(
    f1=(1, b""), f2=record(f3=record()))))  # fmt: skip
FLOW = element("flow", DOUBLE, repetition=0)


def packed(data, codec):
    if codec == GZIP:
        return zlib.compress(data, wbits=31)
    return pa.compress(data, "zstd", asbytes=True) if codec == ZSTD else data


def page(content, rows, *, kind=0, encoding=PLAIN, codec=NONE, expanded=None, compressed=None):
    """A page of data (kind 0) or a dictionary (kind 2) with its header, which may lie."""
    body = packed(content, codec)
    head = {0: "f5", 2: "f7"}[kind]
    of = {"f1": i32(rows), "f2": i32(encoding)}
    if kind == 0:
        of |= {"f3": i32(RLE), "f4": i32(RLE)}
    header = record(
        f1=i32(kind),
        f2=i32(len(content) if expanded is None else expanded),
        f3=i32(len(body) if compressed is None else compressed),
        **{head: record(**of)},
    )
    return header[1] + body


def repeated(rows, width=1):
    """Indices of a dictionary, all of them 0: a few bytes for any number of rows."""
    return bytes([width]) + varint(rows << 1) + bytes(-(-width // 8))


def chunk(kind, name, at, size, rows, **more):
    """The description of a column in a row group."""
    codec, first = more.pop("codec", NONE), more.pop("dictionary_at", None)
    about = {
        "f1": i32(kind), "f2": items([i32(PLAIN)]), "f3": items([text(name)]), "f4": i32(codec),
        "f5": i64(rows), "f6": i64(size), "f7": i64(size), "f9": i64(at),
    }  # fmt: skip
    if first is not None:
        about["f11"] = i64(first)
    return record(f2=i64(at), f3=record(**about | more))


def times(rows):
    return struct.pack(f"<{rows}q", *(FIRST + n * 1_000_000_000 for n in range(rows)))


def file(schema, groups, body=b"", rows=0, *, head=MAGIC, tail=MAGIC, length=None, **more):
    """A file whose footer has this schema and these row groups."""
    footer = record(
        f1=i32(2), f2=items(schema), f3=i64(rows), f4=items(groups), **more
    )[1]  # fmt: skip
    size = len(footer) if length is None else length
    return head + body + footer + struct.pack("<I", size) + tail


def group(chunks, rows):
    return record(f1=items(chunks), f2=i64(1_000), f3=i64(rows))


def simple(
    rows=100, claimed=None, flow=None, *, chunk_rows=None, group_rows=None, copies=1, column=FLOW,
    kind=DOUBLE, **more,
):  # fmt: skip
    """A table of `time` and `flow`: `flow` are its pages, and what they claim may be false."""
    claimed = rows if claimed is None else claimed
    first = page(times(rows), rows)
    second = (
        page(struct.pack(f"<{rows}d", *(n * 0.5 % 7 for n in range(rows))), rows)
        if flow is None
        else flow
    )
    at = len(MAGIC)
    chunks = [
        chunk(INT64, "time", at, len(first), claimed if chunk_rows is None else chunk_rows),
        chunk(kind, "flow", at + len(first), len(second), claimed, **more),
    ]
    each = group(chunks, claimed if group_rows is None else group_rows)
    schema = [element("schema", children=2), TIME, column]
    return file(schema, [each] * copies, first + second, claimed * copies)
