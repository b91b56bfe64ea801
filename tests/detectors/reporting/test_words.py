import pytest

from detectors.reporting.words import counted, spoken


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
