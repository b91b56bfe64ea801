import errno
import os
from datetime import UTC, datetime

import bundles
import pytest
from pydantic import ValidationError

from detectors.bundle.bundle import load
from detectors.bundle.manifest import MANIFEST
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
    loaded = load(bundles.write(tmp_path, model)).manifest
    assert loaded.threshold == model.threshold
    assert [tag.mean for tag in loaded.tags] == model.model.frame.mean.tolist()
    assert [tag.std for tag in loaded.tags] == model.model.frame.std.tolist()
    assert loaded.calibration == model.choice.chosen.calibration
    assert loaded.calibration.threshold() == loaded.threshold
    assert loaded.on_delay == loaded.off_delay == model.delay


def test_the_manifest_names_the_origin_of_the_model(model):
    training = manifest(model).training
    assert training.fingerprint == model.prepared.fingerprint
    assert training.rows == 1200
    assert training.first == datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC)
    assert "lagged PCA" in training.method


def test_a_bundle_is_readable_by_others(tmp_path, model):
    path = bundles.write(tmp_path, model)
    assert path.stat().st_mode & 0o055 == 0o055


def test_another_bundle_is_not_replaced_unless_forced(tmp_path, model):
    path = bundles.write(tmp_path, model)
    with pytest.raises(ConfigError, match="exists: choose another folder, or use --force"):
        write_bundle(path, manifest(model, "2"), model.graph)
    assert load(path).manifest.version == "1"
    write_bundle(path, manifest(model, "2"), model.graph, replace=True)
    assert load(path).manifest.version == "2"
    assert [entry.name for entry in tmp_path.iterdir()] == ["pump"]


def test_a_folder_that_is_not_a_bundle_is_never_replaced(tmp_path, model):
    (tmp_path / "photos").mkdir()
    with pytest.raises(ConfigError, match="is not a bundle, so it is not replaced"):
        write_bundle(tmp_path / "photos", manifest(model), model.graph, replace=True)
    assert (tmp_path / "photos").is_dir()
    check_place(tmp_path / "new", replace=False)


def test_a_path_where_no_folder_can_be_created_is_refused_before_the_training(
    tmp_path, monkeypatch
):
    (tmp_path / "note").write_text("")
    with pytest.raises(ConfigError, match=r"no folder can be created in .*note"):
        check_place(tmp_path / "note" / "models" / "pump", replace=False)
    monkeypatch.setattr(os, "access", lambda folder, _how: folder != tmp_path)
    with pytest.raises(ConfigError, match=f"no folder can be created in {tmp_path}"):
        check_place(tmp_path / "pump", replace=False)


def test_a_full_disk_is_reported_and_leaves_nothing_behind(tmp_path, model, monkeypatch):
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
def test_a_name_that_is_not_a_valid_file_name_is_refused(name, version):
    with pytest.raises(ValidationError, match="pattern"):
        ModelIdentity(id=name, version=version, created=NOW)
