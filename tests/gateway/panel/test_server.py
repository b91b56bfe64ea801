"""The panel's door to the network: TLS, tokens, client certificates."""

import asyncio
import ssl

import aiohttp
import pytest
from panels import Visitor, browser, showing
from patience import PATIENCE
from tls_files import authority, certified

from gateway.api.contracts import ConfigError
from gateway.panel import connections
from gateway.panel.server import panel
from gateway.panel.settings import Settings

TOKEN = "operate-operate-operate-op"
ELSEWHERE = "127.0.0.2"
"""An address of this machine at which a panel on loopback alone does not listen."""


@pytest.fixture
def files(tmp_path):
    """A panel's certificate, a token, and what a browser has."""
    ca = authority(tmp_path, "ca")
    certified(tmp_path, ca, "panel", ELSEWHERE)
    certified(tmp_path, ca, "browser", ELSEWHERE)
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    return tmp_path


def tls(files, **more):
    return Settings(
        host="0.0.0.0", port=0, certificate=files / "panel.pem", key=files / "panel.key", **more
    )


def context(files, *, certificate=False):
    made = ssl.create_default_context(cafile=str(files / "ca.pem"))
    if certificate:
        made.load_cert_chain(files / "browser.pem", files / "browser.key")
    return made


async def test_on_loopback_no_other_address_gets_in(tmp_path):
    async with showing(tmp_path) as visitor:
        port = visitor.url.rpartition(":")[2]
        assert (await visitor.get("/"))[0].status == 200
        with pytest.raises(aiohttp.ClientConnectorError):
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://{ELSEWHERE}:{port}/"),
            ):
                pass


async def test_without_tls_or_a_token_it_does_not_listen(tmp_path):
    for settings in (Settings("0.0.0.0", 0), Settings(ELSEWHERE.replace("127", "10"), 0)):
        with pytest.raises(ConfigError, match="can be reached from other machines"):
            async with panel({"press-3": [tmp_path / "control.sock"]}, settings):
                pass


async def test_from_another_address_there_is_no_entry_without_the_token(files):
    settings = tls(files, operate_token=files / "token")
    async with (
        panel({"press-3": [files / "control.sock"]}, settings) as port,
        browser(port, "https", ssl=context(files)) as visitor,
    ):
        visitor.url = f"https://{ELSEWHERE}:{port}"
        for path in ("/", "/line/press-3/state", "/line/press-3/alarm?id=x"):
            answer, text = await visitor.get(path)
            assert (answer.status, text) == (303, "")
        assert (await visitor.get("/events/"))[0].status == 401
        answer, _ = await visitor.post("/login", {"token": TOKEN})
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-andon-")
        assert "Secure" in cookie
        answer, text = await visitor.get("/")
        assert (answer.status, "press-3" in text) == (200, True)


async def test_a_client_certificate_lets_in_and_gives_the_name(files):
    settings = tls(files, client_ca=files / "ca.pem")
    async with panel({"press-3": [files / "control.sock"]}, settings) as port:
        async with browser(port, "https", ssl=context(files)) as stranger:
            stranger.url = f"https://{ELSEWHERE}:{port}"
            with pytest.raises(aiohttp.ClientError):
                await stranger.get("/")
        async with browser(port, "https", ssl=context(files, certificate=True)) as visitor:
            visitor.url = f"https://{ELSEWHERE}:{port}"
            answer, text = await visitor.get("/")
            assert (answer.status, "<span>browser</span>" in text) == (200, True)
            # Nobody acts under another name than the authority has given.
            fields = {"csrf": await visitor.csrf(), "name": "Anna", "back": "/"}
            answer, text = await visitor.post("/name", fields)
            assert (answer.status, "certificate" in text) == (403, True)
            assert "<span>browser</span>" in (await visitor.get("/"))[1]


@pytest.mark.parametrize("wrong", ["token", "panel.key"])
async def test_a_file_that_holds_no_certificate_is_refused(files, wrong):
    settings = Settings(port=0, certificate=files / wrong, key=files / "panel.key")
    with pytest.raises(ConfigError, match="are not a certificate and its key"):
        async with panel({}, settings):
            pass


async def test_a_port_in_use_is_an_error_that_may_pass(tmp_path):
    async with showing(tmp_path) as visitor:
        port = int(visitor.url.rpartition(":")[2])
        with pytest.raises(ConfigError, match=f"--port {port}") as caught:
            async with panel({}, Settings(port=port)):
                pass
        assert caught.value.may_pass


async def test_connections_that_say_nothing_make_room(tmp_path, monkeypatch):
    monkeypatch.setattr(connections, "MOST", 4)
    async with showing(tmp_path) as visitor:
        port = int(visitor.url.rpartition(":")[2])
        held = []
        for _ in range(7):
            held.append(await asyncio.open_connection("127.0.0.1", port))
            await asyncio.sleep(0.12)
        async with asyncio.timeout(PATIENCE):
            assert (await visitor.get("/"))[0].status == 200
            assert await held[0][0].read() == b""
        for _, writer in held:
            writer.close()


async def test_static_files_are_its_own_alone(tmp_path):
    async with showing(tmp_path) as visitor:
        assert isinstance(visitor, Visitor)
        for name in ("panel.css", "panel.js", "icon.svg", "trend.css"):
            assert (await visitor.get(f"/static/{name}"))[0].status == 200
        for name in ("..%2fserver.py", "%2e%2e/server.py", "nothing.css", "/etc/passwd"):
            assert (await visitor.get(f"/static/{name}"))[0].status == 404
