"""Writes points to InfluxDB 2, 3 or Cloud, or any other server with /api/v2/write.

Promises
- Points are sent as they were stored; the same batch is the same bytes.
- A point that the server will never accept is identified (sinks/influx_bisect.py); the others are
  stored.
- Redirects are not followed, and the token never appears in a message.
- Nothing is retried here; sinks/influx_responses.py classifies each response.
"""

import asyncio
import contextlib
import gzip
import time
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import quote

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from gateway.api.addresses import http_url
from gateway.api.contracts import ConfigError, Places, SinkRejected, SinkUnavailable
from gateway.api.model import SECOND, Envelope, Kind, Probe
from gateway.api.options import PositiveDuration, Secret, Size, Url
from gateway.sinks.influx_bisect import COMMENT, Bisector
from gateway.sinks.influx_responses import (
    WriteResponse,
    WriteStatus,
    classify,
    describe,
    mask,
    retry_after,
)
from gateway.sinks.tls import TlsOptions, client_context, is_refusal


class InfluxOptions(TlsOptions):
    """InfluxDB over /api/v2/write."""

    type: Literal["influx"] = "influx"
    url: Annotated[Url, AfterValidator(http_url)]
    """The URL of the server, without a path: https://influx.example.com:8086."""
    bucket: Annotated[str, Field(min_length=1)]
    """The bucket; in InfluxDB 3 the database."""
    org: str = ""
    """The organisation; InfluxDB 3 has none."""
    token: Secret | None = None
    """A token that may write to the bucket, as ${env:NAME} or ${credential:NAME}."""
    timeout: PositiveDuration = 10 * SECOND
    """The time limit of a whole request."""
    budget: Annotated[Size, Field(ge=16 * 1024)] | None = None
    """At most this many bytes per hour for summaries and reports; alerts are always sent."""
    gzip: bool = True
    """Compress requests."""
    proxy: Annotated[Url, AfterValidator(http_url)] | None = None
    """An HTTP proxy: http://proxy.example.com:3128; none if not given."""
    proxy_username: str | None = None
    """The user name at the proxy."""
    proxy_password: Secret | None = None
    """The password at the proxy, as ${env:NAME} or ${credential:NAME}."""

    @model_validator(mode="after")
    def _uses_what_is_given(self) -> Self:
        if self.proxy_username is not None and self.proxy is None:
            raise ValueError("`proxy_username` needs `proxy`")
        return self

    @field_validator("proxy_password")
    @classmethod
    def _comes_with_a_user(cls, password: Secret | None, info: ValidationInfo) -> Secret | None:
        if password is not None and not (info.data.get("proxy_username") and info.data["proxy"]):
            raise ValueError("needs `proxy` and `proxy_username`")
        return password


