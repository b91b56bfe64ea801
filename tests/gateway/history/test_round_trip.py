"""A table written in any dialect reads back as what it was."""

import csv
import io

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.model import SECOND
from gateway.history.reading import Reading
from gateway.history.wide import read_file

START = 1_773_129_600 * SECOND
FORMATS = {
    "%Y-%m-%d %H:%M:%S": None,
    "%Y-%m-%dT%H:%M:%SZ": None,
    "%d.%m.%Y %H:%M:%S": None,
    "%Y/%m/%d %H:%M:%S UTC": None,
    "%Y%m%dT%H%M%S": None,
    "%d-%b-%Y %H:%M:%S": None,
    "%d/%m/%Y %H:%M:%S": "%d/%m/%Y %H:%M:%S",
    "%m-%d-%y %I.%M.%S %p": "%m-%d-%y %I.%M.%S %p",
}
tables = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.lists(
            st.one_of(
                st.none(),
                st.decimals(-9999, 9999, places=2).map(float),
                st.decimals(-9, 9, places=5).map(float),
            ),
            min_size=width, max_size=width,
        ),
        min_size=2, max_size=12,
    )
)  # fmt: skip


@given(
    table=tables,
    step=st.integers(1, 100_000),
    delimiter=st.sampled_from(",;\t|"),
    comma=st.booleans(),
    form=st.sampled_from(list(FORMATS)),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    ending=st.sampled_from(["\n", "\r\n"]),
    missing=st.sampled_from(["", "NaN", "-", "#N/A", "null"]),
    preamble=st.sampled_from([[], ["Logger 7", ""], ["# exported"], ["sep"]]),
    units=st.booleans(),
    footer=st.sampled_from([[], ["", "Total rows"]]),
    is_quoted=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_any_dialect_reads_back(
    tmp_path_factory, table, step, delimiter, comma, form, encoding, ending, missing, preamble,
    units, footer, is_quoted,
):  # fmt: skip
    times = [START + n * step * SECOND for n in range(len(table))]
    names = [f"Maß {n}" for n in range(len(table[0]))]
    out = io.StringIO()
    out.write("\n".join([f"sep={delimiter}"] if preamble == ["sep"] else preamble))
    out.write("\n" if preamble else "")
    quoting = csv.QUOTE_ALL if is_quoted else csv.QUOTE_MINIMAL
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n", quoting=quoting)
    writer.writerow(["timestamp", *names])
    if units:
        writer.writerow(["", *["m³/h"] * len(names)])
    for at, row in zip(times, table, strict=True):
        stamp = np.datetime64(at, "ns").astype("datetime64[us]").item().strftime(form)
        writer.writerow([stamp, *(written(value, missing, comma=comma) for value in row)])
    out.write("".join(f"{line}\n" for line in footer))
    path = tmp_path_factory.mktemp("dialect") / "data.csv"
    path.write_bytes(out.getvalue().replace("\n", ending).encode(encoding))
    recording = read_file(path, Reading(time_format=FORMATS[form], decimal="," if comma else "."))
    assert recording.names == tuple(names)
    assert recording.times.tolist() == times
    expected = np.array(table, dtype=float)
    assert np.array_equal(recording.values, expected, equal_nan=True)


def written(value, missing, *, comma):
    """A value as a cell."""
    if value is None:
        return missing
    return f"{value:.5f}".replace(".", "," if comma else ".")
