import pytest

from gateway.api.durations import spell, spell_age, spell_roughly
from gateway.api.model import SECOND

DAY = 86_400


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"), (0.44, "0.4 s"), (3, "3 s"), (7.25, "7.2 s"), (12.6, "13 s"), (59.4, "59 s"),
        (59.6, "1 min"), (61, "1 min 1 s"), (600, "10 min"), (3599.7, "1 h"), (3600, "1 h"),
        (7199.6, "2 h"), (7200.4, "2 h"), (9000, "2 h 30 min"), (5 * 3600, "5 h"),
        (30 * 3600, "30 h"), (3 * DAY, "3 d"), (400 * DAY, "400 d"), (9832 * DAY, "27 years"),
    ],
)  # fmt: skip
def test_a_span_is_spelt_in_its_two_largest_units(seconds, words):
    assert spell(round(seconds * SECOND)) == words
    assert spell(round(-seconds * SECOND)) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1799.2, "30 min"), (3599.4, "1 h"), (-3600.9, "1 h"), (-17_999.3, "5 h"),
        (89.3, "1 min 30 s"),
        (7.25, "7.2 s"), (35.8, "36 s"), (59.7, "1 min"), (643, "11 min"),
    ],
)  # fmt: skip
def test_what_is_measured_is_spelt_roughly(seconds, words):
    assert spell_roughly(round(seconds * SECOND)) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (0.42, "0.4 s"), (59.94, "59.9 s"), (125.8, "2 min 5 s"), (1e300, "317 years")],
)
def test_an_age_is_spelt_to_a_tenth_of_a_second_while_it_is_young(seconds, words):
    assert spell_age(seconds) == words
