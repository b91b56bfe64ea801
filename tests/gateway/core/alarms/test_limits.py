import pytest

from gateway.core.alarms.limits import KINDS, limit_of

FACTS = {"tag": "oil", "alarm": "oil.low", "threshold": 40}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_limit_of_a_tag_is_its_threshold(kind):
    assert limit_of(FACTS | {"alarm": f"oil.{kind}"}, "oil") == 40.0


@pytest.mark.parametrize(
    "other",
    [
        {"alarm": "oil.flat_line"},
        {"alarm": "oil.rate_of_change"},
        {"alarm": "anomaly"},
        {"tag": None},
        {"tag": "flow"},
        {"threshold": None},
        {"threshold": True},
        {"threshold": "40"},
        {"threshold": float("nan")},
    ],
)
def test_what_is_no_value_of_the_tag_is_no_limit(other):
    assert limit_of(FACTS | other, "oil") is None
