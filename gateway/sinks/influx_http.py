"""The HTTP client of the InfluxDB sink: one request, and what its failure means.

Promises
- Redirects are not followed, cookies and proxies of the environment are ignored.
- No secret appears in a message.
- Files and secrets are read when the client is made, so a renewed one is used after `close`.
"""

import base64
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from gateway.api.contracts import ConfigError, Places, SinkUnavailable
from gateway.api.event_loop import NameNotResolved
from gateway.api.model import SECOND
from gateway.api.options import Secret
from gateway.sinks.influx_options import InfluxOptions
from gateway.sinks.influx_responses import WriteResponse, classify, mask
from gateway.sinks.tls import client_context, is_refusal


@dataclass(frozen=True, slots=True)
class Reply:
    """The server's reply, as it came."""

    status: int
    reason: str
    headers: Any
    body: bytes


class InfluxHttp:
    """The client, made by the first request and again after `close`."""

    def __init__(self, options: InfluxOptions, places: Places) -> None:
        self._options, self._places = options, places
        self._session: Any = None
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
            message = f"the proxy: {error.status} {error.message}"
            return WriteResponse(classify(error.status), message)
        except aiohttp.InvalidURL as error:
            raise SinkUnavailable(f"not a URL: {options.url}", needs_human=True) from error
        except TimeoutError as error:
            raise SinkUnavailable(f"no answer within {options.timeout / SECOND:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            unresolved = _unresolved(error)
            message = self.masked(str(unresolved or f"{type(error).__name__}: {error}"))
            raise SinkUnavailable(message, needs_human=is_refusal(error)) from error

    async def _post(self, body: bytes) -> Reply:
        import aiohttp

        session = self._session or self._open()
        # The bytes count even if it is unknown whether they arrived: they may cost money either
        # way. They do not count if there was no connection.
        self.sent_bytes += len(body)
        url = f"{self._options.url.rstrip('/')}{self._options.path}"
        request = {"params": self._options.query, "proxy": self._proxy(), "allow_redirects": False}
        try:
            async with session.post(url, data=body, **request) as response:
                reply = await response.read()
                return Reply(response.status, response.reason or "", response.headers, reply)
        except (
            aiohttp.ClientConnectorError,
            aiohttp.ClientHttpProxyError,
            aiohttp.ConnectionTimeoutError,
            aiohttp.InvalidURL,
        ):
            self.sent_bytes -= len(body)
            raise

    def _open(self) -> Any:
        import aiohttp

        options, seconds = self._options, self._options.timeout / SECOND
        self._token, self._password = header_value(options.token), _value(options.password)
        self._proxy_password = header_value(options.proxy_password)
        headers = {"Content-Type": "text/plain; charset=utf-8", "User-Agent": "andon"}
        if options.gzip:
            headers["Content-Encoding"] = "gzip"
        if self._token:
            headers["Authorization"] = f"Token {self._token}"
        if options.username:
            user = base64.b64encode(f"{options.username}:{self._password}".encode()).decode()
            headers["Authorization"] = f"Basic {user}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=client_context(options, self._places)),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=seconds / 2),
        )
        return self._session

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
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def header_value(secret: Secret | None) -> str:
    """The secret, if it is valid in an HTTP header; SinkUnavailable otherwise."""
    value = _value(secret)
    if not value.isascii() or not value.isprintable():
        raise SinkUnavailable(f"{secret} must be one row of ASCII text", needs_human=True)
    return value


def _value(secret: Secret | None) -> str:
    try:
        return secret.resolve().strip() if secret else ""
    except ConfigError as error:
        raise SinkUnavailable(str(error), needs_human=True) from error


def _unresolved(error: BaseException | None) -> NameNotResolved | None:
    """The name that could not be resolved, if that is why there was no connection."""
    while error is not None:
        inner = getattr(error, "os_error", None)
        for each in (error, inner):
            if isinstance(each, NameNotResolved):
                return each
        error = inner or error.__cause__
    return None
