"""Against a real HTTP server, which answers as receivers do and as they should not."""

import asyncio
import hashlib
import hmac
import json
import ssl
import time
from contextlib import asynccontextmanager

import pytest
import servers
from aiohttp import web
from alarm_news import NOON, news, stored
from opcua_certificates import identity
from patience import PATIENCE

from gateway.api import masking
from gateway.api.contracts import Places, SinkRejected, SinkUnavailable
from gateway.api.going_on import reporting_to
from gateway.api.model import SECOND, Envelope, Kind
from gateway.sinks.webhook import WebhookSink
from gateway.sinks.webhook_options import WebhookOptions

KEY = "sh4red-signing-key"


class Receiver:
    """A web server; `answer` makes its answer from the request."""

    def __init__(self):
        self.port, self.requests = servers.free_port(), []
        self.answer = lambda _: web.Response(status=204)

    async def _handle(self, request):
        body = await request.read()
        self.requests.append((request.method, request.path, request.headers.copy(), body))
        answer = self.answer(request)
        return await answer if asyncio.iscoroutine(answer) else answer

    @asynccontextmanager
    async def serving(self, context=None):
        app = web.Application()
        app.router.add_route("*", "/{any:.*}", self._handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port, ssl_context=context).start()
        try:
            yield self
        finally:
            await runner.cleanup()

    @property
    def bodies(self):
        return [json.loads(body) for method, _, _, body in self.requests if method == "POST"]


@pytest.fixture
async def receiver():
    async with Receiver().serving() as server:
        yield server
    masking.forget()


@asynccontextmanager
async def opened(receiver, folder=None, scheme="http", **options):
    options = {"timeout": f"{PATIENCE}s"} | options
    options = {"url": f"{scheme}://127.0.0.1:{receiver.port}/alarms"} | options
    sink = WebhookSink("mes", WebhookOptions(**options), Places(folder, folder))
    async with sink.open():
        yield sink


def verified(secret, headers, body, now, tolerance=300):
    """As docs/notifications.md has it for a receiver."""
    parts = dict(part.split("=", 1) for part in headers["Andon-Signature"].split(","))
    expected = hmac.new(secret.encode(), parts["t"].encode() + b"." + body, hashlib.sha256)
    is_fresh = abs(now - int(parts["t"])) <= tolerance
    return is_fresh and hmac.compare_digest(expected.hexdigest(), parts["v1"])


async def test_each_alert_is_one_signed_request_in_their_order(receiver, monkeypatch):
    monkeypatch.setenv("ANDON_KEY", KEY)
    async with opened(receiver, signing_secret="${env:ANDON_KEY}") as sink:
        sent = await sink.write([stored(0), stored(0, "returned"), stored(1)])
    assert [(each["id"], each["transition"]) for each in receiver.bodies] == [
        ("guard.oil.high-0", "raised"),
        ("guard.oil.high-0", "returned"),
        ("guard.oil.high-1", "raised"),
    ]
    assert sent == sum(len(body) for *_, body in receiver.requests)
    for method, path, headers, body in receiver.requests:
        assert (method, path) == ("POST", "/alarms")
        assert headers["Content-Type"] == "application/json"
        assert headers["Idempotency-Key"] == json.loads(body)["key"]
        assert verified(KEY, headers, body, time.time())
        assert not verified(KEY, headers, body + b" ", time.time())
        assert not verified("another key", headers, body, time.time())
        assert not verified(KEY, headers, body, time.time() + 301)


async def test_what_is_sent_again_has_the_same_key_and_body(receiver):
    async with opened(receiver) as sink:
        await sink.write([stored(0)])
        await sink.write([stored(0)])
    (_, _, first, body), (_, _, second, again) = receiver.requests
    assert (first["Idempotency-Key"], body) == (second["Idempotency-Key"], again)
    assert "Andon-Signature" not in first


async def test_of_a_batch_that_fails_only_the_rest_is_sent_again(receiver):
    answers = iter([204, 503, 503, 204, 204, 204])
    receiver.answer = lambda _: web.Response(status=next(answers))
    batch = [stored(0), stored(1), stored(2)]
    async with opened(receiver) as sink:
        for _ in range(2):
            with pytest.raises(SinkUnavailable, match="503"):
                await sink.write(batch)
        await sink.write(batch)
    numbers = [each["id"][-1] for each in receiver.bodies]
    assert numbers == ["0", "1", "1", "1", "2"]


