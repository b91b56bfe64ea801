"""Points to InfluxDB 2, 3 or Cloud, or whatever else answers /api/v2/write.

Promises
- The lines are sent as they were stored; the same batch is the same bytes.
- A line that the server will never take is found (sinks/sorting.py) and named; the others are
  stored.
- Redirects are not followed, and the token never appears in a message.
- Nothing is retried here; sinks/answers.py says what each answer means.
"""

import asyncio
import contextlib
import gzip
import time
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import Field, ValidationInfo, field_validator

from gateway.api.contracts import ConfigError, Places, SinkRejected, SinkUnavailable
from gateway.api.model import SECOND, Envelope, Kind, Probe
from gateway.api.options import PositiveDuration, Secret, Size, Url
from gateway.sinks.influx_bisect import COMMENT, Sorter
from gateway.sinks.influx_responses import Answer, Verdict, judge, mask, retry_after, words
from gateway.sinks.tls import TlsOptions, client_context, is_refusal


class InfluxOptions(TlsOptions):
    """InfluxDB over /api/v2/write."""

    type: Literal["influx"] = "influx"
    url: Url
    """Where it is, without a path: https://influx.example.com:8086."""
    bucket: str
    """The bucket, or in InfluxDB 3 the database."""
    org: str = ""
    """The organisation; InfluxDB 3 has none."""
    token: Secret | None = None
    """A token that may write to the bucket, as ${env:NAME} or ${credential:NAME}."""
    timeout: PositiveDuration = 10 * SECOND
    """For one whole request."""
    budget: Annotated[Size, Field(ge=16 * 1024)] | None = None
    """At most so many bytes an hour for summaries and reports; alerts leave all the same."""
    gzip: bool = True
    """Compress what is sent."""
    proxy: Url | None = None
    """An HTTP proxy on the way: http://proxy.example.com:3128; none if not given."""
    proxy_username: str | None = None
    """Whom to log in as at the proxy."""
    proxy_password: Secret | None = None
    """As ${env:NAME} or ${credential:NAME}."""

    @field_validator("proxy_password")
    @classmethod
    def _comes_with_a_user(cls, password: Secret | None, info: ValidationInfo) -> Secret | None:
        if password is not None and not (info.data.get("proxy_username") and info.data["proxy"]):
            raise ValueError("whose? it goes with `proxy` and `proxy_username`")
        return password


