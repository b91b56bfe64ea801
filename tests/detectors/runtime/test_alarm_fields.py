import pytest

from detectors.runtime.alarm_fields import alarm_fields
from gateway.api.alarm_options import AlarmOptions, AlarmOverrides
from gateway.api.model import SECOND

DEFAULTS = {
    "off_delay": 0, "minimum_duration": 0, "realarm_after": 0, "latch": False, "advice": "",
    "caused_by": (),
}  # fmt: skip


def test_without_options_an_alarm_is_raised_at_once():
    assert alarm_fields(AlarmOptions()) == {**DEFAULTS, "on_delay": 0}


def test_the_nearest_level_that_gives_something_applies():
    detector = AlarmOptions(latch=True, advice="call", off_delay="9s", minimum_duration="1s")
    tag = AlarmOverrides(advice="look", minimum_duration="0s", realarm_after="1h")
    own = AlarmOverrides(latch=False, caused_by="guard.flow.low")
    assert alarm_fields(detector, (own, tag)) == {
        "off_delay": 9 * SECOND,
        "minimum_duration": 0,
        "realarm_after": 3600 * SECOND,
        "latch": False,
        "advice": "look",
        "caused_by": ("guard.flow.low",),
        "on_delay": 0,
    }


@pytest.mark.parametrize(
    ("detector", "tag", "raised"),
    [
        ({"on_delay": "3s"}, {}, {"on_delay": 3 * SECOND}),
        ({"on_delay": "3s"}, {"n_of_m": "3 of 5"}, {"of_last": (3, 5)}),
        ({"n_of_m": "3 of 5"}, {}, {"of_last": (3, 5)}),
        ({"n_of_m": "3 of 5"}, {"on_delay": "0s"}, {"on_delay": 0}),
        ({"n_of_m": "3 of 5"}, {"n_of_m": "2 of 2"}, {"of_last": (2, 2)}),
    ],
)
def test_a_delay_and_a_count_of_scores_are_one_setting(detector, tag, raised):
    fields = alarm_fields(AlarmOptions(**detector), [AlarmOverrides(**tag)])
    assert fields == {**DEFAULTS, **raised}