@pytest.mark.parametrize(
    ("status", "needs_human"),
    [
        *((status, False) for status in (408, 425, 429, 500, 502, 503)),
        *((status, True) for status in (401, 403, 404, 405, 410)),
    ],
)
async def test_an_alert_that_is_not_taken_is_kept(receiver, status, needs_human):
    receiver.answer = lambda _: web.Response(status=status, text="some\nwords")
    async with opened(receiver) as sink:
        with pytest.raises(SinkUnavailable, match=rf"{status}.*: some words") as caught:
            await sink.write([stored(0)])
    assert caught.value.needs_human is needs_human


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_an_alert_that_the_receiver_does_not_want_is_named(receiver, status):
    answers = iter([204, status, 204])
    receiver.answer = lambda _: web.Response(status=next(answers), text="unknown line")
    async with opened(receiver) as sink:
        with pytest.raises(SinkRejected, match="unknown line") as caught:
            await sink.write([stored(0), stored(1), stored(2)])
    assert caught.value.which == (1,)


@pytest.mark.parametrize(("header", "wait"), [("30", 30.0), ("0", 0.0), ("soon", 0.0)])
async def test_the_wait_that_the_receiver_asks_for_is_passed_on(receiver, header, wait):
    receiver.answer = lambda _: web.Response(status=429, headers={"Retry-After": header})
    async with opened(receiver) as sink:
        with pytest.raises(SinkUnavailable) as caught:
            await sink.write([stored(0)])
    assert caught.value.wait == wait


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(receiver, status):
    where = {"Location": f"http://127.0.0.1:{receiver.port}/elsewhere"}
    receiver.answer = lambda _: web.Response(status=status, headers=where)
    async with opened(receiver) as sink:
        with pytest.raises(SinkUnavailable, match="redirects are not followed") as caught:
            await sink.write([stored(0)])
    assert caught.value.needs_human
    assert [path for _, path, *_ in receiver.requests] == ["/alarms"]


async def _endless(request, status):
    response = web.StreamResponse(status=status)
    await response.prepare(request)
    for _ in range(1_000_000):
        await response.write(b"words " * 1_000)
    return response


@pytest.mark.parametrize("status", [200, 500])
async def test_an_endless_answer_is_not_read_to_its_end(receiver, status):
    receiver.answer = lambda request: _endless(request, status)
    async with opened(receiver) as sink:
        if status == 200:
            await sink.write([stored(0)])
            await sink.write([stored(1)])
        else:
            with pytest.raises(SinkUnavailable) as caught:
                await sink.write([stored(0)])
            assert len(str(caught.value)) < 400


async def test_a_receiver_that_is_slow_costs_the_time_limit(receiver):
    receiver.answer = lambda _: asyncio.sleep(PATIENCE)
    async with opened(receiver, timeout="200ms") as sink:
        with pytest.raises(SinkUnavailable, match=r"no answer within 0\.2 s"):
            await sink.write([stored(0)])


async def test_each_request_is_progress(receiver):
    steps = []
    async with opened(receiver) as sink:
        with reporting_to(lambda: steps.append(1)):
            await sink.write([stored(0), stored(1)])
    assert len(steps) == 2


