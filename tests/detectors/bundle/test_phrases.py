import pytest

from detectors.bundle.phrases import spoken


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        (0.01, "36 s"),
        (0.5, "30 min"),
        (3.456, "3.46 h"),
        (48.0, "2 days"),
        (1740.4 * 24, "1,740 days"),
    ],
)
def test_a_time_is_said_in_the_unit_that_suits_it(hours, said):
    assert spoken(hours) == said
