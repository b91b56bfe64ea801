"""Pages, and what comes after them."""

import asyncio
import contextlib
import json

import pytest
from fake_daemon import FakeDaemon, alarm, tag, top
from panels import showing
from patience import PATIENCE

from gateway.panel import listeners

EVIL = "<img src=x onerror=alert(1)>\"'{{7*7}}\u202e\x1b]0;x\x07"
PATHS = ("", "line/press-3/tags", "line/press-3/state", "line/press-3/journal", "help")


@pytest.fixture
def daemon():
    return FakeDaemon([alarm("guard.oil.high", "Oil high: 87 °C")])


async def page_with(visitor, words, path="/events/"):
    async with asyncio.timeout(PATIENCE):
        async with contextlib.aclosing(visitor.stream(path)) as events:
            async for name, data in events:
                if name == "page" and words in json.loads(data):
                    return json.loads(data)
    raise AssertionError(f"the stream ended without {words}")


async def test_a_page_comes_whole_and_then_whenever_it_changes(tmp_path, daemon):
    async with showing(tmp_path, daemon) as visitor:
        await visitor.get("/")
        await page_with(visitor, "Oil high")
        seen = asyncio.create_task(page_with(visitor, "Flow low"))
        daemon.alarms = [alarm("guard.flow.low", "Flow low: 5 l/min")]
        assert "Oil high" not in await seen


@pytest.mark.parametrize("path", PATHS)
async def test_each_page_has_a_stream(tmp_path, daemon, path):
    async with showing(tmp_path, daemon) as visitor:
        _, document = await visitor.get(f"/{path}")
        assert f'data-events="/events/{path}"' in document
        assert '<main id="main"' in await page_with(visitor, "main", f"/events/{path}")


async def test_the_time_comes_every_second(tmp_path):
    async with showing(tmp_path) as visitor:
        await visitor.get("/")
        beats = []
        async with asyncio.timeout(PATIENCE), contextlib.aclosing(visitor.stream()) as events:
            async for name, data in events:
                beats += [data] if name == "beat" else []
                if len(set(beats)) > 1:
                    break
        assert all(len(beat) == 8 for beat in beats)


async def test_one_browser_more_than_may_look_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(listeners, "MOST", 1)
    async with showing(tmp_path) as visitor:
        await visitor.get("/")
        async with contextlib.aclosing(visitor.stream()) as events:
            await anext(events)
            answer, text = await visitor.get("/events/")
            assert (answer.status, "close one of them" in text) == (503, True)


async def test_a_stream_ends_with_its_session(tmp_path):
    async with showing(tmp_path) as visitor:
        csrf = await visitor.csrf()
        async with asyncio.timeout(PATIENCE):
            async for _ in visitor.stream():
                await visitor.post("/logout", {"csrf": csrf})
            answer, _ = await visitor.get("/events/nothing")
            assert answer.status == 401


async def test_hostile_texts_are_shown_harmless(tmp_path, daemon):
    hostile = alarm(
        f"guard.{EVIL}", EVIL, EVIL, advice=EVIL, model=EVIL, acknowledged_by=EVIL,
        tag=EVIL, top_tags=[top(EVIL, 1.0, 1.0, 2.0, EVIL)],
    )  # fmt: skip
    daemon.alarms = [hostile]
    daemon.status |= {
        "tags": [tag(EVIL, unit=EVIL, state="stale", reason=EVIL)],
        "not_ready": [EVIL], "site": EVIL,
        "maintenance": {"on": True, "by": EVIL, "why": EVIL, "since": 1},
    }  # fmt: skip
    entry = {"seq": 1, "at": 1, "kind": "alarm", "transition": EVIL, "by": EVIL, "id": EVIL}
    daemon.journal = [entry | {"message": EVIL, "reason": EVIL, "severity": EVIL}]
    async with showing(tmp_path, daemon) as visitor:
        await visitor.get("/")
        await page_with(visitor, "{{7*7}}")
        for path in (*PATHS[:-1], f"line/press-3/alarm?id={hostile['id']}", "line/press-3/trend"):
            _, text = await visitor.get(f"/{path}")
            assert "<img" not in text
            assert "\u202e" not in text
            assert "\x1b" not in text
            assert "\x07" not in text


async def test_an_address_of_another_line_or_that_is_too_long_is_refused(tmp_path):
    async with showing(tmp_path) as visitor:
        answer, text = await visitor.get("/line/press-9/tags")
        assert (answer.status, "no such page" in text) == (404, True)
        answer, _ = await visitor.get(f"/line/press-3/tags?q={'x' * 2000}")
        assert answer.status == 414
