import pytest

from gateway.config.recognise import is_empty, is_recognised

KNOWN = ("version", "line", "site", "sources", "sinks")
TELLING = ("line", "site", "sources", "sinks")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("version: 1\nline: a", True),
        ("# comment\n---\nsources:\n  a: {}", True),
        ("- version: 1\n- line: a", True),
        ("  version: 1\n  site: a", True),
        ('{"version": 1, "line": "a"}', True),
        ("version: 1\nline: a\n\tx: [", True),
        ("version: 1\nline: a\nb: 1\nc: 1\nd: 1", True),
        ("version: 1", True),
        ("version: 3\nservices:\n  a: 1", False),
        ("name: a\nconfig:\n  version: 1\n  line: a", False),
        ("line 1\nversion 2", False),
        ("root:x:0:0:root:/:/bin/sh", False),
        ("[section]\nline = 1", False),
        ('["version", "line"]', False),
        ("site: a\nb: 1\nc: 1", False),
    ],
)
def test_a_line_file_is_told_from_others(text, expected):
    assert is_recognised(text.split("\n"), KNOWN, TELLING) is expected


def test_a_file_of_comments_is_empty():
    assert is_empty(["", "# a", "---"])
    assert not is_empty(["a"])
