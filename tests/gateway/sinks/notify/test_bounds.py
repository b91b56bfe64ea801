"""Servers that say more than anybody asked for."""

import asyncio
from contextlib import asynccontextmanager

import pytest
import servers
from alarm_news import NOON, news
from patience import PATIENCE

from gateway.api import masking
from gateway.api.contracts import SinkUnavailable
from gateway.api.options import Secret
from gateway.sinks.notify import bounds
from gateway.sinks.notify.courier import Courier, import_apprise
from gateway.sinks.notify.letter import letter_about

LETTER = letter_about([news(0)], NOON, {}, "")


@pytest.fixture(autouse=True)
def _apprise(monkeypatch):
    import_apprise()
    monkeypatch.setattr(bounds, "MOST_SAID", 64 * 1024)
    yield
    masking.forget()


@asynccontextmanager
async def talking(first, more, status=b""):
    """A server that says `first`, and then `more` without an end; the bytes that it said."""
    port, said = servers.free_port(), [0]

    async def talk(reader, writer):
        try:
            if status:
                await reader.readuntil(b"\r\n\r\n")
            writer.write(status + first)
            while more:
                writer.write(more)
                await writer.drain()
                said[0] += len(more)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", port):
        yield port, said


async def refused(monkeypatch, url):
    monkeypatch.setenv("SHIFT", url)
    with pytest.raises(SinkUnavailable) as caught:
        await Courier(Secret("${env:SHIFT}")).send(LETTER, PATIENCE)
    return str(caught.value)


async def test_a_mail_server_that_does_not_stop_talking_is_left(monkeypatch):
    async with talking(b"", b"220-words and more words\r\n" * 100) as (port, _):
        url = f"mailto://127.0.0.1:{port}?from=a@x.example&to=b@x.example"
        assert "does not stop talking" in await refused(monkeypatch, url)


@pytest.mark.parametrize("status", [b"200 OK", b"500 Oops"])
async def test_an_endless_http_response_is_not_read_to_its_end(monkeypatch, status):
    head = b"HTTP/1.1 " + status + b"\r\nContent-Type: text/plain\r\n\r\n"
    async with talking(b"", b"words " * 10_000, head) as (port, said):
        url = f"json://127.0.0.1:{port}/"
        if status.startswith(b"2"):
            monkeypatch.setenv("SHIFT", url)
            await Courier(Secret("${env:SHIFT}")).send(LETTER, PATIENCE)
        else:
            assert "500" in await refused(monkeypatch, url)
    # Besides what was read: what the system holds for both ends.
    assert said[0] < bounds.MOST_READ + 32 * 2**20


async def test_after_its_time_nothing_more_is_read(monkeypatch):
    monkeypatch.setattr(bounds, "LONGEST_S", -1.0)
    async with talking(b"", b"220-words\r\n") as (port, _):
        url = f"mailto://127.0.0.1:{port}?from=a@x.example&to=b@x.example"
        assert "does not stop talking" in await refused(monkeypatch, url)


async def test_a_redirect_is_not_followed(monkeypatch):
    elsewhere = servers.free_port()
    head = (
        b"HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 0\r\n"
        b"Location: http://127.0.0.1:%d/\r\n\r\n" % elsewhere
    )
    async with talking(b"", b"", head) as (port, _):
        assert "307" in await refused(monkeypatch, f"json://127.0.0.1:{port}/")
