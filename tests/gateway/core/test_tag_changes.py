from fakes import tag

from gateway.api.model import SECOND
from gateway.core.tag_changes import TagChanges

S = SECOND
BAD = ("bad", "exception 2")


def changes(*steps, undecided=()):
    """The changes of three tags, one step a second: (second, state, why, tags)."""
    watch = TagChanges([tag("flow"), tag("speed"), tag("oil", "broker")])
    return [
        (second, change.source, change.state, change.why, list(change.tags))
        for second, conditions in enumerate(steps)
        for change in watch.take(conditions, second * S, undecided)
    ]


def test_a_change_is_told_once_when_it_has_held():
    assert changes({}, *[{0: BAD}] * 10) == [(3, "plc", "bad", "exception 2", ["flow"])]


def test_tags_of_one_source_with_one_reason_are_told_together():
    assert changes(*[{0: BAD, 1: BAD, 2: BAD}] * 4) == [
        (2, "plc", "bad", "exception 2", ["flow", "speed"]),
        (2, "broker", "bad", "exception 2", ["oil"]),
    ]


def test_a_single_bad_sample_is_no_news():
    assert changes({}, {0: BAD}, {}, {0: BAD}, {}, {}, {}) == []


def test_another_reason_and_the_end_are_news():
    late = ("stale", "no sample for more than 5 s")
    steps = [{0: BAD}] * 4 + [{0: late}] * 4 + [{}] * 4
    assert [(at, state) for at, _, state, _, _ in changes(*steps)] == [
        (2, "bad"), (6, "stale"), (10, "fresh"),
    ]  # fmt: skip


def test_nothing_is_told_of_what_is_undecided():
    assert changes(*[{0: BAD}] * 5, undecided={0}) == []


def test_a_clock_that_goes_back_only_delays():
    watch = TagChanges([tag("flow")])
    assert watch.take({0: BAD}, 100 * S) == []
    assert watch.take({0: BAD}, 10 * S) == []
    assert len(watch.take({0: BAD}, 12 * S)) == 1
