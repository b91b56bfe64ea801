"""Maintenance over the socket: asked for, ended, refused, shown."""

import asyncio

import pytest
from fakes import LastValue, MemoryStore, tag

from gateway.api.contracts import Places
from gateway.api.model import SECOND
from gateway.config.load import LineConfig
from gateway.config.schema import LineFileBase, SecuritySection
from gateway.control import maintenance_routes
from gateway.control.client import ControlError, request
from gateway.control.server import SOCKET, serve
from gateway.line.line import Line

T0 = 1_700_000_040 * SECOND


@pytest.fixture
async def socket(tmp_path):
    """The socket of a running line."""
    file = LineFileBase.model_validate({"version": 1, "line": "l", "site": "s", "sources": {}})
    places, tags = Places(tmp_path, tmp_path), (tag("flow"),)
    config = LineConfig(
        tmp_path / "l.yaml", "l", "s", file, SecuritySection(), tags, places, "digest"
    )
    line = Line(config, {"pump": LastValue("flow")}, MemoryStore(), T0, clock=lambda: T0)
    routes = maintenance_routes.routes(line.health, line.maintain, lambda: T0)
    where = {"host": "127.0.0.1", "port": 0, "socket": tmp_path / SOCKET}
    async with serve(line.health, lambda: b"", lambda: T0, routes=routes, **where):
        running = asyncio.create_task(line.run())
        yield tmp_path / SOCKET
        running.cancel()


async def test_it_is_switched_on_shown_and_switched_off(socket):
    off = {"on": False, "since": 0, "until": None, "by": "", "why": "", "source": ""}
    assert await request(socket, "/maintenance") == off
    body = {"on": True, "by": "anna", "for_s": 7200, "why": "oil change"}
    on = {
        "on": True, "since": T0, "until": T0 + 7200 * SECOND, "by": "anna", "why": "oil change",
        "source": "command",
    }  # fmt: skip
    assert await request(socket, "/maintenance", body) == on
    assert await request(socket, "/maintenance") == on
    assert (await request(socket, "/status"))["maintenance"] == on
    assert await request(socket, "/maintenance", {"on": False, "by": "ben"}) == off


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"on": False}, 409, "maintenance is not on"),
        ({"on": 1}, 400, "on must be true or false"),
        ({"on": True, "for_s": 0}, 400, "for_s must be a number above 0"),
        ({"on": True, "for_s": 1e9}, 400, "up to"),
        ({"on": False, "for_s": 5}, 400, "for_s belongs to switching it on"),
        ({"on": True, "why": ""}, 400, "why must be a text"),
        ({"on": True, "by": "x" * 101}, 400, "longer than 100"),
        ({"on": True, "until": 5}, 400, "there is no field 'until'"),
    ],
)
async def test_what_makes_no_sense_is_refused(socket, body, status, words):
    with pytest.raises(ControlError, match=words) as caught:
        await request(socket, "/maintenance", {"by": "anna", **body})
    assert caught.value.status == status
