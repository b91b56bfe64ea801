"""Honest recordings that were flipped, cut and spliced: read, or refused in a sentence."""

import io
import os
import warnings
import zlib

import numpy as np
import pyarrow as pa
import pytest
from hostile_history import HISTORY, named
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from malformed import edited
from pyarrow import parquet

from gateway.api.contracts import ConfigError
from gateway.history import read as history
from gateway.history.reading import Reading
from gateway.history.wide import read_file

EXAMPLES = 20_000 if os.environ.get("ANDON_HOSTILE") == "long" else 100
ROWS = 40
FIRST = 1_773_129_600 * 10**9
READING = Reading(now=FIRST + 10**18, most_values=1_000_000)


def texts():
    """The same table in several dialects."""
    at = [f"2026-03-10 08:00:{n:02}" for n in range(ROWS)]
    table = [("time", "flow", "level"), *((t, f"{n % 7}.5", str(n % 3)) for n, t in enumerate(at))]
    yield "\n".join(",".join(row) for row in table).encode()
    yield "\r\n".join(";".join(row).replace(".", ",") for row in table).encode("utf-16")
    yield "\n".join("\t".join(f'"{cell}"' for cell in row) for row in table).encode("cp1252")
    yield "\n".join(" ".join((row[0].replace(" ", "T"), *row[1:])) for row in table).encode()
    yield ("# Logger\nsep=;\n" + "\n".join(";".join(row) for row in table)).encode()
    tags = [f"{t}+01:00,{name},{n % 5}.25,Good" for n, t in enumerate(at) for name in ("a", "b")]
    yield "\n".join(("time,tag,value,quality", *tags)).encode()
    clocks = [f"10/03/2026,08.{n:02},{n % 7} bar,{n}" for n in range(ROWS)]
    yield "\n".join(("Date,Time,oil,ms", *clocks)).encode()


def tables():
    """The same table in several encodings of Parquet."""
    rows = np.arange(ROWS)
    base = {
        "time": pa.array(rows * 10**9 + FIRST, pa.timestamp("ns", tz="UTC")),
        "flow": pa.array(rows * 0.5 % 7),
        "count": pa.array(rows % 5),
        "word": pa.array([f"w{n % 3}" for n in rows]),
        "some": pa.array([None if n % 3 else n * 0.25 for n in rows]),
    }
    deltas = {"time": "DELTA_BINARY_PACKED", "count": "DELTA_BINARY_PACKED",
              "flow": "BYTE_STREAM_SPLIT", "word": "DELTA_BYTE_ARRAY"}  # fmt: skip
    nested = {"list": pa.array([[n] for n in rows]), "flag": pa.array(rows % 2 == 0)}
    for columns, options in (
        (base, {}),
        (base, {"compression": "zstd", "use_dictionary": False, "row_group_size": 15}),
        (base, {"compression": "none", "data_page_version": "2.0"}),
        (base, {"compression": "none", "use_dictionary": False, "column_encoding": deltas}),
        (base | nested, {"compression": "gzip", "data_page_size": 100, "write_batch_size": 10}),
    ):
        out = io.BytesIO()
        parquet.write_table(pa.table(columns), out, **options)
        yield out.getvalue()


TEXTS, TABLES = list(texts()), list(tables())
edits = st.lists(
    st.tuples(
        st.sampled_from(["replace", "delete", "insert", "cut", "flip"]),
        st.integers(0, 2**20),
        st.binary(min_size=1, max_size=8),
    ),
    min_size=1, max_size=6,
)  # fmt: skip
splices = st.none() | st.tuples(st.integers(0, 2**20), st.integers(0, 2**20), st.integers(0, 2**20))


def spoilt(data, changes, splice, *, at_end):
    """The data with changes; those of Parquet are mostly made in its footer."""
    start = max(0, len(data) - 700) if at_end else 0
    for what, at, new in changes:
        room = max(1, len(data) - start)
        data = edited(data, [(what, at % room, new)], start)
    if splice is not None and data:
        begin, end, to = (each % len(data) for each in splice)
        data = data[:to] + data[min(begin, end) : max(begin, end)] + data[to:]
    return data


def is_read(path):
    """Reads a file; only an error that names it may come of that."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            recording = read_file(path, READING)
    except ConfigError as error:
        refused = str(error)
    else:
        refused = ""
    if refused:
        assert str(path) in refused
        return
    assert recording.values.shape == (len(recording.times), len(recording.names))
    assert (np.diff(recording.times) >= 0).all()
    assert not np.isinf(recording.values).any()


fuzzed = settings(
    max_examples=EXAMPLES, deadline=None, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def test_all_are_read_as_they_are(tmp_path):
    for n, data in enumerate((*TEXTS, *TABLES)):
        path = tmp_path / f"{n}.{'csv' if n < len(TEXTS) else 'parquet'}"
        path.write_bytes(data)
        said = Reading(now=READING.now, time_format="%d/%m/%Y %H.%M" if n == 6 else None)
        assert len(read_file(path, said).times) >= ROWS - 1


@pytest.mark.timeout(3_600)
@seed(13)
@fuzzed
@given(st.sampled_from(TEXTS), edits, splices)
def test_spoilt_text_is_read_or_refused(tmp_path_factory, data, changes, splice):
    path = tmp_path_factory.getbasetemp() / "spoilt.csv"
    path.write_bytes(spoilt(data, changes, splice, at_end=False))
    is_read(path)


@pytest.mark.timeout(3_600)
@seed(13)
@fuzzed
@given(st.sampled_from(TABLES), edits, splices, st.booleans())
def test_spoilt_parquet_is_read_or_refused(tmp_path_factory, data, changes, splice, at_end):
    path = tmp_path_factory.getbasetemp() / "spoilt.parquet"
    path.write_bytes(spoilt(data, changes, splice, at_end=at_end))
    is_read(path)


@pytest.mark.timeout(3_600)
@seed(13)
@fuzzed
@given(edits, splices, st.booleans())
def test_spoilt_history_is_read_or_refused(tmp_path_factory, changes, splice, at_end):
    data = spoilt(HISTORY["honest"], changes, splice, at_end=at_end)
    path = tmp_path_factory.getbasetemp() / named(data)
    path.write_bytes(data)
    assert f"{zlib.crc32(data):08x}" in path.name
    try:
        for run in history.runs([path]):
            assert run.started >= 0
        assert all(at is not None for at, _ in history.arrivals(path, {"flow": 0, "level": 1}))
    except ConfigError as error:
        refused = str(error)
    else:
        refused = str(path)
    assert str(path) in refused
    path.unlink()
