"""What a line's daemon answers, whatever it is."""

import contextlib

import pytest
from aiohttp import web
from top_lines import ENTRY, Press

from gateway.api.contracts import AndonError
from gateway.control.server import SOCKET
from gateway.top.frame import frame
from gateway.top.lines import Watched
from gateway.top.rows import headline

NOW = 1_790_000_000 * 10**9


@contextlib.asynccontextmanager
async def answering(folder, answer):
    """A server at a line's socket that gives one answer to everything."""

    async def always(_request):
        return answer()

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", always)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.UnixSite(runner, str(folder / SOCKET)).start()
    try:
        yield Watched("press-3", [folder])
    finally:
        await runner.cleanup()


async def test_a_daemon_is_asked_for_all_that_is_shown(tmp_path):
    press = Press(tmp_path, journal=[ENTRY])
    await press.start()
    line = press.watched
    await line.refresh()
    assert (line.why, line.answered_at) == ("no daemon answers for press-3", 0)
    async with press.serving():
        await line.refresh()
        assert (line.why, line.no_journal) == ("", "")
        assert line.status["line"] == "press-3"
        assert [alarm["id"] for alarm in line.alarms] == [press.alarm.id]
        assert line.journal == [ENTRY]
        answer = await line.trend("flow", 100)
        assert answer["trend"]["unit"] == "l/min"
        assert 20.0 in answer["trend"]["max"]
        assert "no tag has the name" in (await line.trend("nosuch", 100))["why"]
        assert await line.show("x") == {}
    since = line.since
    await line.refresh()
    assert line.why != ""
    assert line.since > since
    assert line.status["line"] == "press-3"
    with pytest.raises(AndonError, match="no daemon answers"):
        await line.act({"id": "x"})


async def test_a_daemon_without_a_journal_is_named(tmp_path):
    press = Press(tmp_path)
    await press.start()
    async with press.serving():
        line = press.watched
        await line.refresh()
    assert line.why == ""
    assert line.no_journal.startswith("this daemon has no /journal")


@pytest.mark.parametrize(
    "body",
    ["[]", "{}", "5", '"x"', '{"entries": 5}', '[{"id": 5, "top_tags": [[]]}]', "[null]"],
)
async def test_an_answer_of_another_kind_is_shown_as_far_as_it_goes(tmp_path, body):
    def answer():
        return web.Response(text=body, content_type="application/json")

    async with answering(tmp_path, answer) as line:
        await line.refresh()
        assert line.why == ""
        assert "press-3: –" in frame([line], NOW)
        assert isinstance((await line.trend("flow", 10))["trend"], dict)


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.Response(text="<html>", content_type="text/html"),
        lambda: web.Response(status=500, text="\x1b[2J"),
        lambda: web.json_response(None),
        lambda: web.json_response({"error": "\x1b[2J"}, status=503),
        lambda: web.Response(status=302, headers={"Location": "http://evil.example"}),
    ],
)
async def test_what_is_no_daemon_is_a_sentence(tmp_path, answer):
    async with answering(tmp_path, answer) as line:
        await line.refresh()
        assert line.why != ""
        assert "\x1b" not in headline(line, NOW)
