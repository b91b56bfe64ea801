"""Which clips are owed, what of them is sent, and that no restart forgets one. Hand-made time."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from fakes import batch, tag

from gateway.api.alarms import AlarmState, Alert, Severity, TopTag, Transition
from gateway.api.model import SECOND, Kind, SampleBatch
from gateway.core.clips import HOUR, LISTED, WAITING, ClipPlan
from gateway.core.near_misses import NearMiss

S = SECOND
NOON = 500_000 * HOUR
TAGS = (tag("flow"), tag("level"), tag("current", period=S // 10))
CLIP = {"before": 120 * S, "after": 60 * S, "tags": "causes", "at_most": 1_000, "per_hour": 5_000,
        "of": "alarms", "near_misses": False}  # fmt: skip


def plan(line_tags=TAGS, **options):
    return ClipPlan(SimpleNamespace(**CLIP | options), line_tags, lateness=S // 2)


UNASKED = {"unclear": 0, "near_misses": 0}
AFTER = {
    AlarmState.NORMAL: Transition.RETURNED,
    AlarmState.ACKNOWLEDGED: Transition.ACKNOWLEDGED,
}


def alert(at, *causes, state=AlarmState.UNACKNOWLEDGED, opened_at=None, own=None):
    top = tuple(TopTag(name, 1.0) for name in causes)
    opened_at = at if opened_at is None else opened_at
    name = f"pump.anomaly-{opened_at}"
    return Alert(
        name,
        "pump",
        "anomaly",
        state,
        Severity.HIGH,
        opened_at,
        at,
        2.0,
        1.0,
        2.0,
        own,
        top,
        transition=AFTER.get(state, Transition.RAISED),
        is_active=state is not AlarmState.NORMAL,
    )


def samples(first, count, number=0, every=S):
    return SampleBatch.joined(
        [batch(first + k * every, float(k), first=number) for k in range(count)]
    )


def cut(owed, now, held=None, damaged=()):
    """Cut what is due with these samples, and take it."""
    clip = owed.begin(now)
    done = owed.cut(clip, held if held is not None else samples(clip.since, 181), damaged, now)
    owed.record(done, ["a point"], now)
    return done, owed.take()


def test_an_activation_owes_a_clip_of_its_causes_until_its_end_has_come_in():
    owed = plan()
    owed.ask(alert(NOON, "flow", "nonsense"))
    assert owed.begin(NOON + 60 * S) is None
    clip = owed.begin(NOON + 60 * S + S // 2)
    assert (clip.since, clip.until) == (NOON - 120 * S, NOON + 60 * S)
    assert (clip.tags, clip.alerts) == (["flow"], [f"pump.anomaly-{NOON}"])
    assert owed.numbers(clip) == {"flow": 0}


def test_all_tags_are_asked_for_where_the_line_file_says_so():
    owed = plan(tags="all")
    owed.ask(alert(NOON))
    assert owed.begin(NOON + 61 * S).tags == ["current", "flow", "level"]


def test_an_alarm_that_belongs_to_a_tag_shows_that_tag():
    owed = plan()
    owed.ask(alert(NOON, own="level"))
    assert owed.begin(NOON + HOUR).tags == ["level"]


@pytest.mark.parametrize(
    "other",
    [
        alert(NOON, "flow", state=AlarmState.NORMAL),
        alert(NOON, "flow", state=AlarmState.ACKNOWLEDGED, opened_at=NOON - 9 * S),
        alert(NOON),
    ],
)
def test_only_an_activation_with_a_tag_to_show_asks_for_a_clip(other):
    owed = plan()
    owed.ask(other)
    assert owed.begin(NOON + HOUR) is None
    assert not owed.take_news()


def test_activations_while_a_clip_is_open_join_it():
    owed = plan()
    owed.ask(alert(NOON, "flow"))
    assert owed.take_news()
    owed.ask(alert(NOON + 30 * S, "level"))
    assert not owed.take_news()
    assert owed.begin(NOON + 61 * S) is None
    clip = owed.begin(NOON + 91 * S)
    assert (clip.at, clip.until, clip.tags) == (NOON, NOON + 90 * S, ["flow", "level"])
    assert clip.alert_count == 2


def test_a_flood_of_alarms_is_no_flood_of_clips():
    """An alarm a second for an hour: clips of twice the length, each sample at most once."""
    owed, sent, clips = plan(per_hour=100_000), [], 0
    for second in range(3600):
        now = NOON + second * S
        owed.ask(alert(now - S // 2, "flow"))
        clip = owed.begin(now)
        if clip is not None:
            assert clip.until - clip.since <= 2 * 180 * S
            assert len(clip.alerts) <= LISTED
            done, _ = cut(owed, now, samples(clip.since, (clip.until - clip.since) // S + 1))
            sent += done.samples.at.tolist()
            clips += 1
    assert clips <= 3600 // 180
    assert len(sent) == len(set(sent)) <= 3600 + 180


def test_a_sample_is_sent_with_one_clip_only():
    owed = plan()
    owed.ask(alert(NOON, "flow"))
    cut(owed, NOON + 61 * S)
    owed.ask(alert(NOON + 90 * S, "flow", "level"))
    both = SampleBatch.joined([samples(NOON - 30 * S, 181), samples(NOON - 30 * S, 181, number=1)])
    done, _ = cut(owed, NOON + 151 * S, both)
    assert done.samples.at[done.samples.tag == 0].min() == NOON + 61 * S
    assert done.samples.at[done.samples.tag == 1].min() == NOON - 30 * S


def test_an_activation_while_a_clip_is_being_cut_has_one_of_its_own():
    owed = plan()
    owed.ask(alert(NOON, "flow"))
    clip = owed.begin(NOON + 61 * S)
    owed.ask(alert(NOON + 60 * S, "level"))
    assert clip.tags == ["flow"]
    assert owed.begin(NOON + 61 * S) is clip, "whoever died while cutting starts over"
    cut(owed, NOON + 61 * S)
    assert owed.begin(NOON + 121 * S).tags == ["level"]


def test_more_than_a_clip_may_hold_is_thinned_and_said():
    owed = plan(at_most=100)
    owed.ask(alert(NOON, "flow"))
    done, (points, loss) = cut(owed, NOON + 61 * S)
    assert (done.found, len(done.samples), done.note) == (181, 100, "thinned")
    assert (points, loss) == (["a point"], None)
    assert owed.facts() == UNASKED | {"owed": 0, "cut": 1, "left_out": 0, "found": 181, "sent": 100}


def test_what_the_hour_has_no_room_for_is_left_out_counted_and_told():
    owed = plan(per_hour=300)
    owed.ask(alert(NOON, "flow"))
    assert cut(owed, NOON + 61 * S)[1][1] is None
    later = NOON + 1000 * S
    owed.ask(alert(later, "flow"))
    done, (points, loss) = cut(owed, later + 61 * S)
    assert (len(done.samples), done.note, points) == (0, "per_hour", ["a point"])
    assert (loss.kind, loss.reason, loss.count) == (Kind.CLIP, "per_hour", 181)
    assert (loss.since, loss.until) == (later - 120 * S, later + 60 * S)
    owed.ask(alert(NOON + HOUR, "flow"))
    assert cut(owed, NOON + HOUR + 61 * S)[1][1] is None, "a new hour has room again"
    assert owed.facts() == UNASKED | {"owed": 0, "cut": 2, "left_out": 1, "found": 543, "sent": 362}


def test_a_restart_forgets_no_clip_and_no_bound():
    first = plan(per_hour=300)
    first.ask(alert(NOON, "flow"))
    cut(first, NOON + 61 * S)
    first.ask(alert(NOON + 200 * S, "flow"))
    first.begin(NOON + 261 * S)
    again = plan(per_hour=300)
    again.restore(first.checkpoint())
    assert again.checkpoint() != first.checkpoint(), "it says that there was a restart"
    done, (_, loss) = cut(again, NOON + 300 * S, samples(NOON + 80 * S, 181))
    assert (done.note, loss.reason) == ("restart,per_hour", "per_hour")


def test_a_clip_is_owed_until_its_points_are_taken():
    owed = plan()
    owed.ask(alert(NOON, "flow"))
    clip = owed.begin(NOON + 61 * S)
    owed.record(owed.cut(clip, samples(NOON, 3), [], NOON + 61 * S), ["a point"], NOON + 61 * S)
    again = plan()
    again.restore(owed.checkpoint())
    assert again.begin(NOON + 61 * S).alerts == clip.alerts
    owed.take()
    again.restore(owed.checkpoint())
    assert again.begin(NOON + 61 * S) is None


def test_a_clip_whose_history_is_gone_is_a_loss_of_what_there_would_have_been():
    owed = plan()
    owed.ask(alert(NOON, "flow", "current"))
    again = plan()
    again.restore(owed.checkpoint())
    nothing = samples(NOON, 1).rows(slice(0))
    done, (points, loss) = cut(again, NOON + 90 * HOUR, nothing)
    assert (loss.reason, loss.count) == ("no_history", 181 + 1801)
    assert (done.note, points) == ("restart,no_history", ["a point"])


def test_a_dead_source_has_an_empty_clip_and_nothing_was_lost():
    owed = plan()
    owed.ask(alert(NOON, "flow"))
    done, (_, loss) = cut(owed, NOON + 61 * S, samples(NOON, 1).rows(slice(0)))
    assert (done.found, done.note, loss) == (0, "", None)


def test_damage_in_the_history_is_said():
    owed = plan()
    owed.ask(alert(NOON, "flow"))
    done, _ = cut(owed, NOON + 61 * S, damaged=["one.parquet"])
    assert (len(done.samples), done.note) == (181, "damaged_history")


def test_a_clock_that_is_stepped_ends_a_clip_at_once():
    owed = plan()
    owed.ask(alert(NOON, "flow"))
    owed.make_due_now()
    owed.ask(alert(NOON - HOUR + S, "flow"))
    done, _ = cut(owed, NOON - HOUR + S)
    assert (done.clip.alert_count, done.note) == (1, "clock_stepped")
    assert owed.begin(NOON - HOUR + 62 * S).note == ""


def test_a_clock_that_went_back_hides_no_sample_as_sent_before():
    first = plan()
    first.ask(alert(NOON, "flow"))
    cut(first, NOON + 61 * S)
    again = plan()
    again.restore(first.checkpoint())
    first.make_due_now()
    for owed in (first, again):
        owed.ask(alert(NOON - HOUR, "flow"))
        done, _ = cut(owed, NOON - HOUR + 61 * S)
        assert len(done.samples) == 181


def test_a_clip_of_a_clock_that_ran_years_ahead_is_not_waited_for():
    first = plan()
    first.ask(alert(NOON + 50_000 * HOUR, "flow"))
    again = plan()
    again.restore(first.checkpoint())
    assert again.begin(NOON) is not None


def test_a_tag_that_the_line_has_no_more_is_left_out():
    first = plan()
    first.ask(alert(NOON, "flow", "level"))
    again = plan(TAGS[1:])
    again.restore(first.checkpoint())
    assert again.numbers(again.begin(NOON + HOUR)) == {"level": 0}


def test_equal_states_are_equal_bytes():
    owed, again = plan(), plan()
    for each in (owed, again):
        each.ask(alert(NOON, "flow"))
    assert owed.checkpoint() == again.checkpoint()


def test_an_activation_at_the_end_of_a_clip_joins_it_and_one_behind_it_does_not():
    for late, count in ((0, 1), (1, 2)):
        owed = plan()
        owed.ask(alert(NOON, "flow"))
        owed.ask(alert(NOON + 60 * S + late, "flow"))
        assert owed.facts()["owed"] == count


def test_a_clip_grows_to_twice_its_length_and_no_further():
    for late, until in ((0, 240 * S), (1, 190 * S)):
        owed = plan()
        owed.ask(alert(NOON, "flow"))
        owed.ask(alert(NOON + 60 * S, "flow"))
        owed.ask(alert(NOON + 120 * S, "flow"))
        owed.ask(alert(NOON + 130 * S, "flow"))
        owed.ask(alert(NOON + 180 * S + late, "flow"))
        clip = owed.begin(NOON + HOUR)
        assert clip.until == NOON + (until if not late else 190 * S)
        assert owed.facts()["owed"] == 1 + late


def test_a_clip_names_twenty_alerts_and_counts_the_others():
    owed = plan()
    for number in range(22):
        owed.ask(alert(NOON + number, "flow"))
    clip = owed.begin(NOON + HOUR)
    assert clip.alert_count == 22
    assert clip.alerts == [f"pump.anomaly-{NOON + number}" for number in range(20)]


def test_a_clip_is_due_at_its_very_end_with_the_lateness():
    owed = plan()
    owed.ask(alert(NOON, "flow"))
    due = NOON + 60 * S + S // 2
    assert owed.begin(due - 1) is None
    assert owed.begin(due) is not None


def test_only_what_is_due_beyond_all_reason_is_not_waited_for():
    """Twice a clip's length and the lateness: 360.5 s."""
    owed = plan()
    owed.ask(alert(NOON, "flow"))
    due = NOON + 60 * S + S // 2
    assert owed.begin(due - 360 * S - S // 2) is None
    assert owed.begin(due - 360 * S - S // 2 - 1) is not None


def test_what_was_cut_is_not_begun_again_before_it_is_taken():
    owed = plan()
    assert owed.begin(NOON) is None
    owed.ask(alert(NOON, "flow"))
    owed.ask(alert(NOON + 100 * S, "flow"))
    now = NOON + 61 * S
    clip = owed.begin(now)
    owed.record(owed.cut(clip, samples(clip.since, 3), [], now), ["a point"], now)
    assert owed.begin(NOON + HOUR) is None
    assert owed.take() == (["a point"], None)
    assert owed.take() == ((), None)
    assert owed.begin(NOON + HOUR).at == NOON + 100 * S


def test_the_hour_has_room_for_just_as_many_samples_as_it_says():
    for per_hour, left_out in ((181, 0), (180, 1)):
        owed = plan(per_hour=per_hour)
        owed.ask(alert(NOON, "flow"))
        cut(owed, NOON + 61 * S)
        assert owed.facts()["left_out"] == left_out


def test_a_fresh_plan_has_spent_nothing_in_any_hour():
    for now in (0, HOUR):
        assert plan()._spent_in(now) == 0


def test_what_the_hour_has_spent_adds_up_and_ends_with_it():
    owed = plan(per_hour=400)
    for number, room in enumerate((219, 38)):
        at = NOON + number * 1000 * S
        owed.ask(alert(at, "flow"))
        cut(owed, at + 61 * S)
        assert 400 - owed._spent_in(at + 61 * S) == room
    assert owed._spent_in(NOON + HOUR) == 0


def test_what_was_sent_of_each_tag_is_known_until_a_clip_begins_behind_it():
    owed = plan()
    owed.ask(alert(NOON, "flow"))
    cut(owed, NOON + 61 * S)
    owed.ask(alert(NOON + 90 * S, "level"))
    cut(owed, NOON + 151 * S, samples(NOON, 3, number=1))
    assert owed._sent_until == {"flow": NOON + 60 * S, "level": NOON + 150 * S}
    # This one begins just where the first ended.
    owed.ask(alert(NOON + 180 * S, "level"))
    cut(owed, NOON + 241 * S, samples(NOON, 3, number=1))
    assert owed._sent_until == {"flow": NOON + 60 * S, "level": NOON + 240 * S}
    owed.ask(alert(NOON + 180 * S + 1, "current"))
    cut(owed, NOON + 242 * S, samples(NOON, 3, number=2))
    assert set(owed._sent_until) == {"level", "current"}


def test_a_clip_that_was_left_out_has_sent_nothing():
    owed = plan(per_hour=10)
    owed.ask(alert(NOON, "flow"))
    cut(owed, NOON + 61 * S)
    assert owed._sent_until == {}


def test_a_sample_at_the_end_of_the_clip_before_is_not_sent_again():
    owed = plan()
    owed.ask(alert(NOON, "flow"))
    cut(owed, NOON + 61 * S)
    owed.make_due_now()
    assert owed._sent_until == {}, "times that a stepped clock made say nothing of these"
    owed.ask(alert(NOON, "flow"))
    cut(owed, NOON + 61 * S)
    again = plan()
    again.restore(owed.checkpoint())
    again.ask(alert(NOON, "flow"))
    done, _ = cut(again, NOON + 61 * S)
    assert len(done.samples) == 0, "the same clip has been sent"


def test_the_expected_samples_are_whole_ones():
    owed = plan((tag("odd", period=7 * S),))
    owed.ask(alert(NOON, "odd"))
    again = plan((tag("odd", period=7 * S),))
    again.restore(owed.checkpoint())
    _, (_, loss) = cut(again, NOON + HOUR, samples(NOON, 1).rows(slice(0)))
    assert loss.count == 180 // 7 + 1


def test_the_state_is_json_with_sorted_keys():
    owed = plan()
    owed.ask(alert(NOON, "level", "flow"))
    state = owed.checkpoint()
    assert state.startswith(b'{"clipped": ["pump.anomaly-')
    assert b'"due": 1800000060500000000' in state


# What a verdict and a near miss ask for.


def commented(raised, verdict="unclear", at=None):
    return replace(
        raised,
        at=at or raised.at + 600 * S,
        transition=Transition.COMMENTED,
        state=AlarmState.NORMAL,
        is_active=False,
        verdict=verdict,
    )


def taken(owed, now):
    """Cuts the clip that is due; None if there is none. What it sent, and its loss."""
    clip = owed.begin(now)
    if clip is None:
        return None
    samples = batch(clip.at, 1.0, 2.0)
    done = owed.cut(clip, samples, [], now)
    owed.record(done, ["a point"], now)
    return clip, owed.take()


def test_where_only_unclear_alarms_are_wanted_a_verdict_asks_and_an_activation_does_not():
    owed = plan(of="unclear")
    raised = alert(NOON, "flow")
    owed.ask(raised)
    for verdict in ("real", "false", ""):
        owed.ask(commented(raised, verdict))
    assert owed.facts()["owed"] == 0
    owed.ask(commented(raised))
    owed.ask(commented(raised))
    clip, (points, loss) = taken(owed, NOON + 600 * S)
    assert (clip.since, clip.until, clip.tags) == (NOON - 120 * S, NOON + 60 * S, ["flow"])
    assert (clip.asked, clip.alerts, points, loss) == ("unclear", [raised.id], ["a point"], None)
    assert (owed.facts()["owed"], owed.facts()["unclear"]) == (0, 1)


def test_an_unclear_alarm_whose_clip_was_sent_asks_for_none():
    owed = plan()
    raised = alert(NOON, "flow")
    owed.ask(raised)
    owed.ask(commented(raised, at=NOON + S))
    assert taken(owed, NOON + 61 * S) is not None
    again = plan()
    again.restore(owed.checkpoint())
    again.ask(commented(raised))
    assert again.facts() == UNASKED | {"owed": 0, "cut": 0, "left_out": 0, "found": 0, "sent": 0}


def test_an_unclear_alarm_whose_clip_was_left_out_asks_for_it_again():
    owed = plan(per_hour=1)
    raised = alert(NOON, "flow")
    owed.ask(raised)
    _, (_, loss) = taken(owed, NOON + 61 * S)
    assert loss.reason == "per_hour"
    owed.ask(commented(raised))
    assert owed.facts()["owed"] == 1


def test_an_unclear_alarm_whose_samples_are_gone_is_counted_as_lost():
    owed = plan(of="unclear")
    owed.ask(commented(alert(NOON, "flow")))
    clip = owed.begin(NOON + 600 * S)
    done = owed.cut(clip, batch(NOON), [], NOON + 600 * S)
    assert (done.note, done.loss.reason, done.loss.count) == ("no_history", "no_history", 181)


def test_a_clip_that_a_verdict_asks_for_takes_nothing_from_those_that_follow():
    owed = plan()
    owed.ask(alert(NOON, "flow"))
    assert taken(owed, NOON + 61 * S) is not None
    early = alert(NOON - 300 * S, "flow")
    owed.ask(commented(early, at=NOON + 62 * S))
    assert taken(owed, NOON + 63 * S) is not None
    assert owed._sent_until == {"flow": NOON + 60 * S}


def test_a_flood_of_verdicts_is_bounded_and_counted():
    owed = plan(of="unclear")
    for number in range(WAITING + 5):
        owed.ask(commented(alert(NOON + number * S, "flow")))
    assert (owed.facts()["owed"], owed.facts()["left_out"]) == (WAITING, 5)


def test_a_near_miss_asks_only_where_it_is_wanted():
    near = NearMiss("pump.anomaly~1", NOON, ("flow", "gone"))
    owed = plan()
    owed.ask_for(near)
    assert owed.facts()["owed"] == 0
    owed = plan(near_misses=True)
    owed.ask_for(near)
    assert owed.begin(NOON + 50 * S) is None
    clip, _ = taken(owed, NOON + 61 * S)
    assert (clip.tags, clip.asked, owed.facts()["near_misses"]) == (["flow"], "near_miss", 1)


def test_what_is_raised_during_maintenance_asks_for_no_clip():
    owed = plan()
    owed.ask(replace(alert(NOON, "flow"), state=AlarmState.SUPPRESSED))
    assert owed.facts()["owed"] == 0
