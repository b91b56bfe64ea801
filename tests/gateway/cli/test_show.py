"""The page of `andon status` stays short, however many tags a line has."""

import copy

import pytest
from rich.console import Console

from gateway.api.local_time import local_time
from gateway.cli.pieces import MANY
from gateway.cli.show import overview, show_status
from gateway.cli.show_delivery import history, ledger, services, sinks
from gateway.cli.show_detectors import alerts, detectors
from gateway.cli.show_sources import reading, sources, tags


def text(part):
    console = Console(width=120, color_system=None)
    with console.capture() as captured:
        console.print(part)
    return captured.get()


def line_of(count, stale=()):
    """Facts of a line with `count` tags and sources, those in `stale` without data."""
    rows = [
        {
            "tag": f"t{k}",
            "value": 1.0,
            "unit": "",
            "state": state(k, stale),
            "source": f"s{k}",
            "age_s": 0.4,
        }
        for k in range(count)
    ]
    up = [{"name": f"s{k}", "up": k not in stale, "since_s": 5, "samples": 1, "error": "gone",
           "age_s": None if k in stale else 125.0, "losses": 3}
          for k in range(count)]  # fmt: skip
    states = {"fresh": count - len(stale), "late": 0, "stale": len(stale)}
    return {"tags": rows, "sources": up, "tag_states": states}


def state(number, stale):
    return "stale" if number in stale else "fresh"


def test_a_line_with_few_tags_shows_each():
    page = text(tags(line_of(MANY)))

    assert page.count("fresh") == MANY
    assert "--all" not in page


def test_a_state_is_shown_with_its_name():
    facts = line_of(1)
    facts["tags"][0] |= {"value": 2.0, "name": "jammed"}

    assert "2 (jammed)" in text(tags(facts))


def test_a_line_with_thousands_of_tags_shows_the_counts_and_what_is_not_fresh():
    page = text(tags(line_of(7500, stale={7, 4000})))

    assert "7,500 tags: 7,498 fresh, 2 stale" in page
    assert [line.split()[0] for line in page.splitlines() if " stale " in line] == [
        "t7",
        "t4000",
    ]
    assert len(page.splitlines()) == 5


def test_what_is_left_out_is_counted_and_shown_on_request():
    facts = line_of(500, stale=set(range(100)))

    assert "(40 more of these; --all shows every one)" in text(tags(facts))
    assert text(tags(facts, every=True)).count("\n") == 501


def test_lost_samples_and_diagnostics_of_a_source_are_shown_while_it_is_up():
    facts = line_of(2, stale={1})
    facts["sources"][0] |= {"lost_samples": 1200, "diagnostics": ["flow: polled", "on: unknown"]}

    page = text(sources(facts))

    assert "1,200 samples lost at the source; flow: polled (and 1 more: --json)" in page
    assert page.count("gone") == 1


@pytest.mark.parametrize("gone", [set(), {3}])
def test_of_many_sources_those_that_are_down_are_shown(gone):
    page = text(sources(line_of(300, stale=gone)))

    assert f"300 sources: {300 - len(gone)} up" in page
    assert page.count("gone") == len(gone)


def test_the_age_of_data_and_the_losses_of_a_source_are_shown():
    facts = line_of(2, stale={1})

    assert text(tags(facts)).count("0.4 s") == 2
    up, down = text(sources(facts)).splitlines()[1:]
    assert up.split() == ["s0", "up", "5", "s", "2", "min", "5", "s", "1", "3"]
    assert down.split() == ["s1", "down", "5", "s", "–", "1", "3", "gone"]


def test_a_long_list_of_reasons_is_cut():
    facts = line_of(3) | {
        "line": "l", "site": "s", "now": 0, "started": 0, "health": "degraded", "active": [],
        "counters": {"values_read": 0, "windows_scored": 0},
        "not_ready": [f"source s{k}: gone" for k in range(300)],
    }  # fmt: skip

    page = text(overview(facts))

    assert page.count("gone") == 12
    assert "and 288 more" in page


