import pytest

from detectors.reporting.words import counted, figure, spoken


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        (0.0, "0 s"),
        (0.02, "72 s"),
        (0.5, "30 min"),
        (1.99, "119 min"),
        (26.4, "26.4 h"),
        (168.0, "7 days"),
        (876.0, "36.5 days"),
    ],
)
def test_a_time_is_said_in_the_unit_that_suits_it(hours, said):
    assert spoken(hours) == said


def test_one_is_singular():
    assert [counted(n, "alarm") for n in (0, 1, 1200)] == ["0 alarms", "1 alarm", "1,200 alarms"]


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "–"), (0.04217, "0.0422"), (999.4, "999"), (2908.4, "2,908"), (-12.34, "-12.3")],
)
def test_a_number_has_three_digits_and_no_exponent_where_people_need_none(value, said):
    assert figure(value) == said
