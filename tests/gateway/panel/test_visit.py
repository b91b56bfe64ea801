from fake_daemon import T0, alarm

from gateway.api.model import SECOND
from gateway.panel.listeners import Listeners
from gateway.panel.visit import CARDS, line
from gateway.panel.watch import Watch


def watching(**facts):
    watch = Watch("press-3", [], Listeners())
    for name, value in facts.items():
        setattr(watch, name, value)
    return watch


def test_of_very_many_alarms_the_most_urgent_are_shown_and_the_rest_is_counted():
    many = [alarm(f"d.{number}", f"low {number}", "low") for number in range(3 * CARDS)]
    last = alarm("d.last", "worst", "critical")
    found = line(watching(alarms=[*many, last], left_out=7, away=""), T0)
    assert (len(found.alarms.shown), found.left_out) == (CARDS, 2 * CARDS + 1 + 7)
    assert found.alarms.shown[0].headline == "worst"


def test_what_was_known_of_a_line_that_is_away_does_not_grow_older():
    watch = watching(alarms=[alarm("d.x", "x")], away="gone", heard_at=T0 + 60 * SECOND)
    found = line(watch, T0 + 3600 * SECOND)
    assert found.alarms.shown[0].lasted == "1 min"
    assert (found.silent_for, found.away) == ("59 min", "gone")


def test_maintenance_is_said_in_a_sentence_whatever_it_lacks():
    facts = {"on": True, "by": "Ben Ott", "why": "tool change", "until": None, "since": T0}
    said = line(watching(status={"maintenance": facts}), T0).maintenance_words
    assert said.startswith("Since ")
    assert said.endswith(" by Ben Ott: tool change")
    assert line(watching(status={"maintenance": {"on": True}}), T0).maintenance_words == ""
    assert not line(watching(), T0).maintenance
