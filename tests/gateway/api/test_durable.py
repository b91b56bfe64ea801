"""Folders that survive a power cut: each new name is synced in the folder that holds it."""

import pytest

from gateway.api import durable


def test_each_new_folder_is_synced_in_the_one_above_it(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(durable, "sync_folder", synced.append)
    durable.make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert synced == [tmp_path, tmp_path / "a"]
    durable.make_folder(tmp_path / "a" / "b")
    assert len(synced) == 2


def test_a_file_in_the_way_is_an_error(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(OSError):
        durable.make_folder(tmp_path / "a")
