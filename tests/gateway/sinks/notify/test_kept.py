import pytest

from gateway.sinks.notify import kept


def test_what_is_saved_is_loaded(tmp_path):
    path = tmp_path / "notify-people.json"
    assert kept.load(path) == ({}, "")
    for number in range(3):
        kept.save(path, {"n": number, "text": "°\n\ud800"})
    assert kept.load(path) == ({"n": 2, "text": "°\n\ud800"}, "")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_kill_while_saving_leaves_what_was_saved_before(tmp_path):
    path = tmp_path / "notify-people.json"
    kept.save(path, {"n": 1})
    (tmp_path / "notify-people.json.new").write_text('{"n": 2')
    assert kept.load(path) == ({"n": 1}, "")
    kept.save(path, {"n": 3})
    assert kept.load(path) == ({"n": 3}, "")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_file_is_reported_and_set_aside(tmp_path, content):
    path = tmp_path / "notify-people.json"
    path.write_bytes(content)
    facts, why = kept.load(path)
    assert facts == {}
    assert str(path) in why
    kept.set_aside(path)
    assert kept.load(path) == ({}, "")
    assert (tmp_path / "notify-people.json.damaged").read_bytes() == content


def test_a_link_is_neither_followed_nor_written_through(tmp_path):
    path, other = tmp_path / "notify-people.json", tmp_path / "other"
    other.write_text('{"n": 1}')
    path.symlink_to(other)
    facts, why = kept.load(path)
    assert (facts, "symbolic link" in why) == ({}, True)
    kept.save(path, {"n": 2})
    assert other.read_text() == '{"n": 1}'
