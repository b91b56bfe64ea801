"""Parquet of other systems: each encoding of text, and what is refused before it is decoded."""

import io
import resource

import numpy as np
import pyarrow as pa
import pytest
from hostile_parquet import long_decimals, texts_claimed, two_headers
from pyarrow import parquet
from raw_parquet import BYTE_ARRAY, DELTA_BYTE_ARRAY, DELTA_LENGTH_BYTE_ARRAY, FIXED, simple
from recordings import read

from gateway.api.contracts import ConfigError
from gateway.history import memory
from gateway.history.parquet.thrift import STRUCT, Compact, Malformed

FIRST = 1_773_129_600 * 10**9
ROWS = 200
LONG = {
    "time": pa.array(np.arange(ROWS) // 2 * 10**9 + FIRST, pa.timestamp("ns", tz="UTC")),
    "tag": pa.array([f"press-3/{'oil' if n % 2 else 'flow'}" for n in range(ROWS)]),
    "value": pa.array(np.arange(ROWS) * 0.25),
}
PLAIN = dict.fromkeys(LONG, "PLAIN")


def written(columns, **options):
    out = io.BytesIO()
    parquet.write_table(pa.table(columns), out, **options)
    return out.getvalue()


@pytest.mark.parametrize("rows", [7, ROWS])
@pytest.mark.parametrize("encoding", [None, "PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"])
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_texts_are_read_in_every_encoding(tmp_path, encoding, kind, rows):
    options = {"row_group_size": rows}
    if encoding is not None:
        options |= {"use_dictionary": False, "column_encoding": PLAIN | {"tag": encoding}}
    columns = LONG | {"tag": LONG["tag"].cast(kind)}
    recording, _ = read(tmp_path, written(columns, **options), "data.parquet")
    assert recording.names == ("press-3/flow", "press-3/oil")
    assert recording.values[:3].tolist() == [[0, 0.25], [0.5, 0.75], [1, 1.25]]
    assert recording.times[-1] == FIRST + (ROWS // 2 - 1) * 10**9


def test_nested_columns_are_left_out_wherever_they_stand(tmp_path):
    rows = range(40)
    columns = {
        "list": pa.array([[n, n] for n in rows]),
        "time": pa.array([FIRST + n * 10**9 for n in rows], pa.timestamp("ns")),
        "struct": pa.array([{"a": n, "b": {"c": [n]}} for n in rows]),
        "flow": pa.array([n % 7 * 0.5 for n in rows]),
        "bytes": pa.array([b"x"] * 40),
        "struct.a": pa.array([n % 3 * 1.0 for n in rows]),
    }
    recording, _ = read(tmp_path, written(columns), "data.parquet")
    assert recording.names == ("flow", "struct.a")
    assert recording.values[:4].tolist() == [[0, 0], [0.5, 1], [1, 2], [1.5, 0]]
    assert recording.left_out == {
        "list": "a nested column", "struct": "a nested column", "bytes": "no numbers"
    }  # fmt: skip


def test_a_time_that_does_not_fit_is_none(tmp_path):
    times = [(FIRST // 10**9 + n) * 10**6 for n in range(40)]
    times[7] = 2**62
    columns = {
        "time": pa.array(times, pa.timestamp("us")),
        "flow": pa.array([n % 7 for n in range(40)]),
    }
    recording, said = read(tmp_path, written(columns), "data.parquet")
    assert len(recording.times) == 39
    assert "row 8 skipped, which has no time, such as '4611686018427387904'" in said


def test_more_values_than_allowed_are_refused_with_what_would_be_right(tmp_path):
    columns = {"time": LONG["time"], "flow": LONG["value"]}
    assert len(read(tmp_path, written(columns), "a.parquet", most_values=400)[0].times) == 200
    with pytest.raises(ConfigError, match=r"200 rows and 2 columns, which are 400 values, and at "
                       r"most 399 are read: .* --most-values"):  # fmt: skip
        read(tmp_path, written(columns), "a.parquet", most_values=399)


def test_a_file_that_needs_more_memory_than_there_is_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 5_000_000)
    with pytest.raises(ConfigError, match="it needs about 6 MB of memory to be read, and 5 MB are"):
        read(tmp_path, simple(100_000), "a.parquet")


def test_what_is_nested_for_ever_is_malformed():
    with pytest.raises(Malformed, match="nested more than 24 levels"):
        Compact(b"\x1c" * 1_000_000).skip(STRUCT)


@pytest.mark.parametrize("kind", range(16))
def test_every_value_that_is_cut_off_is_malformed_or_ends(kind):
    for length in range(20):
        for byte in (0, 1, 0x1C, 0x19, 0x7F, 0x80, 0xFF):
            source = Compact(bytes([byte]) * length)
            try:
                source.skip(kind)
            except Malformed:
                continue
            assert source.at <= length


@pytest.mark.parametrize("encoding", [DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY])
def test_what_a_page_claims_of_itself_takes_no_memory(tmp_path, encoding):
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(ConfigError, match="take more memory than they may by their headers"):
        read(tmp_path, texts_claimed(300_000_000, encoding), "data.parquet")
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_a_page_with_two_headers_is_damaged(tmp_path):
    with pytest.raises(ConfigError, match="a page at byte 832 has two headers"):
        read(tmp_path, two_headers(2**31 - 1, 100), "data.parquet")


@pytest.mark.parametrize("kind", [BYTE_ARRAY, FIXED])
def test_decimals_of_any_length_are_left_out(tmp_path, kind):
    with pytest.raises(
        ConfigError, match=r"left out is 'flow' \((no numbers|numbers of any length)\)"
    ):
        read(tmp_path, long_decimals(kind, 1_000, 100), "data.parquet")


def test_decimals_of_a_library_are_read(tmp_path):
    rows = range(40)
    columns = {
        "time": pa.array([FIRST + n * 10**9 for n in rows], pa.timestamp("ns")),
        "short": pa.array([n % 7 for n in rows], pa.decimal128(5, 1)),
        "long": pa.array([n % 5 for n in rows], pa.decimal256(76, 2)),
    }
    recording, _ = read(tmp_path, written(columns), "data.parquet")
    assert recording.values[:3].tolist() == [[0, 0], [1, 1], [2, 2]]


@pytest.mark.parametrize(
    ("repetition", "why"),
    [
        (b"\x25\x00", "the size statistics of a column do not fit it"),
        (b"\x24\x02", "a column's description has a field of a wrong type"),
    ],
)
def test_chunks_whose_size_statistics_do_not_fit_abort_no_process(tmp_path, repetition, why):
    data = written({"x": pa.array([0.5, 1.0, None])})
    assert data.count(b"\x25\x02\x18\x01x") == 1, "x may be missing"
    with pytest.raises(ConfigError, match=why):
        read(tmp_path, data.replace(b"\x25\x02\x18\x01x", repetition + b"\x18\x01x"), "x.parquet")
