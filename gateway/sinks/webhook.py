"""Posts alerts to another program: JSON over HTTP, signed if there is a key.

Promises
- One request for each alert, in their order, with the same `Idempotency-Key` and the same body
  whenever it is sent again. Each is taken by a status of 2xx before it is forgotten.
- The signature covers the time of sending and the body, so neither can be changed or replayed
  later: see docs/notifications.md.
- Redirects are not followed, cookies and proxies of the environment are ignored. Of a response at
  most `MOST_READ` bytes are read, and none of a successful one.
- Nothing is retried here; no secret appears in a message.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, ClassVar

import structlog

from gateway.api.contracts import Places, SinkRejected, SinkUnavailable
from gateway.api.going_on import made_progress
from gateway.api.line_protocol import decode
from gateway.api.masking import mask, remember
from gateway.api.model import SECOND, Envelope, Kind, Nanos, Probe
from gateway.api.options import Secret
from gateway.api.wording import counted, in_a_line
from gateway.sinks.alert_news import AlertNews
from gateway.sinks.influx_responses import retry_after
from gateway.sinks.secret_values import header_value, secret_value
from gateway.sinks.templates import compiled
from gateway.sinks.tls import client_context, is_refusal
from gateway.sinks.webhook_options import WebhookOptions
from gateway.sinks.webhook_payload import EXAMPLE, payload

log = structlog.get_logger()

MOST_READ = 4_096
_REJECTED = (400, 413, 422)
"""The receiver has read the alert and does not want it."""
_LATER = (408, 425, 429)


def signature(secret: bytes, at: int, body: bytes) -> str:
    """The value of the header `Andon-Signature`: t=SECONDS,v1=HMAC-SHA256 of 'SECONDS.BODY'."""
    signed = hmac.new(secret, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={signed}"


class _Refused(Exception):  # noqa: N818 - it does not leave this module
    """The receiver will never take this alert."""


class WebhookSink:
    """Keeps one HTTP client, made by the first request and again after each failure."""

    Options: ClassVar[type[WebhookOptions]] = WebhookOptions
    accepts = frozenset({Kind.ALERT})

    def __init__(
        self, name: str, options: Any, places: Places, clock: Callable[[], Nanos] = time.time_ns
    ) -> None:
        self.name, self._options, self._places, self._clock = name, options, places, clock
        self._fill = compiled(options.body, payload(EXAMPLE, "test.0")) if options.body else None
        self._client: Any = None
        self._url = ""
        self._secret = b""
        self._done: set[str] = set()
        """Of a batch that failed: the alerts that were taken."""
        self.left_out: dict[str, int] = {}
        self.diagnostics: list[str] = []

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Opens nothing yet; closes the connections at the end."""
        try:
            yield
        finally:
            await self._close()

    async def write(self, batch: Sequence[Envelope]) -> int:
        """Posts each alert; the bytes of the bodies. SinkUnavailable or SinkRejected."""
        sent, invalid, whys = 0, list[int](), list[str]()
        for index, envelope in enumerate(batch):
            try:
                sent += await self._deliver(envelope)
            except _Refused as error:
                invalid.append(index)
                whys.append(str(error))
            except SinkUnavailable as error:
                await self._close()
                error.sent_bytes = sent
                raise
            made_progress()
        self._done.clear()
        if invalid:
            raise SinkRejected(invalid, whys[0], sent_bytes=sent)
        return sent

    async def _deliver(self, envelope: Envelope) -> int:
        try:
            point = decode(envelope.body)
        except ValueError as error:
            raise _Refused("not a point of line protocol") from error
        news = AlertNews.of_point(point, envelope.body)
        if news.key in self._done:
            return 0
        if why := self._why_not(news):
            self._leave_out(why)
            self._done.add(news.key)
            return 0
        body = self._body(payload(point, news.key))
        await self._post(body, news.key)
        self._done.add(news.key)
        return len(body)

    def _why_not(self, news: AlertNews) -> str:
        if news.in_flood and not self._options.in_floods:
            return "flood"
        return str(self._options.why_not(news))

    def _leave_out(self, why: str) -> None:
        self.left_out[why] = self.left_out.get(why, 0) + 1
        self.diagnostics[:] = [
            f"{counted(n, 'alert')} left out ({w})" for w, n in self.left_out.items()
        ]

    def _body(self, facts: Mapping[str, Any]) -> bytes:
        plain = json.dumps(facts, ensure_ascii=False).encode()
        if self._fill is None:
            return plain
        try:
            return self._fill({**payload(EXAMPLE, ""), **facts}).encode()
        except Exception as error:  # noqa: BLE001 - an alarm must not be lost for its wording
            log.error("webhook.template_failed", sink=self.name, why=in_a_line(error))
            return plain

    async def _post(self, body: bytes, key: str) -> None:
        status, said, wait = await self._request("POST", body, key)
        if 200 <= status < 300:
            return
        message = f"the receiver answers {said}"
        if status in _REJECTED:
            raise _Refused(message)
        if status in _LATER or status >= 500:
            raise SinkUnavailable(message, wait=wait)
        if 300 <= status < 400:
            message += "; redirects are not followed: give the new URL"
        raise SinkUnavailable(message, needs_human=True)

    async def _request(self, method: str, body: bytes, key: str) -> tuple[int, str, float]:
        """Status, its words and Retry-After of a response; SinkUnavailable without one."""
        import aiohttp

        limit = self._options.timeout / SECOND
        try:
            client = self._client or await self._open_client()
            headers = self._headers(body, key) if body else {}
            async with asyncio.timeout(limit):
                async with client.request(
                    method, self._url, data=body or None, headers=headers, allow_redirects=False
                ) as response:
                    wait = retry_after(response.headers.get("Retry-After"), time.time())
                    said = await _said(response)
                    if not response.content.at_eof():
                        response.close()
                    return response.status, mask(said), wait
        except TimeoutError as error:
            raise SinkUnavailable(f"no answer within {limit:g} s") from error
        except aiohttp.ClientConnectorCertificateError as error:
            why = mask(str(error.certificate_error))
            raise SinkUnavailable(why, needs_human=True) from error
        except aiohttp.InvalidURL as error:
            raise SinkUnavailable("`url` is not a URL", needs_human=True) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise SinkUnavailable(_why(error), needs_human=is_refusal(error)) from error

    def _headers(self, body: bytes, key: str) -> dict[str, str]:
        name = "".join(char if "!" <= char <= "~" else "_" for char in key)
        headers = {"Content-Type": self._options.content_type, "Idempotency-Key": name}
        if self._secret:
            at = self._clock() // SECOND
            headers["Andon-Signature"] = signature(self._secret, at, body)
        return headers

    async def _open_client(self) -> Any:
        import aiohttp

        options = self._options
        url = options.url
        self._url = _remembered(await secret_value(url)) if isinstance(url, Secret) else url
        self._secret = (await secret_value(options.signing_secret)).encode()
        token = await header_value(options.token)
        context = await client_context(options, self._places)
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, limit=1),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "andon"}
            | ({"Authorization": f"Bearer {token}"} if token else {}),
            timeout=aiohttp.ClientTimeout(total=options.timeout / SECOND),
            auto_decompress=False,
        )
        return self._client

    async def _close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def probe(self) -> Probe:
        """Asks the receiver for its options, which posts nothing."""
        try:
            status, said, _ = await self._request("OPTIONS", b"", "")
        except SinkUnavailable as error:
            return Probe(ok=False, message=str(error))
        finally:
            await self._close()
        if status in (404, 410) or 300 <= status < 400:
            return Probe(ok=False, message=f"the receiver answers {said}: check `url`")
        return Probe(
            ok=True, message="the receiver answers; andon notify FILE test sends a test message"
        )

    async def send_test(self, target: str = "") -> Mapping[str, Probe]:
        """Posts an alert without an id; the outcome. KeyError for any `target`."""
        if target:
            raise KeyError(target)
        key = f"test.{self._clock()}"
        try:
            await self._post(self._body(payload(EXAMPLE, key)), key)
        except (SinkUnavailable, _Refused) as error:
            return {"": Probe(ok=False, message=str(error))}
        finally:
            await self._close()
        return {"": Probe(ok=True, message="the receiver took the test message")}


def _remembered(url: str) -> str:
    """The URL, whose path and query are masked from now on where they are in a message."""
    for part in re.split(r"[/?&=]", url.partition("://")[2].partition("/")[2]):
        remember(part)
    return url


async def _said(response: Any) -> str:
    """The status of a response, and what its body says of an error."""
    words = f"{response.status} {response.reason or ''}".rstrip()
    if 200 <= response.status < 300:
        return words
    said = b""
    async for chunk in response.content.iter_any():
        said += chunk[: MOST_READ - len(said)]
        if len(said) >= MOST_READ:
            break
    text = in_a_line(said.decode(errors="replace"))
    return f"{words}: {text}" if text else words


def _why(error: Exception) -> str:
    import aiohttp

    words = f"{type(error).__name__}: {error}"
    if isinstance(error, aiohttp.ClientConnectorError):
        system = error.os_error
        words = f"{error.host}:{error.port}: {system.strerror or system}"
    return in_a_line(mask(words), 300)
