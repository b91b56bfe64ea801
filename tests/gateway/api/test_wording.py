import pytest

from gateway.api.wording import kind_of


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("dropped=3", "dropped=4", True),
        ("unable to parse 'a x=1 2'", "unable to parse 'b y=2 3'", True),
        ('field "mean" is float', 'field "max" is float', True),
        ("at 2026-01-01T00:00:00Z", "at 2026-02-03T04:05:06.7Z", True),
        ("404 Not Found", "403 Forbidden", False),
        ("401", "403", False),
        ("400 Bad Request: dropped=3", "400 Bad Request: dropped=4", True),
        ("is type float", "is type integer", False),
    ],
)
def test_messages_of_one_kind_differ_in_their_values_only(one, other, same):
    assert (kind_of(one) == kind_of(other)) is same
