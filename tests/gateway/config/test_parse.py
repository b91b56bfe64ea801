import pytest

from gateway.config.parse import MAX_BYTES, parse, read
from gateway.config.problems import ConfigProblems


def flaws(text):
    with pytest.raises(ConfigProblems) as caught:
        parse(text, "line.yaml")
    return caught.value.problems


def test_every_key_and_value_has_its_line_and_column():
    document = parse("a: 1\nb:\n  - x\n  - {c: °C, d: 2}\n", "line.yaml")

    assert document.data == {"a": 1, "b": ["x", {"c": "°C", "d": 2}]}
    assert document.mark(("a",), "value") == (1, 4)
    assert document.mark(("b", 1, "d")) == (4, 13)
    assert document.mark(("b", 1, "d"), "value") == (4, 16)
    assert document.mark(("b",), "value") == (2, 1)


def test_what_is_not_in_the_file_is_marked_at_what_encloses_it():
    document = parse("# a comment\na:\n  b: 1\n", "line.yaml")

    assert document.mark(("a", "c", "d")) == (2, 1)
    assert document.mark(("z",)) == (2, 1)
    assert document.mark(()) == (2, 1)


def test_scalars_follow_yaml_1_2():
    text = "a: on\nb: 12:30:45\nc: 0123\nd: true\ne: 0x1F\nf: 1e3\ng: ~\nh: .inf\n"

    data = parse(text, "line.yaml").data

    assert data == {
        "a": "on",
        "b": "12:30:45",
        "c": 123,
        "d": True,
        "e": 31,
        "f": 1000.0,
        "g": None,
        "h": float("inf"),
    }


def test_all_flaws_of_the_structure_come_at_once():
    problems = flaws("a: 1\n1: x\na: 2\nb: {<<: {c: 1}}\n")

    assert [(problem.line, problem.column) for problem in problems] == [(2, 1), (3, 1), (4, 5)]


def test_a_number_too_long_to_read_is_a_flaw():
    (flaw,) = flaws(f"a: {'9' * 5000}\n")

    assert (flaw.line, flaw.column) == (1, 4)


def test_a_flaw_has_its_column_behind_characters_of_other_alphabets():
    (flaw,) = flaws("ä: Öl\nü: °\x07\n")

    assert (flaw.line, flaw.column) == (2, 5)


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_what_is_open_at_the_end_of_the_file_is_reported_where_it_was_opened(end):
    (flaw,) = flaws("x: 1\na: {b: 1," + end)

    assert (flaw.line, flaw.column) == (2, 4)


def test_carriage_returns_end_lines_as_in_yaml():
    (flaw,) = flaws("a: 1\r\nb: 2\ra: 3\r\n")

    assert (flaw.line, flaw.text) == (3, "a: 3")


def test_a_byte_order_mark_is_not_part_of_the_first_key(tmp_path):
    path = tmp_path / "line.yaml"
    path.write_bytes(b"\xef\xbb\xbfversion: 1\n")

    assert read(path).data == {"version": 1}


def test_a_file_that_is_too_large_is_not_parsed(tmp_path):
    path = tmp_path / "line.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))

    with pytest.raises(ConfigProblems, match="larger than 1 MB"):
        read(path)


def test_a_folder_is_not_a_line_file(tmp_path):
    with pytest.raises(ConfigProblems, match="cannot be read: it is a folder"):
        read(tmp_path)


def test_nesting_has_a_limit_that_is_cheap_to_enforce():
    (flaw,) = flaws("a: " + "[" * 200_000)

    assert "nested more than" in flaw.message


def test_aliases_are_refused_before_they_are_followed():
    problems = flaws("a: &a [*a]\nb: &b [*a, *a]\n")

    assert [problem.line for problem in problems] == [1, 2, 2]
