"""The pages of one line."""

import pytest
from fake_daemon import T0, FakeDaemon, alarm, status, tag, top
from panels import showing

from gateway.panel import pages


def entry(number, **more):
    return {
        "seq": number, "at": T0, "kind": "alarm", "id": "guard.oil.high-1", "transition": "raised",
        "state": "unacknowledged", "severity": "high", "by": "", "reason": "",
        "message": "Oil high",
    } | more  # fmt: skip


OIL = alarm(
    "guard.oil.high", "Oil high: 87 °C, limit 85 °C", tag="oil", model="m@1", threshold=85.0,
    top_tags=[top("oil", 1.0, 87.0, None)],
)  # fmt: skip


@pytest.fixture
def daemon():
    return FakeDaemon([OIL], status(tags=[tag("oil", 87.0, "°C"), tag("flow", 30.0, "l/min")]))


@pytest.fixture
async def visitor(tmp_path, daemon):
    async with showing(tmp_path, daemon) as visitor:
        async for name, _ in visitor.stream() if (await visitor.get("/")) else ():
            if name == "beat" and "2 tags" in (await visitor.get("/"))[1]:
                break
        yield visitor


async def test_an_alarm_has_a_page_with_its_tags_trend_facts_and_history(visitor, daemon):
    daemon.journal = [
        entry(2, id=OIL["id"], by="Anna", transition="acknowledged"),
        entry(1, id=OIL["id"]),
    ]
    _, text = await visitor.get(f"/line/press-3/alarm?id={OIL['id']}")
    for words in ("87 °C", "m@1", OIL["id"], "acknowledged", "Anna", "Take out of service"):
        assert words in text
    assert "trend-anomaly" in text
    assert "trend-limit" in text


async def test_an_alarm_that_is_over_says_so(visitor):
    answer, text = await visitor.get("/line/press-3/alarm?id=guard.oil.high-0")
    assert (answer.status, "This alarm is over" in text) == (200, True)


async def test_an_alarm_that_is_over_still_takes_a_verdict_and_nothing_else(visitor, daemon):
    past = alarm("guard.flow.low", "Flow low", state="normal", active=False)
    daemon.journal = [entry(1) | {"id": past["id"], "facts": past}]
    await visitor.named()
    page = f"/line/press-3/alarm?id={past['id']}"
    _, text = await visitor.get(page)
    assert "A verdict on it can still be given" in text
    assert 'name="verdict" value="false"' in text
    for act in ("shelve", "acknowledge", "take_out_of_service"):
        assert f'name="act" value="{act}"' not in text
    fields = {"csrf": await visitor.csrf(), "id": past["id"], "act": "comment", "verdict": "false"}
    await visitor.post("/line/press-3/act", fields)
    assert daemon.acts == [
        {"id": past["id"], "act": "comment", "verdict": "false", "by": "Anna"}
    ]  # fmt: skip


async def test_the_journal_is_read_page_by_page(visitor, daemon):
    daemon.journal = [entry(number) for number in range(1000, 1000 - pages.ROWS - 50, -1)]
    _, text = await visitor.get("/line/press-3/journal")
    oldest = 1000 - pages.ROWS + 1
    assert f"journal?before={oldest}" in text
    await visitor.get(f"/line/press-3/journal?before={oldest}")
    assert daemon.asked[-1] == f"/journal?limit={pages.ROWS}&before={oldest}"


async def test_tags_are_found_by_a_part_of_their_name(visitor):
    _, text = await visitor.get("/line/press-3/tags?q=OI")
    assert "tag=oil" in text
    assert "tag=flow" not in text


async def test_many_tags_are_shown_page_by_page(visitor, daemon):
    daemon.status["tags"] = [tag(f"t{number:04}") for number in range(250)]
    async for _, text in visitor.stream("/events/line/press-3/tags"):
        if "250 tags" in text:
            break
    _, text = await visitor.get("/line/press-3/tags")
    assert text.count("/trend?tag=") == pages.ROWS
    assert "first=100" in text
    _, text = await visitor.get("/line/press-3/tags?first=200")
    assert text.count("/trend?tag=") == 50
    assert "first=300" not in text


async def test_the_trend_of_a_tag_is_drawn_over_some_hours(visitor, daemon):
    _, text = await visitor.get("/line/press-3/trend?tag=flow&hours=8")
    assert "trend-mean" in text
    asked = next(each for each in daemon.asked if each.startswith("/trend?tag=flow"))
    since, until = (int(part.split("=")[1]) for part in asked.split("&")[1:3])
    assert 8 * 3600 <= (until - since) / 1e9 <= 8 * 3600 + 20


@pytest.mark.parametrize(
    "path", ["trend?hours=x&tag=", "journal?before=-1", "tags?first=1e9", "alarm"]
)
async def test_odd_addresses_end_no_page(visitor, path):
    answer, _ = await visitor.get(f"/line/press-3/{path}")
    assert answer.status == 200


async def test_pages_of_an_older_daemon_say_what_it_lacks(tmp_path, daemon, monkeypatch):
    lacking = [route for route in daemon.routes() if route.path in ("/alarms", "/status")]
    monkeypatch.setattr(daemon, "routes", lambda: lacking)
    async with showing(tmp_path, daemon) as visitor:
        await visitor.get("/")
        async for name, _ in visitor.stream():
            if name == "beat":
                break
        for page in ("journal", "trend?tag=oil"):
            answer, text = await visitor.get(f"/line/press-3/{page}")
            assert (answer.status, 'class="note"' in text) == (200, True)