async def test_cookies_and_proxies_of_the_environment_are_ignored(receiver, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    receiver.answer = lambda _: web.Response(status=204, headers={"Set-Cookie": "a=b"})
    async with opened(receiver) as sink:
        await sink.write([stored(0), stored(1)])
    assert [headers.get("Cookie") for _, _, headers, _ in receiver.requests] == [None, None]


async def test_a_certificate_is_verified(tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    identity("mail", ("127.0.0.1",)).write(tmp_path)
    context.load_cert_chain(tmp_path / "mail.crt", tmp_path / "mail.pem")
    async with Receiver().serving(context) as receiver:
        async with opened(receiver, tmp_path, "https") as sink:
            with pytest.raises(SinkUnavailable, match="certificate") as caught:
                await sink.write([stored(0)])
        async with opened(receiver, tmp_path, "https", ca="mail.crt") as sink:
            await sink.write([stored(0)])
    assert caught.value.needs_human
    assert len(receiver.bodies) == 1


async def test_what_is_left_out_is_counted(receiver):
    async with opened(receiver, min_severity="high", detectors=["guard"]) as sink:
        batch = [stored(0), stored(1, severity="low"), stored(2, detector="pump")]
        await sink.write([*batch, stored(3, in_flood=True)])
        assert sink.diagnostics == [
            "1 alert left out (severity)",
            "1 alert left out (detector)",
            "1 alert left out (flood)",
        ]
    async with opened(receiver, in_floods=True) as sink:
        await sink.write([stored(3, in_flood=True)])
    assert [each["id"][-1] for each in receiver.bodies] == ["0", "3"]


async def test_a_template_makes_the_body(receiver):
    body = '{"text": {{ message | tojson }}, "advice": {{ advice | tojson }}}'
    async with opened(receiver, body=body) as sink:
        await sink.write([stored(0, message='He said "hot" <b>')])
    assert receiver.bodies == [{"text": 'He said "hot" <b>', "advice": ""}]


async def test_a_template_that_fails_on_an_alert_sends_the_usual_body(receiver):
    async with opened(receiver, body="{{ 1 / (message | length - 7) }}") as sink:
        await sink.write([stored(0, message="x" * 7)])
    assert receiver.bodies[0]["message"] == "x" * 7


async def test_what_is_not_line_protocol_is_named(receiver):
    async with opened(receiver) as sink:
        with pytest.raises(SinkRejected) as caught:
            await sink.write([stored(0), Envelope(Kind.ALERT, 1, b"nonsense")])
    assert caught.value.which == (1,)
    assert len(receiver.bodies) == 1


async def test_a_token_is_sent_and_neither_it_nor_the_url_is_in_a_message(receiver, monkeypatch):
    monkeypatch.setenv("ANDON_TOKEN", "t0ken-value")
    monkeypatch.setenv("ANDON_URL", f"http://127.0.0.1:{receiver.port}/hooks/Qx7CANARYz9?k=Qx8CAN")
    secrets = {"url": "${env:ANDON_URL}", "token": "${env:ANDON_TOKEN}"}
    echo = lambda request: web.Response(  # noqa: E731
        status=403, text=f"{request.headers['Authorization']} {request.path_qs} {request.url}"
    )
    receiver.answer = echo
    async with opened(receiver, **secrets) as sink:
        with pytest.raises(SinkUnavailable) as caught:
            await sink.write([stored(0)])
    _, path, headers, _ = receiver.requests[0]
    assert (path, headers["Authorization"]) == ("/hooks/Qx7CANARYz9", "Bearer t0ken-value")
    for secret in ("t0ken-value", "Qx7CANARYz9", "Qx8CAN"):
        assert secret not in str(caught.value)


async def test_a_secret_that_is_not_there_needs_a_person(receiver):
    async with opened(receiver, signing_secret="${env:ANDON_NO_SUCH_VARIABLE}") as sink:
        with pytest.raises(SinkUnavailable, match="ANDON_NO_SUCH_VARIABLE") as caught:
            await sink.write([stored(0)])
    assert caught.value.needs_human


async def test_the_time_of_the_signature_is_that_of_sending(receiver, monkeypatch):
    monkeypatch.setenv("ANDON_KEY", KEY)
    options = WebhookOptions(
        url=f"http://127.0.0.1:{receiver.port}/", signing_secret="${env:ANDON_KEY}"
    )
    sink = WebhookSink("mes", options, Places(None, None), lambda: NOON + 90 * SECOND)
    async with sink.open():
        await sink.write([stored(0)])
    _, _, headers, body = receiver.requests[0]
    assert verified(KEY, headers, body, NOON // SECOND + 90, tolerance=0)
    assert json.loads(body)["key"] == news(0).key


async def test_a_probe_posts_nothing_and_a_test_message_is_one(receiver):
    async with opened(receiver) as sink:
        assert (await sink.probe()).ok
        assert receiver.bodies == []
        outcome = await sink.send_test()
        assert outcome[""].ok
        with pytest.raises(KeyError):
            await sink.send_test("nobody")
        receiver.answer = lambda _: web.Response(status=404)
        assert not (await sink.probe()).ok
        assert "404" in (await sink.send_test())[""].message
    assert receiver.bodies[0]["transition"] == "test"