def test_history_is_one_row_with_the_samples_lost_to_a_full_disk():
    kept = {"bytes": 34_000_000, "oldest_at": 1_700_000_000 * 10**9, "error": "", "dropped": 0}
    assert "history: 34.0 MB since 2023-11-1" in text(history(kept))
    full = kept | {"error": "No space left on device", "dropped": 1200}
    assert "1,200 samples lost: No space left on device" in text(history(full))
    assert "history: 0.0 MB" in text(history({"error": ""}))


def test_history_shows_how_many_clips_were_sent():
    clips = {"owed": 0, "cut": 4, "left_out": 1, "found": 900, "sent": 800}
    assert "clips: 4 sent, 1 left out" in text(history({"error": "", "clips": clips}))


def test_the_connections_of_local_services_are_shown_with_those_that_came_to_nothing():
    health = {"name": "health", "open": 1, "streams": 0, "ended": {}}
    control = {"name": "control", "open": 2, "streams": 1, "ended": {"slow": 3, "crowded": 1200}}
    assert text(services({"services": [health, control]})) == (
        "health service: 1 connection open\n"
        "control service: 2 connections open, 1 stream among them; not served: "
        "1,200 crowded, 3 slow\n"
    )


def test_the_ledger_claims_no_saving_before_anything_was_sent():
    day = {"day": "2026-01-31", "read": 9_000, "raw_gzip": 4_000, "sent": 1_000, "clips": 250}
    first, quiet = (text(ledger({"ledger": [d]})) for d in (day, day | {"sent": 0, "clips": 0}))
    assert "1,000 B" in first
    assert "250 B" in first
    assert "75.0 %" in first
    assert "%" not in quiet


def test_why_tags_are_not_fresh_is_told_once_for_each_reason():
    facts = line_of(9, stale={1, 2, 3, 4, 5, 6})
    for tag in facts["tags"][1:7]:
        tag["reason"] = "its time is 2 h ahead of this machine's clock"
    facts["tags"][0] |= {"state": "bad", "reason": "exception 2, illegal data address"}

    rows = text(tags(facts)).splitlines()[-2:]

    assert rows == [
        "  t0: exception 2, illegal data address",
        "  t1, t2, t3, t4, t5 and 1 more: its time is 2 h ahead of this machine's clock",
    ]


def judged(**more):
    return {"name": "pump", "state": "ok", "reason": "", "scored": 303, "score": 3.2,
            "threshold": 2.31, "below": False} | more  # fmt: skip


ALARM = {"id": "pump.anomaly-19b2c4d5e6f", "detector": "pump", "alarm": "anomaly", "tag": None,
         "severity": "high", "state": "unacknowledged", "at": 0, "top_tags": [],
         "message": "anomaly: 3.2 past its threshold of 2.31"}  # fmt: skip


@pytest.mark.parametrize(
    ("detector", "active", "words"),
    [
        (judged(), [], "pump ok no alarm"),
        (judged(), [ALARM], "pump ok ALARM, high"),
        (judged(), [ALARM, ALARM | {"severity": "low"}], "pump ok 2 ALARMS, high"),
        (judged(), [ALARM | {"detector": "data"}], "pump ok no alarm"),
        (judged(state="blind", score=None, reason="no data for flow"), [], "pump blind –"),
        (judged(state="blind", score=None), [ALARM], "pump blind ALARM, high"),
    ],
)
def test_whether_a_detector_works_is_apart_from_what_it_says(detector, active, words):
    row = text(detectors({"detectors": [detector], "active": active})).splitlines()[1]
    assert " ".join(row.split()).startswith(words)


def test_a_blind_detector_says_since_when_and_why():
    at = 1_767_264_123 * 10**9
    blind = judged(state="blind", score=None, reason="no data for flow", since=at)
    shown = text(detectors({"detectors": [blind], "active": []}))
    assert f"since {local_time(at, '%H:%M')}: no data for flow" in shown
    idle = blind | {"state": "idle", "reason": "not running"}
    assert "since" not in text(detectors({"detectors": [idle], "active": []}))


@pytest.mark.parametrize(("score", "threshold"), [(992.0, 2000.0), (0.0, 1.0), (5.0, 0.0)])
def test_a_low_limit_is_shown_in_its_own_values(score, threshold):
    facts = {"detectors": [judged(score=score, threshold=threshold, below=True)], "active": []}
    assert f"{score:.0f} / {threshold:.0f}" in text(detectors(facts))


