"""Every error of the control socket has a status code and a sentence."""

import io

import aiohttp
import pytest
import structlog
from aiohttp import web

from gateway.api.contracts import CommandRefused
from gateway.buffer import BufferRefused
from gateway.control.arguments import json_body, text_field
from gateway.control.client import ControlError, request
from gateway.control.errors import report_errors
from gateway.telemetry.services import LocalService

JSON = {"Content-Type": "application/json"}
FAILURES = {
    "refused": (CommandRefused("no active alarm has the id x"), 409),
    "full": (BufferRefused("the disk takes nothing"), 503),
    "gone": (web.HTTPNotFound(text="no such letter"), 404),
    "bug": (ZeroDivisionError("token=secret"), 500),
}


@pytest.fixture
async def socket(tmp_path):
    """A server whose routes fail in every way."""
    application = web.Application(middlewares=[report_errors(LocalService("control"))])

    async def fail(asked):
        raise FAILURES[asked.match_info["how"]][0]

    async def echo(asked):
        body = await json_body(asked, "by")
        return web.json_response({"by": text_field(body, "by")})

    application.add_routes([web.get("/fail/{how}", fail), web.post("/echo", echo)])
    runner = web.AppRunner(application)
    await runner.setup()
    path = tmp_path / "s"
    await web.UnixSite(runner, str(path)).start()
    yield path
    await runner.cleanup()


@pytest.mark.parametrize("how", ["refused", "full", "gone"])
async def test_what_andon_raises_on_purpose_is_a_status_code_with_its_sentence(socket, how):
    error, status = FAILURES[how]
    with pytest.raises(ControlError) as caught:
        await request(socket, f"/fail/{how}")
    sentence = error.text if isinstance(error, web.HTTPException) else str(error)
    assert (caught.value.status, str(caught.value)) == (status, sentence)


async def test_a_bug_is_in_the_log_and_not_in_the_answer(socket):
    with structlog.testing.capture_logs() as logs, pytest.raises(ControlError) as caught:
        await request(socket, "/fail/bug")
    assert caught.value.status == 500
    assert "secret" not in str(caught.value)
    assert [(entry["event"], entry["path"]) for entry in logs] == [
        ("control.failed", "/fail/{how}")
    ]


async def test_an_unknown_path_is_an_error_like_any_other(socket):
    with pytest.raises(
        ControlError, match="this daemon has no /nowhere: is it of another"
    ) as caught:
        await request(socket, "/nowhere")
    assert caught.value.status == 404


async def test_a_wrong_method_is_an_error_like_any_other(socket):
    with pytest.raises(ControlError) as caught:
        await request(socket, "/fail/bug", {})
    assert caught.value.status == 405


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff",
        b"[1]",
        b"null",
        b'{"by": 1}',
        b'{"by": "\\ud800"}',
        b'{"by": "  "}',
        b"{}",
        b"[" * 100_000,
    ],
)
async def test_a_malformed_body_is_400_and_says_what_is_wrong(socket, raw):
    connector = aiohttp.UnixConnector(str(socket))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post("http://andon/echo", data=raw, headers=JSON) as response,
    ):
        assert response.status == 400
        assert (await response.json())["error"]


async def test_a_body_of_megabytes_is_refused(socket):
    connector = aiohttp.UnixConnector(str(socket))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post("http://andon/echo", data=io.BytesIO(b" " * 2_000_000)) as response,
    ):
        assert response.status == 413


async def test_a_text_comes_without_the_blanks_around_it(socket):
    assert await request(socket, "/echo", {"by": " anna "}) == {"by": "anna"}
