from gateway.config.problems import ConfigProblems, Problem


def test_the_caret_points_at_the_column():
    text = str(Problem("line.yaml", 3, 5, "a.b", "wrong", "do it right", "a: {b: 1}"))

    assert text.splitlines() == [
        "line.yaml:3:5: a.b: wrong",
        "    a: {b: 1}",
        "        ^",
        "  hint: do it right",
    ]


def test_a_long_line_is_cut_around_the_column():
    long = "x" * 500 + "HERE" + "y" * 500

    _, excerpt, caret = str(Problem("f", 1, 501, "", "wrong", text=long)).splitlines()

    assert len(excerpt) <= 104
    assert excerpt[caret.index("^") :].startswith("HERE")


def test_control_characters_never_reach_the_terminal():
    assert "\x1b" not in str(Problem("f", 1, 1, "", "wrong", text="a: \x1b[31mred"))


def test_problems_are_sorted_by_line_without_duplicates():
    late, early = Problem("f", 9, 1, "b", "wrong"), Problem("f", 2, 4, "a", "wrong")

    assert ConfigProblems([late, early, late]).problems == (early, late)
