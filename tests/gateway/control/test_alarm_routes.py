"""Acknowledging over the socket: the answer comes when it is on disk."""

import asyncio

import pytest
from fakes import LastValue, MemoryJournal, MemoryStore, batch, tag
from patience import PATIENCE

from gateway.api.contracts import Places
from gateway.api.model import SECOND
from gateway.config.load import LineConfig
from gateway.config.schema import LineFileBase, SecuritySection
from gateway.control import alarm_routes
from gateway.control.client import ControlError, request
from gateway.control.server import SOCKET, serve
from gateway.line.line import Line
from gateway.line.past_alarms import PastAlarms

T0 = 1_700_000_040 * SECOND


@pytest.fixture
async def press(tmp_path):
    """A running line with one active alarm, and its socket."""
    file = LineFileBase.model_validate({"version": 1, "line": "l", "site": "s", "sources": {}})
    tags, places = (tag("flow"),), Places(tmp_path, tmp_path)
    config = LineConfig(
        tmp_path / "l.yaml", "l", "s", file, SecuritySection(), tags, places, "digest"
    )
    store = MemoryStore()
    line = Line(config, {"pump": LastValue("flow")}, store, T0, clock=lambda: T0 + 2 * SECOND)
    line.inbox.put(batch(T0 + SECOND // 2, 20.0), 0)
    await line.tick(T0 + 2 * SECOND)
    past = PastAlarms(MemoryJournal(store), line)
    routes = alarm_routes.routes(line.health, line.act, lambda: T0, past)
    where = {"host": "127.0.0.1", "port": 0, "socket": tmp_path / SOCKET}
    async with serve(line.health, lambda: b"", lambda: T0, routes=routes, **where):
        running = asyncio.create_task(line.run())
        yield line, store, tmp_path / SOCKET
        running.cancel()


async def test_the_active_alarms_are_listed_and_one_is_acknowledged(press):
    _, store, socket = press
    (alarm,) = await request(socket, "/alarms")
    assert alarm["state"] == "unacknowledged"
    answer = await request(
        socket, "/alarms/act", {"id": alarm["id"], "act": "acknowledge", "by": "anna"}
    )
    assert (answer["state"], answer["transition"]) == ("acknowledged", "acknowledged")
    assert answer["message"] == "L unlike its normal running: acknowledged by anna"
    assert b'"acknowledged_by": "anna"' in store.checkpoints["pump"]
    (alarm,) = await request(socket, "/alarms")
    assert (alarm["state"], alarm["active"]) == ("acknowledged", True)


async def test_a_second_acknowledgement_and_an_unknown_id_are_refused(press):
    _, _, socket = press
    (alarm,) = await request(socket, "/alarms")
    await request(socket, "/alarms/act", {"id": alarm["id"], "act": "acknowledge", "by": "anna"})
    for body, words in (
        ({"id": alarm["id"], "act": "acknowledge", "by": "ben"}, "already acknowledged by anna"),
        (
            {"id": "pump.anomaly-1", "act": "acknowledge", "by": "ben"},
            "no alarm has the id pump.anomaly-1",
        ),
    ):
        with pytest.raises(ControlError, match=words) as caught:
            await request(socket, "/alarms/act", body)
        assert caught.value.status == 409


@pytest.mark.parametrize(
    "body", [{}, {"id": "x"}, {"id": 1, "act": "acknowledge", "by": "anna"}, {"id": "x", "by": ""}]
)
async def test_an_incomplete_request_is_400(press, body):
    _, _, socket = press
    with pytest.raises(ControlError, match="must be") as caught:
        await request(socket, "/alarms/act", body)
    assert caught.value.status == 400


async def test_what_does_not_get_on_disk_in_time_is_503_and_still_done_later(press, monkeypatch):
    line, store, socket = press
    monkeypatch.setattr(alarm_routes, "STORED_WITHIN_S", 0.05)
    store.refuse = True
    (alarm,) = await request(socket, "/alarms")
    with pytest.raises(ControlError, match="not on disk") as caught:
        await request(
            socket, "/alarms/act", {"id": alarm["id"], "act": "acknowledge", "by": "anna"}
        )
    assert caught.value.status == 503
    store.refuse = False
    async with asyncio.timeout(PATIENCE):
        while line.health.active[alarm["id"]].state != "acknowledged":
            await asyncio.sleep(0.01)


async def act(socket, act, **more):
    (alarm,) = await request(socket, "/alarms")
    return await request(
        socket, "/alarms/act", {"id": alarm["id"], "act": act, "by": "anna", **more}
    )


async def test_an_alarm_is_shelved_and_unshelved(press):
    line, _, socket = press
    answer = await act(socket, "shelve", for_s=3600, why="seal is on order")
    assert (answer["state"], answer["transition"]) == ("shelved", "shelved")
    assert answer["reason"] == "seal is on order"
    assert "shelved by anna until" in answer["message"]
    assert line.health.active == {}
    assert (await act(socket, "unshelve"))["state"] == "unacknowledged"


async def test_an_alarm_is_shelved_once(press):
    _, _, socket = press
    assert "until it returns to normal" in (await act(socket, "shelve"))["message"]


async def test_an_alarm_is_taken_out_of_service_and_back(press):
    _, _, socket = press
    assert (await act(socket, "take_out_of_service", why="x"))["state"] == "out_of_service"
    with pytest.raises(ControlError, match="it is out of service: x"):
        await act(socket, "shelve")
    assert (await act(socket, "return_to_service"))["state"] == "unacknowledged"


async def test_a_verdict_changes_no_state(press):
    _, _, socket = press
    answer = await act(socket, "comment", verdict="false", why="valve test")
    assert (answer["state"], answer["verdict"]) == ("unacknowledged", "false")
    assert answer["message"].endswith("a false alarm, says anna: valve test")
    (alarm,) = await request(socket, "/alarms")
    assert alarm["verdict"] == "false"


async def test_a_verdict_on_an_alarm_that_is_over_is_stored_and_other_acts_on_it_are_refused(press):
    line, store, socket = press
    (alarm,) = await request(socket, "/alarms")
    line.inbox.put(batch(T0 + 3 * SECOND // 2, 5.0), 0)
    await line.tick(T0 + 3 * SECOND)
    await act(socket, "acknowledge")
    assert await request(socket, "/alarms") == []
    over = {"id": alarm["id"], "by": "ben"}
    answer = await request(
        socket, "/alarms/act", {**over, "act": "comment", "verdict": "real", "why": "worn seal"}
    )
    assert (answer["id"], answer["verdict"], answer["state"]) == (alarm["id"], "real", "normal")
    assert store.journal[-1].facts["verdict"] == "real"
    for body in ({**over, "act": "acknowledge"}, {"id": "x-1", "by": "ben", "act": "comment",
                                                  "verdict": "real"}):  # fmt: skip
        with pytest.raises(ControlError, match="no alarm has the id") as caught:
            await request(socket, "/alarms/act", body)
        assert caught.value.status == 409


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"act": "write"}, "known: acknowledge, comment"),
        ({"act": "shelve", "for_s": 1e9}, "up to 604,800"),
        ({"act": "reset", "verdict": "real"}, "verdict belongs to comment alone"),
        ({"act": "comment"}, "a verdict or a why"),
        ({"act": "comment", "verdict": "maybe"}, "real, false, unclear"),
        ({"act": "take_out_of_service"}, "why must be given"),
    ],
)
async def test_an_act_that_makes_no_sense_is_400(press, body, words):
    _, _, socket = press
    with pytest.raises(ControlError, match=words) as caught:
        await request(socket, "/alarms/act", {"id": "x", "by": "anna", **body})
    assert caught.value.status == 400
