"""Detectors with one mistake each, made from a right one: a contract suite must see them."""

from dataclasses import replace

import numpy as np


def changed(change):
    """A mistake in a score: `change` takes the window and the score."""

    def make(right):
        class Wrong(right):
            def score(self, windows):
                scores = super().score(windows)
                return [change(w, s) for w, s in zip(windows, scores, strict=True)]

        return Wrong

    return make


def _alarms_reversed(_window, score):
    return replace(score, values=np.concatenate((score.values[:1], score.values[:0:-1])))


reverses_its_contributions = changed(lambda _, s: replace(s, contribution=s.contribution[::-1]))
shares_its_contributions_out = changed(
    lambda _, s: replace(s, contribution=s.contribution / s.contribution.sum())
)
reverses_its_last_row = changed(lambda _, s: replace(s, actual=s.actual[::-1]))
reverses_its_alarms = changed(_alarms_reversed)
is_blind_and_does_not_say_so = changed(lambda _, s: replace(s, blind=""))
reports_the_start_of_its_window = changed(lambda w, s: replace(s, at=w.start))
counts_in_float32 = changed(lambda _, s: replace(s, values=s.values.astype(np.float32)))


def takes_gaps_for_zero(right):
    class Wrong(right):
        def score(self, windows):
            return super().score(
                [replace(each, values=np.nan_to_num(each.values)) for each in windows]
            )

    return Wrong


def compares_with_its_neighbours(right):
    class Wrong(right):
        def score(self, windows):
            scores = super().score(windows)
            offset = scores[0].values if len(scores) > 1 else 0
            return [replace(each, values=each.values - offset) for each in scores]

    return Wrong


def remembers_its_windows(right):
    class Wrong(right):
        seen = 0

        def score(self, windows):
            self.seen += len(windows)
            return [
                replace(each, values=each.values + self.seen) for each in super().score(windows)
            ]

    return Wrong


def answers_in_another_order(right):
    class Wrong(right):
        def score(self, windows):
            return super().score(windows)[::-1]

    return Wrong


def writes_to_its_windows(right):
    class Wrong(right):
        def score(self, windows):
            for each in windows:
                each.values[0] = 0.0
            return super().score(windows)

    return Wrong


def stumbles_over_a_missing_tag(right):
    class Wrong(right):
        def __init__(self, name, options, tags, places):
            super().__init__(name, options, {tag: tags[tag] for tag in options.tags}, places)

    return Wrong


def names_an_alarm_twice(right):
    class Wrong(right):
        def __init__(self, name, options, tags, places):
            super().__init__(name, options, tags, places)
            self.alarms = [*self.alarms[:-1], self.alarms[0]]

    return Wrong
