"""The sockets of the services: made for their owner, removed by who made them."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import structlog
from fakes import tag
from patience import PATIENCE

from gateway.api.contracts import ConfigError
from gateway.control import place
from gateway.control.client import request
from gateway.control.server import SOCKET, serve
from gateway.core.freshness import FreshnessWatch
from gateway.telemetry.health import Health


@pytest.fixture
def health():
    tags = [tag("flow")]
    return Health("l", "s", tags, FreshnessWatch(tags, 5.0, 3.0))


def serving(health, path, host="127.0.0.1", port=0):
    return serve(health, lambda: b"", lambda: 0, host=host, port=port, socket=path)


def test_the_socket_is_its_owners_alone_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        with place.Place(tmp_path / SOCKET):
            assert (tmp_path / SOCKET).stat().st_mode & 0o777 == 0o600
        assert os.umask(0) == 0
    finally:
        os.umask(before)


async def ended_by(error, health, path):
    async with serving(health, path):
        assert await request(path) is not None
        raise error


@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError, SystemExit])
async def test_the_socket_is_gone_after_an_end_of_any_kind(tmp_path, health, error):
    with pytest.raises(error):
        await ended_by(error, health, tmp_path / SOCKET)
    assert not (tmp_path / SOCKET).exists()


async def test_the_socket_of_a_daemon_that_was_killed_is_replaced(tmp_path, health):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / SOCKET))
    async with serving(health, tmp_path / SOCKET):
        assert (await request(tmp_path / SOCKET))["line"] == "l"


def folder(path):
    path.mkdir()


def link(path):
    (path.parent / "other").write_text("precious")
    path.symlink_to(path.parent / "other")


def dangling(path):
    path.symlink_to(path.parent / "nothing")


@pytest.mark.parametrize("make", [Path.touch, folder, link, dangling, os.mkfifo])
async def test_what_is_no_socket_stays_and_is_said(tmp_path, health, make):
    path = tmp_path / SOCKET
    make(path)
    before = path.lstat()
    with pytest.raises(ConfigError, match="is not a socket, and is left as it is"):
        async with serving(health, path):
            pytest.fail("it may not start")
    assert path.lstat() == before


async def test_a_program_that_listens_there_is_left_alone(tmp_path, health):
    path = tmp_path / SOCKET
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen(0)
        with contextlib.ExitStack() as stack:
            # Even one that is too busy to accept.
            for _ in range(3):
                client = stack.enter_context(socket.socket(socket.AF_UNIX))
                client.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    client.connect(str(path))
                with pytest.raises(ConfigError, match="another program listens at"):
                    async with serving(health, path):
                        pytest.fail("it may not start")
    assert path.is_socket()


async def test_the_socket_of_another_user_is_left_alone(tmp_path, health, monkeypatch):
    path = tmp_path / SOCKET
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(ConfigError, match="belongs to another user"):
        async with serving(health, path):
            pytest.fail("it may not start")
    assert path.is_socket()


async def test_what_took_its_place_meanwhile_is_not_removed(tmp_path, health):
    path = tmp_path / SOCKET
    async with serving(health, path):
        path.unlink()
        path.write_text("somebody else's")
    assert path.read_text() == "somebody else's"


async def test_a_socket_that_was_removed_is_made_again_and_said(tmp_path, health, monkeypatch):
    monkeypatch.setattr(place, "LOOK_S", 0.02)
    path = tmp_path / "state" / SOCKET
    path.parent.mkdir()
    with structlog.testing.capture_logs() as logs:
        async with serving(health, path), asyncio.timeout(PATIENCE):
            path.unlink()
            path.parent.rmdir()
            while not logs:
                await asyncio.sleep(0.01)
            path.parent.mkdir()
            while not path.exists():
                await asyncio.sleep(0.01)
            assert (await request(path))["line"] == "l"
            assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()
    assert logs[0]["event"] == "control.lost"
    assert "cannot be made: No such file" in logs[0]["why"]
    assert logs[-1]["event"] == "control.made_again"


async def test_a_folder_that_is_not_there_is_said(tmp_path, health):
    with pytest.raises(ConfigError, match=r"control\.sock cannot be made: No such file"):
        async with serving(health, tmp_path / "gone" / SOCKET):
            pytest.fail("it may not start")


async def test_a_name_with_two_addresses_is_served_on_those_there_are(
    tmp_path, health, monkeypatch
):
    async def both(*_, **__):
        v4 = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))
        none = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))
        return [none, v4]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", both)
    async with serving(health, tmp_path / SOCKET, host="plant") as port:
        assert port > 0


@pytest.mark.parametrize("host", ["192.0.2.1", "nosuch.invalid", "a" * 300])
async def test_a_host_that_is_not_this_machine_is_said(tmp_path, health, host):
    with pytest.raises(ConfigError, match=r"health\.port 0 on .* cannot be used"):
        async with serving(health, tmp_path / SOCKET, host=host):
            pytest.fail("it may not start")
    assert not (tmp_path / SOCKET).exists()


_STRANGER = """
import os, socket, sys
os.setgid(65534)
os.setuid(65534)
with socket.socket(socket.AF_UNIX) as asker:
    asker.connect(sys.argv[1])
    try:
        asker.sendall(b"GET /status HTTP/1.1\\r\\nHost: andon\\r\\n\\r\\n")
        print(len(asker.recv(1000)))
    except OSError:
        print(0)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_another_user_is_refused_even_where_the_mode_lets_him_in(health):
    with tempfile.TemporaryDirectory() as shared:
        path = Path(shared, SOCKET)
        Path(shared).chmod(0o755)
        async with serving(health, path):
            path.chmod(0o666)
            done = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-c", _STRANGER, str(path)],
                capture_output=True, text=True, check=True, timeout=PATIENCE,
            )  # fmt: skip
            assert done.stdout == "0\n"
            assert (await request(path))["services"][1]["ended"] == {"foreign": 1}
