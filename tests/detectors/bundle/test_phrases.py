import pytest

from detectors.bundle.phrases import format_hours


@pytest.mark.parametrize(
    ("hours", "text"),
    [
        (0.01, "36 s"),
        (0.5, "30 min"),
        (3.456, "3.46 h"),
        (48.0, "2 days"),
        (1740.4 * 24, "1,740 days"),
    ],
)
def test_a_duration_is_shown_in_a_suitable_unit(hours, text):
    assert format_hours(hours) == text