def test_an_alarm_is_shown_with_the_id_that_other_commands_need():
    page = text(alerts({"active": [ALARM], "alerts": []}))
    assert "pump.anomaly-19b2c4d5e6f" in page
    assert "3.2 past its threshold of 2.31" in page


def test_what_follows_from_an_alarm_is_indented_below_it():
    lost = ALARM | {"id": "data.plc.lost-1", "at": 1, "message": "plc is lost"}
    blind = ALARM | {"id": "models.pump.blindness-2", "at": 9, "message": "Pump blind too often"}
    blind["caused_by"] = "data.plc.lost-1"
    other = ALARM | {"id": "guard.flow.low-3", "at": 5, "message": "Flow low", "caused_by": "gone"}
    page = text(alerts({"active": [lost, other, blind], "alerts": []})).splitlines()
    column = page[0].index("alarm")
    assert [row[column:].rstrip() for row in page[1:]] == [
        "guard.flow.low-3", "Flow low",
        "data.plc.lost-1", "plc is lost",
        "  models.pump.blindness-2", "  Pump blind too often",
    ]  # fmt: skip


def test_alarms_that_follow_from_each_other_are_all_shown():
    ring = [ALARM | {"id": f"a-{n}", "at": n, "caused_by": f"a-{1 - n}"} for n in range(2)]
    page = text(alerts({"active": ring, "alerts": []}))
    assert "a-0" in page
    assert "a-1" in page


def test_an_id_stays_whole_on_a_narrow_terminal():
    long = ALARM | {"id": "guard.oil_temperature.high-19b2c4d5e6f"}
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        console.print(alerts({"active": [long], "alerts": []}))
    assert long["id"] in captured.get()


def test_a_text_with_colons_and_brackets_is_shown_as_it_is(capsys):
    why = "browse path Objects/1:x: 'x' [b] not found"
    row = {"tag": "a", "value": None, "unit": ":x:", "state": "bad", "source": "s", "reason": ""}
    facts = {
        "line": "a",
        "site": "b",
        "health": "ok",
        "active": [],
        "not_ready": [why],
        "now": 1,
        "started": 0,
        "counters": {"values_read": 1, "windows_scored": 1},
        "tags": [row | {"age_s": None}],
        "sources": [],
        "detectors": [],
        "sinks": [],
        "ledger": [],
        "alerts": [],
        "history": None,
    }
    show_status(facts)
    shown = capsys.readouterr().out
    assert why in shown
    assert " :x: " in shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        *((0.0, "0"), (230.46, "230.5"), (9999.0, "9999"), (-70000.0, "-70000")),
        *((292535704.0, "292535704"), (12345.6, "12346"), (100049.0, "100049"), (99996.5, "99996")),
        *(
            (1e15, "1e+15"),
            (4.6e18, "4.6e+18"),
            (0.000012345, "1.234e-05"),
            (-1e12, "-1000000000000"),
            (9999.96, "10000"),
        ),
    ],
)
def test_a_counter_is_shown_with_all_its_digits(value, shown):
    assert reading({"value": value, "name": ""}, digits=4) == shown


def test_the_score_of_a_large_limit_is_shown_with_all_its_digits():
    facts = {"detectors": [judged(score=71234.0, threshold=70000.0, below=True)], "active": []}
    assert "71234 / 70000" in text(detectors(facts))


def test_states_and_severities_have_the_names_that_the_daemon_gives_them():
    names = {"state": {"unacknowledged": "aktiv"}, "severity": {"high": "hoch"}}
    alarm = ALARM | {"state": "unacknowledged", "severity": "high", "detector": "pump"}
    facts = {"active": [alarm], "alerts": [alarm], "names": names}
    assert "hoch" in text(alerts(facts))
    assert "aktiv" in text(alerts(facts))
    assert "ALARM, hoch" in text(detectors(facts | {"detectors": [judged(name="pump")]}))
    assert "unacknowledged" in text(alerts(facts | {"names": {}}))


