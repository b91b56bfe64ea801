import pytest
from fake_daemon import T0, detector, sink, status, tag

from gateway.api.model import SECOND
from gateway.panel import line_view


def says(facts):
    return {tile.name: (tile.says, tile.is_normal) for tile in line_view.tiles(facts)}


def test_a_line_on_which_all_is_well_says_so_in_three_tiles():
    assert says(status()) == {
        "Data": ("1 tag, all fine", True),
        "Detection": ("1 detector, all fine", True),
        "Link": ("1 sink up; waiting: nothing", True),
    }


def test_what_is_wrong_is_named():
    facts = status(
        tags=[tag("flow"), tag("oil", state="stale"), tag("ram", state="bad", value=None)],
        detectors=[detector("pump", "blind", "3 of 12 tags stale")],
        sinks=[sink("cloud", up=False, error="refused"), sink("mqtt")],
        buffer={
            "alerts": 1,
            "summaries": 3,
            "gateway": 0,
            "clips": 2,
            "oldest_at": T0 - 60 * SECOND,
            "dropped": 5,
        },
        clock={"trusted": False, "why": "it went back by 3 h"},
    )
    assert says(facts) == {
        "Data": ("2 of 3 tags stale or bad: oil, ram", False),
        "Detection": ("1 of 1 detector blind: pump", False),
        "Link": ("cloud away; waiting: 1 alarm, 3 summaries, 2 clips; the oldest 1 min ago", False),
        "Clock": ("it went back by 3 h", False),
        "Lost": ("5 points given up", False),
    }  # fmt: skip


def test_tags_that_are_not_fresh_come_first_with_their_reasons():
    facts = status(tags=[tag("b"), tag("a", state="stale", reason="timeout", age_s=12.0)])
    first, second = line_view.tags(facts)
    assert (first.name, first.word, first.why, first.more) == ("a", "stale", "timeout", "12 s ago")
    assert (second.name, second.value) == ("b", "1")


def test_the_name_of_a_value_is_shown_instead_of_its_number():
    (row,) = line_view.tags(status(tags=[tag("valve") | {"name": "jammed"}]))
    assert row.value == "jammed"


def test_maintenance_counts_only_if_it_is_on():
    assert line_view.maintenance(status(maintenance={"on": True, "by": "x"}))["by"] == "x"
    assert line_view.maintenance(status(maintenance={"on": False})) == {}
    assert line_view.maintenance(status()) == {}


@pytest.mark.parametrize("odd", [None, 7, "x", [], {}, [None], [{}], [{"name": 7, "tag": []}]])
def test_odd_facts_end_no_page(odd):
    names = ("tags", "detectors", "sinks", "sources", "buffer", "clock", "maintenance", "now")
    facts = dict.fromkeys(names, odd)
    line_view.tiles(facts)
    for each in (line_view.tags, line_view.sinks, line_view.sources, line_view.detectors):
        assert isinstance(each(facts), list)
    assert isinstance(line_view.waiting(facts), str)
    assert isinstance(line_view.units(facts), dict)
    assert line_view.maintenance(facts) == {}
