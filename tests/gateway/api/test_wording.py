import pytest

from gateway.api.wording import kind_of, listed


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


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, ""), (1, "t0"), (5, "t0, t1, t2, t3, t4"), (6, "t0, t1, t2, t3, t4 and 1 more"),
        (2005, "t0, t1, t2, t3, t4 and 2,000 more"),
    ],
)  # fmt: skip
def test_a_list_names_a_few_and_counts_the_others(count, text):
    assert listed([f"t{n}" for n in range(count)]) == text
