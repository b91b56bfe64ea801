"""Recordings: the values a poller would have read, in a common file format."""

import csv
from datetime import datetime

import numpy as np
import pytest

from connectors.simulator.pump import EPOCH, Plant
from connectors.simulator.recording import Recipe, record, rows
from connectors.simulator.signals import TAGS
from gateway.api.contracts import ConfigError
from gateway.api.model import SECOND


def read_csv(path):
    with path.open(encoding="utf-8") as file:
        head, *body = csv.reader(file)
    times = [round(datetime.fromisoformat(row[0]).timestamp() * 10) for row in body]
    return head, times, np.array([[float(cell) for cell in row[1:]] for row in body])


def test_a_recording_has_the_plants_readings_at_each_sample(tmp_path):
    path = tmp_path / "a.csv"
    assert record(path, Recipe(60 * SECOND, seed=9)) == 120
    head, times, values = read_csv(path)
    plant = Plant(9)
    expected = []
    for tenth in range(1, 601):
        plant.step()
        if tenth % 5 == 0:
            expected.append(plant.readings())
    assert head == ["timestamp", *TAGS]
    assert times == [EPOCH * 10 // SECOND + 5 * number for number in range(1, 121)]
    np.testing.assert_allclose(values, expected, rtol=1e-9)


def test_the_same_recipe_gives_the_same_file(tmp_path):
    for name in ("a.csv", "b.csv"):
        record(tmp_path / name, Recipe(30 * SECOND, seed=2))
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_parquet_holds_exactly_the_plants_readings(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    recipe = Recipe(4000 * SECOND, seed=3)
    path = tmp_path / "a.parquet"
    assert record(path, recipe) == 8000
    table = parquet.read_table(path)
    expected = list(rows(recipe))
    assert table.column_names == ["timestamp", *TAGS]
    assert str(table.schema.field("timestamp").type) == "timestamp[ns, tz=UTC]"
    assert table["timestamp"].cast("int64").to_pylist() == [at for at, _ in expected]
    for index, tag in enumerate(TAGS):
        assert table[tag].to_pylist() == [readings[index] for _, readings in expected]


def test_a_fault_begins_at_the_given_time():
    recipe = Recipe(40 * SECOND, fault="drifting_sensor", fault_after=20 * SECOND)
    pressure = TAGS.index("discharge_pressure")
    without = rows(recipe._replace(fault=None))
    drift = [a[1][pressure] - b[1][pressure] for a, b in zip(rows(recipe), without, strict=True)]
    assert not any(drift[:39])
    assert drift[-1] == pytest.approx(0.8, abs=0.05)


def test_a_slow_fault_takes_the_given_time():
    recipe = Recipe(40 * SECOND, fault="drifting_sensor", fault_over=40 * SECOND)
    pressure = TAGS.index("discharge_pressure")
    without = rows(recipe._replace(fault=None))
    drift = [a[1][pressure] - b[1][pressure] for a, b in zip(rows(recipe), without, strict=True)]
    assert drift[39] == pytest.approx(0.6, abs=0.05)
    assert drift[-1] == pytest.approx(1.2, abs=0.05)


def test_progress_ends_at_one(tmp_path):
    shares = []
    record(tmp_path / "a.csv", Recipe(2 * 3600 * SECOND), shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_a_sample_between_two_steps_is_refused():
    with pytest.raises(ConfigError, match="multiple of 100ms"):
        next(rows(Recipe(SECOND, sample=SECOND // 4)))


@pytest.mark.parametrize(
    ("name", "why"), [("a.xlsx", "csv or .parquet"), ("none/a.csv", "cannot be written")]
)
def test_a_file_that_cannot_be_written_is_refused(tmp_path, name, why):
    with pytest.raises(ConfigError, match=why):
        record(tmp_path / name, Recipe(SECOND))


def test_without_pyarrow_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"Parquet needs pyarrow: run .*pip install .*pyarrow"):
        record(tmp_path / "a.parquet", Recipe(SECOND))
