"""InfluxDB's client library, for one request and what its failure means.

Promises
- Redirects are not followed, cookies and proxies of the environment are ignored.
- No secret appears in a message.
- Of a reply no more than 4 MiB are read, after decompression; the rest stays unread.
- Files and secrets are read when the client is made, so a renewed one is used after `close`.

The library's own writer knows /api/v2/write alone and hides the reply, so its client is asked for
the path of the version.
"""

import functools
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from gateway.api.contracts import Places, SinkUnavailable
from gateway.api.event_loop import NameNotResolved
from gateway.api.model import SECOND
from gateway.sinks.influx_options import InfluxOptions
from gateway.sinks.influx_responses import WriteResponse, classify, mask, shortened
from gateway.sinks.secret_values import header_value, secret_value
from gateway.sinks.tls import client_context, is_refusal

MOST_READ = 4 * 2**20
"""Bytes of a reply: InfluxDB 3 names each wrong point of a request with its text."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The server's reply, as it came."""

    status: int
    reason: str
    headers: Any
    body: bytes


class InfluxHttp:
    """The library's client, made by the first request and again after `close`."""

    def __init__(self, options: InfluxOptions, places: Places) -> None:
        self._options, self._places = options, places
        self._client: Any = None
        self._token = self._password = self._proxy_password = ""
        self.sent_bytes = 0
        """Bytes of bodies that may have left, counted up; a failed connection costs none."""

    async def post(self, body: bytes) -> Reply | WriteResponse:
        """Sends one body: the reply, or what a proxy said instead. Raises SinkUnavailable."""
        import aiohttp

        options = self._options
        try:
            return await self._post(body)
        except aiohttp.ClientConnectorCertificateError as error:
            raise SinkUnavailable(f"{error.certificate_error}", needs_human=True) from error
        except aiohttp.ClientHttpProxyError as error:
            message = shortened(f"the proxy: {error.status} {error.message}")
            return WriteResponse(classify(error.status), message)
        except aiohttp.InvalidURL as error:
            raise SinkUnavailable(f"not a URL: {options.url}", needs_human=True) from error
        except TimeoutError as error:
            raise SinkUnavailable(f"no answer within {options.timeout / SECOND:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            unresolved = _unresolved(error)
            message = shortened(self.masked(str(unresolved or f"{type(error).__name__}: {error}")))
            raise SinkUnavailable(message, needs_human=is_refusal(error)) from error
        except SinkUnavailable:
            raise
        except Exception as error:
            # What else a library makes of a reply that is none: the server's fault, not a bug here.
            message = shortened(self.masked(f"{type(error).__name__}: {error}"))
            raise SinkUnavailable(f"its reply cannot be read, {message}") from error

    async def _post(self, body: bytes) -> Reply:
        import aiohttp
        from influxdb_client.rest import ApiException

        api = (self._client or await self._open()).api_client
        # The bytes count even if it is unknown whether they arrived: they may cost money either
        # way. They do not count if there was no connection.
        self.sent_bytes += len(body)
        options = self._options
        try:
            await api.call_api(
                options.path,
                "POST",
                query_params=dict(options.query),
                header_params={"Content-Type": "text/plain; charset=utf-8"},
                body=body,
            )
        except ApiException as error:
            return Reply(error.status, error.reason or "", error.headers or {}, error.body or b"")
        except (
            aiohttp.ClientConnectorError,
            aiohttp.ClientHttpProxyError,
            aiohttp.ConnectionTimeoutError,
            aiohttp.InvalidURL,
        ):
            self.sent_bytes -= len(body)
            raise
        reply = api.last_response
        return Reply(reply.status, reply.reason or "", reply.getheaders(), reply.data)

    async def _open(self) -> Any:
        import aiohttp
        from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync

        options, seconds = self._options, self._options.timeout / SECOND
        self._token = await header_value(options.token)
        self._password = await secret_value(options.password)
        self._proxy_password = await header_value(options.proxy_password)
        context = await client_context(options, self._places)
        login = f"{options.username}:{self._password}" if options.username else ""
        self._client = InfluxDBClientAsync(
            options.url,
            login or self._token,
            auth_basic=bool(login),
            timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=seconds / 2),
            ssl_context=context,
            proxy=self._proxy(),
            allow_redirects=False,
            client_session_kwargs={
                "cookie_jar": aiohttp.DummyCookieJar(),
                "response_class": _bounded_response(),
            },
        )
        if options.gzip:
            # The library would compress in the event loop, and hide the number of bytes sent.
            self._client.api_client.set_default_header("Content-Encoding", "gzip")
        return self._client

    def _proxy(self) -> str | None:
        """The URL of the proxy with user and password."""
        options = self._options
        if options.proxy is None or options.proxy_username is None:
            return str(options.proxy) if options.proxy else None
        user = f"{quote(options.proxy_username, safe='')}:{quote(self._proxy_password, safe='')}"
        scheme, _, host = options.proxy.partition("://")
        return f"{scheme}://{user}@{host}"

    def masked(self, text: str) -> str:
        """The text without secrets."""
        return mask(text, self.secrets())

    def secrets(self) -> list[str]:
        """What must not appear in a message."""
        proxy = self._proxy_password
        secrets = [self._token, self._password, proxy, quote(proxy, safe="")]
        return [secret for secret in secrets if secret]

    async def close(self) -> None:
        """Closes the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()


@functools.cache
def _bounded_response() -> Any:
    """The library's kind of response, whose body is cut after `MOST_READ` bytes."""
    import aiohttp

    class BoundedResponse(aiohttp.ClientResponse):
        async def read(self) -> bytes:
            body = bytearray()
            try:
                async for chunk in self.content.iter_any():
                    body += chunk[: MOST_READ - len(body)]
                    if len(body) >= MOST_READ:
                        break
                else:
                    return bytes(body)
            except BaseException:
                self.close()
                raise
            # What is left is not read, so the connection cannot serve another request.
            self.close()
            return bytes(body)

    return BoundedResponse


def _unresolved(error: BaseException | None) -> NameNotResolved | None:
    """The name that could not be resolved, if that is why there was no connection."""
    while error is not None:
        inner = getattr(error, "os_error", None)
        for each in (error, inner):
            if isinstance(each, NameNotResolved):
                return each
        error = inner or error.__cause__
    return None