class InfluxSink:
    """Keeps one HTTP client, made at the first write and anew after a refusal."""

    Options: ClassVar[type[InfluxOptions]] = InfluxOptions
    accepts = frozenset(Kind)

    def __init__(self, name: str, options: Any, places: Places) -> None:
        self.name, self._options, self._places = name, options, places
        self._client: Any = None
        self._token = self._proxy_password = ""
        self._sorter = Sorter(self._send)
        self._sent_bytes = 0

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """The library is loaded, which takes a while; the client is closed at the end."""
        import influxdb_client.client.influxdb_client_async  # noqa: F401

        try:
            yield
        finally:
            await self._forget_client()

    async def write(self, batch: Sequence[Envelope]) -> int:
        """Store all lines; the bytes sent, compressed. SinkUnavailable or SinkRejected."""
        self._sent_bytes = 0
        try:
            wrong = await self._sorter.store([envelope.body for envelope in batch])
        except SinkUnavailable as error:
            error.sent_bytes = self._sent_bytes
            raise
        if wrong:
            first = next(iter(wrong.values()))
            raise SinkRejected(list(wrong), first, sent_bytes=self._sent_bytes)
        return self._sent_bytes

    async def _send(self, lines: Sequence[bytes]) -> Answer:
        """One request; SinkUnavailable unless the server decided about these lines."""
        body = b"\n".join(lines)
        if self._options.gzip:
            # mtime=0: the same lines are the same bytes. In a thread: it takes milliseconds.
            body = await asyncio.to_thread(gzip.compress, body, 6, mtime=0)
        try:
            return _decided(await self._post(body))
        except SinkUnavailable:
            # Perhaps the token or a certificate was changed: read them anew next time.
            await self._forget_client()
            raise

    async def _post(self, body: bytes) -> Answer:
        import aiohttp
        from influxdb_client.rest import ApiException

        try:
            stored = await self._write(body)
        except ApiException as error:
            return self._answer(error)
        except aiohttp.ClientConnectorCertificateError as error:
            raise SinkUnavailable(f"{error.certificate_error}", needs_human=True) from error
        except aiohttp.ClientHttpProxyError as error:
            return Answer(judge(error.status), f"the proxy: {error.status} {error.message}")
        except aiohttp.InvalidURL as error:
            raise SinkUnavailable(f"not a URL: {self._options.url}", needs_human=True) from error
        except TimeoutError as error:
            seconds = self._options.timeout / SECOND
            raise SinkUnavailable(f"no answer within {seconds:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            said = self._masked(f"{type(error).__name__}: {error}")
            raise SinkUnavailable(said, needs_human=is_refusal(error)) from error
        if stored:
            return Answer(Verdict.STORED)
        return Answer(Verdict.NEEDS_HUMAN, "an answer that InfluxDB does not give; check the url")

    async def _write(self, body: bytes) -> bool:
        """Whether it was acknowledged.

        Its bytes are counted though it is not known whether they arrived: they are paid for
        either way. But not where there was no connection to send them over.
        """
        import aiohttp

        api = (self._client or self._make_client()).write_api()
        self._sent_bytes += len(body)
        try:
            return bool(await api.write(self._options.bucket, self._options.org, body))
        except (
            aiohttp.ClientConnectorError,
            aiohttp.ClientHttpProxyError,
            aiohttp.ConnectionTimeoutError,
            aiohttp.InvalidURL,
        ):
            self._sent_bytes -= len(body)
            raise

    def _answer(self, error: Any) -> Answer:
        said = words(error.status, error.reason, error.body, self._secrets())
        verdict = judge(error.status, said)
        headers = error.headers or {}
        if 300 <= error.status < 400:
            said = self._masked(f"{said}; it is now at {headers.get('Location')}")
        return Answer(verdict, said, retry_after(headers.get("Retry-After"), time.time()))

    def _masked(self, text: str) -> str:
        return mask(text, self._secrets())

    def _secrets(self) -> list[str]:
        spelled = [self._token, self._proxy_password, quote(self._proxy_password, safe="")]
        return [secret for secret in spelled if secret]

    def _make_client(self) -> Any:
        import aiohttp
        from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync

        options, seconds = self._options, self._options.timeout / SECOND
        self._token = _one_line(options.token)
        self._client = InfluxDBClientAsync(
            options.url,
            self._token,
            options.org,
            timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=seconds / 2),
            ssl_context=client_context(options, self._places),
            proxy=self._proxy(),
            allow_redirects=False,
        )
        if self._options.gzip:
            # The library would compress in the event loop, and hide how many bytes it sent.
            self._client.api_client.set_default_header("Content-Encoding", "gzip")
        return self._client

    def _proxy(self) -> str | None:
        """The proxy's URL, with user and password as the library wants them."""
        options = self._options
        if options.proxy is None or options.proxy_username is None:
            return str(options.proxy) if options.proxy else None
        self._proxy_password = _one_line(options.proxy_password)
        who = f"{quote(options.proxy_username, safe='')}:{quote(self._proxy_password, safe='')}"
        scheme, _, place = options.proxy.partition("://")
        return f"{scheme}://{who}@{place}"

    async def _forget_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def probe(self) -> Probe:
        """Send a comment: that asks for the token, the bucket and the path, and stores nothing."""
        try:
            answer = await self._send([COMMENT])
        except SinkUnavailable as error:
            return Probe(ok=False, said=str(error))
        finally:
            await self._forget_client()
        # A refusal of the comment itself came from behind the door: "there are no points in it".
        said = f"bucket {self._options.bucket} answers"
        return Probe(ok=True, said=f"{said}: {answer.said}" if answer.said else said)


def _decided(answer: Answer) -> Answer:
    if answer.verdict is Verdict.NEEDS_HUMAN:
        raise SinkUnavailable(answer.said, needs_human=True)
    if answer.verdict is Verdict.LATER:
        raise SinkUnavailable(answer.said, wait=answer.wait)
    return answer


def _one_line(secret: Secret | None) -> str:
    """The secret, if it can stand in a header; SinkUnavailable otherwise."""
    try:
        found = secret.resolve().strip() if secret else ""
    except ConfigError as error:
        raise SinkUnavailable(str(error), needs_human=True) from error
    if not found.isascii() or not found.isprintable():
        raise SinkUnavailable(f"{secret} is of no use: it must be one line", needs_human=True)
    return found
