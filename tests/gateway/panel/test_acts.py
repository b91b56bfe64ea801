"""What people do at the panel reaches the daemon, with their name."""

import json

import pytest
from fake_daemon import FakeDaemon, alarm
from panels import showing

ALARM = alarm("guard.oil.high", "Oil high: 87 °C, limit 85 °C")


@pytest.fixture
async def daemon():
    return FakeDaemon([ALARM])


@pytest.fixture
async def visitor(tmp_path, daemon):
    async with showing(tmp_path, daemon) as visitor:
        yield await visitor.named()


async def act(visitor, path="/line/press-3/act", **fields):
    fields = {"csrf": await visitor.csrf(), "id": ALARM["id"], "back": "/"} | fields
    return await visitor.post(path, fields)


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({"act": "acknowledge"}, {}),
        ({"act": "shelve", "for_s": "900", "why": ""}, {"for_s": 900}),
        ({"act": "shelve", "for_s": "once", "why": " seal "}, {"why": "seal"}),
        ({"act": "comment", "verdict": "false"}, {"verdict": "false"}),
        ({"act": "take_out_of_service", "why": "work"}, {"why": "work"}),
    ],
)
async def test_an_act_goes_to_the_daemon_and_what_it_says_is_shown(visitor, daemon, fields, body):
    answer, _ = await act(visitor, **fields)
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    kept = {"id": ALARM["id"], "act": fields["act"], "by": "Anna"} | body
    assert daemon.acts == [kept]
    _, text = await visitor.get("/")
    assert '<div id="said" role="status">done by Anna</div>' in text


async def test_what_the_daemon_refuses_is_shown_as_refused(visitor, daemon):
    daemon.refuses = "already acknowledged by <b>Ben</b>"
    await act(visitor, act="acknowledge")
    _, text = await visitor.get("/")
    assert 'class="failed">already acknowledged by &lt;b&gt;Ben&lt;/b&gt;</div>' in text


async def test_without_a_name_it_is_asked_for_and_nothing_is_done(tmp_path):
    daemon = FakeDaemon([ALARM])
    async with showing(tmp_path, daemon) as visitor:
        answer, _ = await act(visitor, act="acknowledge")
        assert answer.headers["Location"] == "/name?back=/"
    assert daemon.acts == []


async def test_a_script_has_the_same_as_json(visitor, daemon):
    fields = {"csrf": await visitor.csrf(), "id": ALARM["id"], "act": "acknowledge"}
    _, text = await visitor.post("/line/press-3/act", fields, Accept="application/json")
    assert json.loads(text) == {"said": "done by Anna", "failed": False}
    _, text = await visitor.get("/")
    assert "done by Anna" not in text


async def test_maintenance_goes_to_the_daemon(visitor, daemon):
    fields = {"on": "yes", "for_s": "7200", "why": "tool change"}
    await act(visitor, "/line/press-3/maintenance", **fields)
    await act(visitor, "/line/press-3/maintenance", on="no")
    on = {"on": True, "for_s": 7200, "why": "tool change", "by": "Anna"}
    assert daemon.acts == [on, {"on": False, "by": "Anna"}]


async def test_there_is_no_act_on_an_unknown_line(visitor, daemon):
    answer, _ = await act(visitor, "/line/press-9/act", act="acknowledge")
    assert answer.status == 404
    assert daemon.acts == []