def test_an_active_alarm_says_what_is_wrong_also_once_it_is_acknowledged():
    raised = ALARM | {"state": "acknowledged", "message": "Oil hot: 84.9 °C, limit 80 °C"}
    taken = raised | {"message": "Oil hot: acknowledged by anna", "at": 1}
    shown = text(alerts({"active": [raised], "alerts": [taken]}))
    assert "84.9 °C, limit 80 °C" in shown
    assert "acknowledged by anna" not in shown


def test_a_long_id_is_shown_whole():
    long = ALARM | {"id": "guard." + "oil_temperature" * 12 + ".high_high-1a227659f08"}
    assert long["id"] in "".join(text(alerts({"active": [long], "alerts": []})).split())


def test_a_tag_that_is_not_normal_is_shown_with_its_class_and_why():
    frozen = {
        "tag": "oil",
        "value": 5.0,
        "unit": "",
        "name": "",
        "state": "fresh",
        "age_s": 1.0,
        "source": "plc",
        "reason": "the same value for 1 h",
        "ne107": "check_function",
    }
    facts = {"tags": [frozen], "tag_states": {"fresh": 1}}
    assert "oil: check_function, the same value for 1 h" in text(tags(facts))
    names = {"ne107": {"check_function": "check function"}}
    assert "oil: check function, the same" in text(tags(facts | {"names": names}))
    others = [frozen | {"tag": f"t{n}", "reason": "", "ne107": "normal"} for n in range(70)]
    assert "oil" in text(tags(facts | {"tags": [*others, frozen]}))


STATUS = {
    "line": "l", "site": "s", "health": "degraded", "now": 10, "started": 0, "not_ready": ["gone"],
    "counters": {"values_read": 1, "windows_scored": 1},
    "tags": [{"tag": "t", "value": 1.0, "unit": "", "name": "", "state": "stale", "reason": "gone",
              "age_s": 1.0, "source": "s"}],
    "tag_states": {"stale": 1},
    "detectors": [judged(name="pump")],
    "sources": [{"name": "s", "up": False, "error": "gone", "since_s": 1.0, "age_s": 1.0,
                 "samples": 1, "losses": 1, "lost_samples": 0, "corrected": {}, "diagnostics": []}],
    "sinks": [{"name": "c", "up": True, "error": "", "sent_bytes": 1, "spent": 1, "budget": 9}],
    "ledger": [{"day": "2026-01-31", "read": 1, "raw_gzip": 1, "sent": 1, "clips": 1}],
    "history": {"bytes": 1, "oldest_at": 1, "dropped": 1, "error": "full",
                "clips": {"cut": 1, "left_out": 1}},
    "services": [{"name": "health", "open": 1, "streams": 0, "ended": {"slow": 1}}],
    "active": [ALARM | {"top_tags": [
        {"tag": "flow", "share": 1.0, "actual": 1.0, "expected": None, "reason": ""}]}],
    "alerts": [ALARM],
}  # fmt: skip


def places(facts, path=()):
    """The path of each key, at all depths."""
    for key, value in facts.items() if isinstance(facts, dict) else enumerate(facts):
        if isinstance(facts, dict):
            yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


@pytest.mark.parametrize("path", list(places(STATUS)), ids=str)
def test_the_status_of_a_daemon_that_lacks_a_fact_is_shown(path, capsys):
    facts = copy.deepcopy(STATUS)
    place = facts
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    show_status(facts)
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) >= 10
    assert ("2026-01-31" in shown) is (path[:1] != ("ledger",) or path[-1] not in ("ledger", "day"))


def test_a_sink_shows_its_error_or_what_it_has_to_tell():
    sink = {"name": "people", "up": True, "error": "", "sent_bytes": 1, "spent": 0, "budget": None}
    told = ["shift: 2 messages sent", "boss: 1 message sent, 3 left out (severity)"]
    shown = text(sinks({"sinks": [sink | {"diagnostics": told}]}))
    assert "shift: 2 messages sent" in shown
    assert "3 left out (severity)" in shown
    assert "no route" in text(sinks({"sinks": [sink | {"error": "no route"}]}))
