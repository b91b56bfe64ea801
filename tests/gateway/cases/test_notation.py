import numpy as np
import pytest

from gateway.cases.notation import MISSING, parse


@pytest.mark.parametrize(
    ("text", "values", "qualities"),
    [
        ("40", [40], [0]),
        ("40x3 -1.5", [40, 40, 40, -1.5], [0] * 4),
        ("60+0.5x3", [60, 60.5, 61], [0] * 3),
        ("2-1x4", [2, 1, 0, -1], [0] * 4),
        ("1e-3x2", [0.001, 0.001], [0, 0]),
        ("1 _x2 bad 2", [1, np.nan, np.nan, np.nan, 2], [0, MISSING, MISSING, 2, 0]),
    ],
)
def test_each_form_is_parsed_as_documented(text, values, qualities):
    parsed, quality = parse(text)
    np.testing.assert_array_equal(parsed, values)
    assert quality.tolist() == qualities


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no samples"),
        ("40 hot", "'hot' is not a sample"),
        ("40x", "'40x' is not a sample"),
        ("40+1", "'40+1': a step needs a number before it and a count"),
        ("_+1x3", "'_\\+1x3': a step needs a number"),
        ("40x0", "'40x0': a count must be 1 to 1,000,000"),
        ("40x9999999", "'40x9999999': a count must be 1 to 1,000,000"),
        ("40x600000 40x600000", "more than 1,000,000 samples"),
        ("nan", "'nan' is not a sample"),
    ],
)
def test_a_wrong_word_is_named(text, message):
    with pytest.raises(ValueError, match=message.replace("+1':", "\\+1':")):
        parse(text)
