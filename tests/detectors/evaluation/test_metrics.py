import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from detectors.evaluation.metrics import (
    Counts,
    average_precision,
    baselines,
    count,
    delays,
    false_episodes,
    hours,
    spans,
    vus_pr,
    without_recovery,
)
from gateway.api.model import SECOND


def flags(text):
    return np.array([mark == "#" for mark in text])


def times(rows):
    return np.arange(rows, dtype=np.int64) * SECOND


def test_rows_are_counted_as_they_are_without_point_adjustment():
    counts = count(flags("..####.."), flags(".##....#"))
    assert counts == Counts(hits=1, false=2, missed=3, quiet=2)
    assert (counts.precision, counts.recall) == (1 / 3, 1 / 4)
    assert (counts.far, counts.mar) == (0.5, 0.75)


def test_f1_agrees_with_the_library():
    rng = np.random.default_rng(1)
    labels, alarms = rng.random((2, 500)) < 0.3
    assert count(labels, alarms).f1 == pytest.approx(f1_score(labels, alarms))


def test_pooled_counts_equal_those_of_the_joined_rows():
    one, two = (flags("..##"), flags(".##.")), (flags("#..."), flags("...."))
    joined = count(np.concatenate((one[0], two[0])), np.concatenate((one[1], two[1])))
    assert count(*one).plus(count(*two)) == joined


def test_without_any_row_a_rate_is_nan():
    assert math.isnan(count(flags("...."), flags("....")).f1)
    assert math.isnan(count(flags("...."), flags("....")).mar)


def test_the_baselines_are_the_f1_of_alarming_always_and_at_random():
    rng = np.random.default_rng(2)
    labels, alarms = rng.random(200_000) < 0.3, rng.random(200_000) < 0.2
    least = baselines(count(labels, alarms))
    assert least.always == pytest.approx(f1_score(labels, np.ones_like(labels)))
    assert least.random == pytest.approx(count(labels, alarms).f1, abs=0.01)


def test_spans_include_both_edges():
    assert spans(flags("##..#.#")) == [(0, 2), (4, 5), (6, 7)]
    assert spans(flags("...")) == []


def test_a_delay_counts_from_the_onset_and_a_missed_event_has_none():
    assert delays(times(9), flags(".###..##."), flags("#..#.....")) == [2 * SECOND, None]


def test_an_alarm_that_touches_an_event_is_not_false():
    assert false_episodes(flags("...##...."), flags("#.##..#.#")) == 3


def test_hours_follow_from_the_distance_of_rows():
    assert hours(times(7200), np.ones(7200, dtype=bool)) == 2


def test_the_grace_excludes_the_rows_after_an_event_but_no_labelled_one():
    kept = without_recovery(flags(".##...#.."), times(9), 2 * SECOND)
    assert kept.tolist() == flags("###..##..").tolist()


def test_average_precision_agrees_with_the_library_with_ties():
    rng = np.random.default_rng(3)
    labels = rng.random(400) < 0.2
    scores = np.round(rng.random(400) + 0.3 * labels, 1)
    expected = average_precision_score(labels, scores)
    assert average_precision(labels, scores) == pytest.approx(expected)


def test_blind_rows_rank_last():
    labels = flags("..##")
    assert average_precision(labels, np.array([0, 0, 1, np.nan])) == pytest.approx(0.75)


def reference(labels, scores, longest):
    """VUS-PR by its definition, row by row and threshold by threshold."""
    areas = []
    for tolerance in range(longest + 1):
        half, soft, groups = tolerance // 2, labels.astype(float), []
        for start, end in spans(labels):
            for away in range(1, half + 1):
                for at in (start - away, end - 1 + away):
                    if 0 <= at < len(labels):
                        soft[at] += np.sqrt(1 - away / tolerance)
            near = set(range(max(start - half, 0), min(end + half, len(labels))))
            if groups and max(groups[-1]) + 1 >= min(near):
                groups[-1] |= near
            else:
                groups.append(near)
        soft = np.minimum(soft, 1)
        area = before = 0.0
        ordered = np.sort(scores)[::-1]
        for step in np.linspace(0, len(scores) - 1, 250).astype(int):
            alarms = scores >= ordered[step]
            hits = (soft * alarms).sum()
            labelled = (labels.sum() + labels.sum() + (soft * alarms)[~labels].sum()) / 2
            touched = np.mean([any(alarms[list(group)]) for group in groups])
            recall = min(hits / labelled, 1) * touched
            area += (recall - before) * hits / alarms.sum()
            before = recall
        areas.append(area)
    return np.mean(areas)


@pytest.mark.parametrize("seed", range(4))
def test_vus_pr_follows_its_definition(seed):
    rng = np.random.default_rng(seed)
    labels = flags("#" * 3 + "." * 60 + "#" * 20 + "." * 12 + "#" * 5 + "." * 90)
    scores = np.round(rng.random(len(labels)) + 0.5 * labels, 2)
    assert vus_pr(labels, scores, 20) == pytest.approx(reference(labels, scores, 20))


def test_vus_pr_tolerates_a_small_shift_that_average_precision_does_not():
    labels = flags("." * 100 + "#" * 20 + "." * 100)
    late = np.roll(labels, 5).astype(float)
    assert vus_pr(labels, late, 30) > average_precision(labels, late)
    assert vus_pr(labels, labels.astype(float), 0) == pytest.approx(1)


def test_without_events_there_is_no_ranking():
    assert math.isnan(vus_pr(flags("...."), np.arange(4.0), 2))
    assert math.isnan(average_precision(flags("...."), np.arange(4.0)))
