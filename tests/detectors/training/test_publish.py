import errno
import os
from datetime import UTC, datetime

import bundles
import pytest
from pydantic import ValidationError

from detectors.bundle.bundle import MANIFEST, load
from detectors.training.publish import ModelIdentity, check_place, manifest_for, write_bundle
from gateway.api.contracts import ConfigError, ModelError

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def model():
    return bundles.learnt()


def manifest(model, version="1"):
    return manifest_for(
        model, ModelIdentity(id="pump", version=version, created=NOW), bundles.UNITS
    )


def test_a_written_bundle_loads_with_the_same_manifest(tmp_path, model):
    path = tmp_path / "models" / "pump"
    write_bundle(path, manifest(model), model.graph)
    assert load(path).manifest == manifest(model)
    assert [entry.name for entry in path.parent.iterdir()] == ["pump"]


def test_the_threshold_and_the_scaling_survive_to_the_last_bit(tmp_path, model):
    found = load(bundles.write(tmp_path, model)).manifest
    assert found.threshold == model.threshold
    assert [tag.mean for tag in found.tags] == model.model.frame.mean.tolist()
    assert [tag.std for tag in found.tags] == model.model.frame.std.tolist()
    assert found.calibration == model.choice.chosen.calibration
    assert found.calibration.threshold() == found.threshold
    assert found.on_delay == found.off_delay == model.delay


def test_the_manifest_says_where_the_model_came_from(model):
    training = manifest(model).training
    assert training.fingerprint == model.prepared.fingerprint
    assert training.rows == 1200
    assert training.first == datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC)
    assert "lagged PCA" in training.method


def test_a_bundle_is_readable_by_others(tmp_path, model):
    path = bundles.write(tmp_path, model)
    assert path.stat().st_mode & 0o055 == 0o055


def test_another_bundle_is_not_overwritten_unless_asked(tmp_path, model):
    path = bundles.write(tmp_path, model)
    with pytest.raises(ConfigError, match="exists: choose another folder, or --force"):
        write_bundle(path, manifest(model, "2"), model.graph)
    assert load(path).manifest.version == "1"
    write_bundle(path, manifest(model, "2"), model.graph, replace=True)
    assert load(path).manifest.version == "2"
    assert [entry.name for entry in tmp_path.iterdir()] == ["pump"]


def test_what_is_no_bundle_is_never_replaced(tmp_path, model):
    (tmp_path / "photos").mkdir()
    with pytest.raises(ConfigError, match="is no bundle, so it is not replaced"):
        write_bundle(tmp_path / "photos", manifest(model), model.graph, replace=True)
    assert (tmp_path / "photos").is_dir()
    check_place(tmp_path / "new", replace=False)


def test_a_place_that_takes_no_folder_is_told_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "note").write_text("")
    with pytest.raises(ConfigError, match="note takes no new folder"):
        check_place(tmp_path / "note" / "models" / "pump", replace=False)
    monkeypatch.setattr(os, "access", lambda folder, _how: folder != tmp_path)
    with pytest.raises(ConfigError, match=f"{tmp_path} takes no new folder"):
        check_place(tmp_path / "pump", replace=False)


def test_a_full_disk_is_told_and_leaves_nothing_behind(tmp_path, model, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="pump cannot be written: No space left on device"):
        write_bundle(tmp_path / "pump", manifest(model), model.graph)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_does_not_verify_leaves_nothing_behind(tmp_path, model):
    other = bundles.learnt(bundles.recording(seed=3))
    with pytest.raises(ModelError, match="sha256"):
        write_bundle(tmp_path / "pump", manifest(model), other.graph)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_does_not_verify_leaves_the_old_one_in_place(tmp_path, model):
    path = bundles.write(tmp_path, model)
    with pytest.raises(ModelError):
        write_bundle(path, manifest(model, "2"), b"", replace=True)
    assert load(path).manifest.version == "1"
    assert (path / MANIFEST).is_file()


@pytest.mark.parametrize(("name", "version"), [("a b", "1"), ("pump", "../1"), ("", "1")])
def test_a_name_that_cannot_be_a_files_is_refused(name, version):
    with pytest.raises(ValidationError, match="pattern"):
        ModelIdentity(id=name, version=version, created=NOW)
