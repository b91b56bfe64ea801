"""`andon train`, `score` and `backtest` read the gateway's own history."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from fakes import batch

from detectors.commands.train import train
from detectors.data.recordings import read
from gateway.api.contracts import ConfigError
from gateway.api.model import SECOND
from gateway.history.archive import Archive
from gateway.history.names import listed
from gateway.history.reading import Reading, reading_as

T0 = 1_700_000_000 * SECOND
OPTIONS = SimpleNamespace(max_bytes=2**30, max_age=10**18, flush=60 * SECOND)


def record(folder, seconds, tags=("flow", "level"), start=T0):
    """A sample of each tag a second, 3 ms early, and a bad one every tenth."""
    rng = np.random.default_rng(1)
    archive = Archive(folder, OPTIONS, {"started": str(start)}, tags, reserve=0)
    for minute in range(0, seconds, 60):
        samples = []
        for k in range(minute, min(minute + 60, seconds)):
            value = np.nan if k % 10 == 9 else k % 7 + rng.normal(0, 0.1)
            at = start + k * SECOND
            samples.append((at + 10**6, batch(at - 3 * 10**6, value, float(k))))
        archive.store(samples)
        archive.maintain(samples[-1][0])


def test_a_folder_of_history_is_one_recording_on_its_own_grid(tmp_path):
    record(tmp_path, 90)
    recording = read([tmp_path])
    assert recording.names == ("flow", "level")
    assert list(recording.times) == [T0 + k * SECOND for k in range(90)]
    assert list(recording.values[:, 1]) == [float(k) for k in range(90)]
    assert np.isnan(recording.values[9::10, 0]).all()
    assert np.isfinite(recording.values[8::10, 0]).all()


def test_an_interruption_stays_a_gap_and_a_new_tag_a_column(tmp_path):
    record(tmp_path, 60)
    record(tmp_path, 60, tags=("flow", "speed"), start=T0 + 7200 * SECOND)
    recording = read([tmp_path])
    assert recording.names == ("flow", "level", "speed")
    assert len(recording.times) == 120
    assert np.isnan(recording.values[60:, 1]).all()


def test_a_source_with_a_wrong_clock_does_not_stretch_the_recording(tmp_path):
    archive = Archive(tmp_path, OPTIONS, {}, ("flow",), reserve=0)
    times = [T0 + k * SECOND for k in range(20)]
    archive.store([(at, batch(0 if k == 5 else at, 1.0)) for k, at in enumerate(times)])
    said = []
    with reading_as(Reading(tell=said.append)):
        recording = read([tmp_path])
    assert list(recording.times) == [at for k, at in enumerate(times) if k != 5]
    (sentence,) = said
    assert (
        "1 sample left out, whose time is far from that of its arrival, such as 1970-" in sentence
    )


def test_a_model_is_trained_on_history(tmp_path):
    record(tmp_path / "history", 1800)
    arguments = ["--data", str(tmp_path / "history"), "--out", str(tmp_path / "model"), "--json"]
    done = CliRunner().invoke(train, arguments)
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["tags"], report["period"]) == (["flow", "level"], "1s")


def test_a_folder_without_history_and_a_damaged_file_are_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match="holds no history files"):
        read([tmp_path])
    record(tmp_path, 60)
    ((_, path),) = listed(tmp_path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ConfigError, match=f"{path.name} is damaged"):
        read([tmp_path])
