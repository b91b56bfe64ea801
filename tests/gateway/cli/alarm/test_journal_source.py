"""The journal of a running daemon is read page by page, and of no other program."""

import asyncio
import json
import time

import pytest
from aiohttp import web
from click.testing import CliRunner
from fakes import tag
from journalled import journal, line_with

from gateway.buffer import open_buffer
from gateway.cli.alarms import command
from gateway.config.schema import BufferSection
from gateway.control import alarm_routes, journal_routes
from gateway.control.server import SOCKET, serve
from gateway.core.alarms.journal import note
from gateway.core.freshness import FreshnessWatch
from gateway.telemetry.health import Health


async def alarms(file, *words):
    # Beside the loop in which the daemon runs.
    done = await asyncio.to_thread(CliRunner().invoke, command, [str(file), *words])
    return done.exit_code, done.stdout, done.stderr or str(done.exception or "")


@pytest.fixture
async def file(tmp_path):
    """The line file of a daemon with 1,205 entries."""
    file, _ = line_with(tmp_path)
    state, tags, now = tmp_path / "state", [tag("flow")], time.time_ns()
    health = Health("press", "here", tags, FreshnessWatch(tags, 5.0, 3.0))
    where = {"host": "127.0.0.1", "port": 0, "socket": state / SOCKET}
    async with open_buffer(state / "other.db", BufferSection(), {"c": frozenset()}) as buffer:
        await buffer.append([], {}, [note(n, f"{n}") for n in range(1_200)])
        await buffer.append([], {}, journal(now))
        routes = [
            *journal_routes.routes(buffer, health),
            *alarm_routes.routes(health, None, time.time_ns),
        ]
        async with serve(health, lambda: b"", lambda: now, routes=routes, **where):
            yield file


async def test_more_entries_than_one_page_come_in_their_order(file):
    code, out, errors = await alarms(file, "journal", "--json", "-n", "1100")
    assert (code, errors) == (0, "")
    assert [json.loads(row)["seq"] for row in out.splitlines()] == list(range(106, 1_206))
    # The report reads no further than a week before its time span.
    code, out, errors = await alarms(file, "report", "--since", "30d", "--json")
    assert (code, errors, json.loads(out)["alarms"]) == (0, "", 1)


async def test_one_alarm_is_asked_for_by_its_id(file):
    _, out, _ = await alarms(file, "journal", "--json", "-n", "1")
    alarm_id = json.loads(out)["id"]
    code, out, errors = await alarms(file, "show", alarm_id)
    assert (code, errors) == (0, "")
    assert alarm_id in out
    code, _, errors = await alarms(file, "show", alarm_id[:-1])
    assert (code, f'did you mean "{alarm_id}"' in errors) == (1, True)


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"entries": 5, "more": False},
        {"entries": [{}], "more": False},
        {"entries": [{**note(1, "a").as_json(), "seq": 1}] * 2, "more": False},
    ],
    ids=["a list", "a number", "an empty entry", "the same number twice"],
)
async def test_what_is_no_journal_is_a_sentence(tmp_path, answer):
    file, _ = line_with(tmp_path)
    application = web.Application()

    async def answered(_request):
        return web.json_response(answer)

    application.router.add_get("/journal", answered)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "state" / SOCKET)).start()
    code, out, errors = await alarms(file, "journal")
    await runner.cleanup()
    assert (code, out) == (1, "")
    assert "does not answer as this version of andon expects" in errors