class InfluxSink:
    """Keeps one HTTP client, created by the first write and again after each failure."""

    Options: ClassVar[type[InfluxOptions]] = InfluxOptions
    accepts = frozenset(Kind)

    def __init__(self, name: str, options: Any, places: Places) -> None:
        self.name, self._options, self._places = name, options, places
        self._client: Any = None
        self._token = self._proxy_password = ""
        self._bisector = Bisector(self._send)
        self._sent_bytes = 0

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Imports the library, which takes a while; closes the client at the end."""
        import influxdb_client.client.influxdb_client_async  # noqa: F401

        try:
            yield
        finally:
            await self._forget_client()

    async def write(self, batch: Sequence[Envelope]) -> int:
        """Stores all points; the compressed bytes sent. SinkUnavailable or SinkRejected."""
        self._sent_bytes = 0
        try:
            wrong = await self._bisector.store([envelope.body for envelope in batch])
        except SinkUnavailable as error:
            error.sent_bytes = self._sent_bytes
            raise
        if wrong:
            first = next(iter(wrong.values()))
            raise SinkRejected(list(wrong), first, sent_bytes=self._sent_bytes)
        return self._sent_bytes

    async def _send(self, points: Sequence[bytes]) -> WriteResponse:
        """Sends one request; SinkUnavailable unless the server decided about these points."""
        body = b"\n".join(points)
        if self._options.gzip:
            # mtime=0: the same points are the same bytes. In a thread: it takes milliseconds.
            body = await asyncio.to_thread(gzip.compress, body, 6, mtime=0)
        try:
            return _decided(await self._post(body))
        except SinkUnavailable:
            # The token or a certificate may have changed: read them again next time.
            await self._forget_client()
            raise

    async def _post(self, body: bytes) -> WriteResponse:
        import aiohttp
        from influxdb_client.rest import ApiException

        try:
            stored = await self._write(body)
        except ApiException as error:
            return self._response(error)
        except aiohttp.ClientConnectorCertificateError as error:
            raise SinkUnavailable(f"{error.certificate_error}", needs_human=True) from error
        except aiohttp.ClientHttpProxyError as error:
            message = f"the proxy: {error.status} {error.message}"
            return WriteResponse(classify(error.status), message)
        except aiohttp.InvalidURL as error:
            raise SinkUnavailable(f"not a URL: {self._options.url}", needs_human=True) from error
        except TimeoutError as error:
            seconds = self._options.timeout / SECOND
            raise SinkUnavailable(f"no answer within {seconds:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            message = self._masked(f"{type(error).__name__}: {error}")
            raise SinkUnavailable(message, needs_human=is_refusal(error)) from error
        if stored:
            return WriteResponse(WriteStatus.STORED)
        message = "not a response of InfluxDB; check the url"
        return WriteResponse(WriteStatus.NEEDS_HUMAN, message)

    async def _write(self, body: bytes) -> bool:
        """Whether the server acknowledged the body.

        Its bytes count as sent even if it is unknown whether they arrived, because they may cost
        money either way. They do not count if there was no connection.
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

    def _response(self, error: Any) -> WriteResponse:
        message = describe(error.status, error.reason, error.body, self._secrets())
        status = classify(error.status, message)
        headers = error.headers or {}
        if 300 <= error.status < 400:
            message = self._masked(f"{message}; it is now at {headers.get('Location')}")
        return WriteResponse(status, message, retry_after(headers.get("Retry-After"), time.time()))

    def _masked(self, text: str) -> str:
        return mask(text, self._secrets())

    def _secrets(self) -> list[str]:
        secrets = [self._token, self._proxy_password, quote(self._proxy_password, safe="")]
        return [secret for secret in secrets if secret]

    def _make_client(self) -> Any:
        import aiohttp
        from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync

        options, seconds = self._options, self._options.timeout / SECOND
        self._token = _header_value(options.token)
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
            # The library would compress in the event loop, and hide the number of bytes sent.
            self._client.api_client.set_default_header("Content-Encoding", "gzip")
        return self._client

    def _proxy(self) -> str | None:
        """The URL of the proxy with user and password, in the form that the library expects."""
        options = self._options
        if options.proxy is None or options.proxy_username is None:
            return str(options.proxy) if options.proxy else None
        self._proxy_password = _header_value(options.proxy_password)
        user = f"{quote(options.proxy_username, safe='')}:{quote(self._proxy_password, safe='')}"
        scheme, _, host = options.proxy.partition("://")
        return f"{scheme}://{user}@{host}"

    async def _forget_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def probe(self) -> Probe:
        """Sends a comment, which checks token, bucket and path but stores nothing."""
        try:
            response = await self._send([COMMENT])
        except SinkUnavailable as error:
            return Probe(ok=False, message=str(error))
        finally:
            await self._forget_client()
        # A server that rejects only the comment ("no points in it") has accepted the request.
        text = f"bucket {self._options.bucket} answers"
        return Probe(ok=True, message=f"{text}: {response.message}" if response.message else text)


def _decided(response: WriteResponse) -> WriteResponse:
    """The response, unless it says nothing about the points: then SinkUnavailable."""
    if response.status is WriteStatus.NEEDS_HUMAN:
        raise SinkUnavailable(response.message, needs_human=True)
    if response.status is WriteStatus.LATER:
        raise SinkUnavailable(response.message, wait=response.wait)
    return response


def _header_value(secret: Secret | None) -> str:
    """The secret, if it is valid in an HTTP header; SinkUnavailable otherwise."""
    try:
        value = secret.resolve().strip() if secret else ""
    except ConfigError as error:
        raise SinkUnavailable(str(error), needs_human=True) from error
    if not value.isascii() or not value.isprintable():
        raise SinkUnavailable(f"{secret} must be one row of ASCII text", needs_human=True)
    return value
