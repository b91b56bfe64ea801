"""The journal is paged through, and one alarm is shown as a whole."""

import json

import pytest
from fakes import tag

from gateway.api.alarms import AlarmState as State
from gateway.api.alarms import Alert, Severity, Transition
from gateway.api.model import SECOND
from gateway.buffer import open_buffer
from gateway.config.schema import BufferSection
from gateway.control import journal_routes
from gateway.control.client import ControlError, request
from gateway.control.server import SOCKET, serve
from gateway.core.alarms.journal import note, of_alert
from gateway.core.freshness import FreshnessWatch
from gateway.telemetry.health import Health
from gateway.telemetry.status import alert_facts

NOW = 1_700_000_000 * SECOND
ID = "pump.anomaly-18bcfe60828"


def alert(transition, state, at, **more):
    more = {"is_active": True, "message": f"it was {transition}", **more}
    return Alert(
        ID, "pump", "anomaly", state, Severity.HIGH, NOW, at, 11.0, 10.0, 12.0,
        transition=transition, **more,
    )  # fmt: skip


RAISED = alert(Transition.RAISED, State.UNACKNOWLEDGED, NOW)
ACKNOWLEDGED = alert(
    Transition.ACKNOWLEDGED, State.ACKNOWLEDGED, NOW + SECOND, by="anna", reason="seen"
)


@pytest.fixture
async def daemon(tmp_path):
    """The socket, the buffer and the health of a daemon with a note and two transitions."""
    tags = [tag("flow")]
    health = Health("l", "s", tags, FreshnessWatch(tags, 5.0, 3.0))
    where = {"host": "127.0.0.1", "port": 0, "socket": tmp_path / SOCKET}
    clips = {ID: "/clips/one.parquet"}
    async with open_buffer(
        tmp_path / "b.db", BufferSection(), {"cloud": frozenset()}, clock=lambda: NOW + 9
    ) as buffer:
        entries = [of_alert(alert_facts(each)) for each in (RAISED, ACKNOWLEDGED)]
        await buffer.append([], {}, [note(NOW - SECOND, "restarted"), *entries])
        routes = journal_routes.routes(buffer, health, lambda alarm_id: clips.get(alarm_id, ""))
        async with serve(health, lambda: b"", lambda: NOW, routes=routes, **where):
            yield tmp_path / SOCKET, buffer, health


async def test_an_entry_is_told_with_all_that_is_known_of_it(daemon):
    socket, *_ = daemon
    answer = await request(socket, "/journal?limit=1")
    assert answer == {
        "more": True,
        "entries": [
            {
                "seq": 3,
                "at": NOW + SECOND,
                "recorded_at": NOW + 9,
                "kind": "alarm",
                "id": ID,
                "transition": "acknowledged",
                "state": "acknowledged",
                "severity": "high",
                "by": "anna",
                "reason": "seen",
                "message": "it was acknowledged",
                "facts": json.loads(json.dumps(alert_facts(ACKNOWLEDGED))),
            }
        ],
    }


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [3, 2, 1]),
        ("?limit=2", [3, 2]),
        ("?before=3", [2, 1]),
        (f"?since={NOW}", [3, 2]),
        (f"?until={NOW}", [1]),
        (f"?since={NOW}&until={NOW + 1}", [2]),
        (f"?id={ID}", [3, 2]),
        ("?id=nosuch", []),
        ("?limit=0", []),
    ],
)
async def test_the_journal_is_asked_for_by_number_time_and_alarm(daemon, query, numbers):
    answer = await request(daemon[0], f"/journal{query}")
    assert [entry["seq"] for entry in answer["entries"]] == numbers


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("limit=1001", "limit must be a whole number from 0 to 1,000"),
        ("since=8h", "since must be a whole number"),
        ("until=-1", "until must be a whole number"),
        ("before=", "before must be a whole number"),
        ("id=%1b", "id holds a control character"),
        (f"id={'a' * 401}", "id is longer than 400 characters"),
        ("order=up", "no parameter 'order'"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(daemon, query, words):
    with pytest.raises(ControlError, match=words) as caught:
        await request(daemon[0], f"/journal?{query}")
    assert caught.value.status == 400


async def test_an_alarm_that_is_over_is_told_as_it_was_last(daemon):
    answer = await request(daemon[0], f"/alarms/show?id={ID}")
    assert [entry["transition"] for entry in answer["entries"]] == ["raised", "acknowledged"]
    assert answer["alarm"] == answer["entries"][-1]["facts"]
    assert answer["clip"] == "/clips/one.parquet"


async def test_an_alarm_that_is_open_is_told_as_it_is_now(daemon):
    socket, _, health = daemon
    health.note_alert(RAISED)
    answer = await request(socket, f"/alarms/show?id={ID}")
    assert answer["alarm"]["state"] == "unacknowledged"
    assert len(answer["entries"]) == 2


@pytest.mark.parametrize(("query", "status"), [("", 400), ("?id=", 400), ("?id=nosuch", 404)])
async def test_an_alarm_that_is_not_named_or_never_was_is_an_error(daemon, query, status):
    with pytest.raises(ControlError) as caught:
        await request(daemon[0], f"/alarms/show{query}")
    assert caught.value.status == status
