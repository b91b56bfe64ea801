"""Brings messages to one receiver with Apprise, which blocks, and so in a thread of its own.

Promises
- The event loop goes on meanwhile. A message has a time limit; after that the thread is left behind
  and no further one is started for this receiver until it has ended.
- Of several addresses each is sent to alone: one that is refused does not make the others get the
  same message again and again.
- No part of the URL that Apprise takes for private is in an error, and nothing that Apprise logs
  leaves this module.
- Redirects are not followed, and what is read of a server is bounded (bounds.py). Nothing is
  retried here.
"""

import asyncio
import contextlib
import logging
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import unquote

from gateway.api.contracts import ConfigError, SinkUnavailable
from gateway.api.extras import how_to_install
from gateway.api.masking import mask, remember
from gateway.api.model import Probe
from gateway.api.options import Secret
from gateway.api.wording import in_a_line
from gateway.sinks.notify.bounds import bound
from gateway.sinks.notify.letter import Letter
from gateway.sinks.secret_values import secret_value

T = TypeVar("T")

_MAIL = "E-Mail"
SHORT = 700
"""A service that takes fewer characters gets the short form."""
_PARTS = re.compile(r"[/:@?&=,]+")
_FOR_A_PERSON = re.compile(
    r"uthenticat|uthori[sz]|\berror=(?:400|401|403|404|405|410)\b"
    r"|\((?:530|534|535|538|550|551|553|554), |CERTIFICATE_VERIFY_FAILED|refused: \{"
)
_ERRNO = re.compile(r"\[Errno -?\d+\] ")
_EXCEPTION = re.compile(r"^(?:Socket )?Exception: ", re.IGNORECASE)


class Courier:
    """The way to one receiver. `secret` is read for each message, so a new one is used at once."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret
        self._ended: threading.Event | None = None
        self._done: dict[str, set[int]] = {}
        """Of a message that failed: the addresses that have it."""

    async def send(self, letter: Letter, limit: float) -> int:
        """Sends one message; its bytes. SinkUnavailable if it is not sent, or that is not known."""
        url = await secret_value(self._secret)
        return await self._in_thread(lambda: self._send(url, letter, limit), limit)

    async def probe(self, limit: float) -> Probe:
        """Tries the way without sending a message, where that is possible."""
        try:
            url = await secret_value(self._secret)
            return await self._in_thread(lambda: _probed(url, limit), limit)
        except SinkUnavailable as error:
            return Probe(ok=False, message=str(error))

    async def _in_thread(self, work: Callable[[], T], limit: float) -> T:
        if self._ended is not None and not self._ended.is_set():
            raise SinkUnavailable("the message before has not ended; no other is tried until then")
        loop = asyncio.get_running_loop()
        result: asyncio.Future[T] = loop.create_future()
        ended = self._ended = threading.Event()

        def settle(value: T | None, error: BaseException | None) -> None:
            if result.done():
                return
            if error is None:
                result.set_result(value)  # type: ignore[arg-type]
            else:
                result.set_exception(error)

        def run() -> None:
            value, error = None, None
            try:
                value = work()
            except BaseException as raised:  # noqa: BLE001 - handed to the caller
                error = raised
            ended.set()
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(settle, value, error)

        # A daemon thread: one that hangs does not keep the process from ending.
        threading.Thread(target=run, name="andon.notify", daemon=True).start()
        try:
            async with asyncio.timeout(limit):
                return await result
        except TimeoutError:
            raise SinkUnavailable(f"no answer within {limit:g} s") from None

    def _send(self, url: str, letter: Letter, limit: float) -> int:
        plugin = _plugin(url, limit)
        if hasattr(plugin, "headers") and plugin.service_name == _MAIL:
            plugin.headers |= _headers(letter)
        body = _body(plugin, letter)
        done = self._done.setdefault(letter.key, set())
        while len(self._done) > 100:
            del self._done[next(iter(self._done))]
        failed = ""
        for number, address in enumerate(_addresses(plugin)):
            if number in done:
                continue
            if address is not None:
                plugin.targets = [address]
            with _listening() as said:
                is_sent = plugin.notify(body=body, title=letter.subject, notify_type=_type(letter))
            if is_sent:
                done.add(number)
            else:
                failed = failed or _why(said)
        if failed:
            if plugin.service_name == _MAIL:
                failed = f"{plugin.smtp_host}:{plugin.port}: {failed}"
            raise SinkUnavailable(failed, needs_human=bool(_FOR_A_PERSON.search(failed)))
        self._done.pop(letter.key, None)
        return len(body.encode()) + len(letter.subject.encode())


def import_apprise() -> None:
    """Imports Apprise with all its services, which takes seconds on a small machine; ConfigError.

    In a thread the event loop goes on meanwhile.
    """
    # It imports this module, in order to replace it where it is gone.
    warnings.filterwarnings("ignore", "'imghdr' is deprecated", DeprecationWarning)
    with _listening():
        try:
            import apprise
        except ImportError as error:
            raise ConfigError(f"the sink needs Apprise: {how_to_install('notify')}") from error
        apprise.Apprise.instantiate("json://localhost")
        bound()


def _plugin(url: str, limit: float) -> Any:
    """Apprise's object for this URL; SinkUnavailable if it is none."""
    import apprise

    asset = apprise.AppriseAsset(
        app_id="andon", app_desc="andon", app_url="", async_mode=False, secure_logging=True
    )
    with _listening():
        plugin = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if plugin is None:
        why = "the secret is not a URL that Apprise knows: see docs/notifications.md"
        raise SinkUnavailable(why, needs_human=True)
    _remember_parts(plugin)
    # Each of ours has a limit of messages of its own, and a plant's relay may be slow.
    plugin.request_rate_per_sec = 0
    plugin.redirects = False
    plugin.socket_connect_timeout = plugin.socket_read_timeout = max(1.0, limit / 3)
    return plugin


def _remember_parts(plugin: Any) -> None:
    """Has what Apprise takes for private masked from now on."""
    shown = {unquote(part) for part in _PARTS.split(plugin.url(privacy=True))}
    for part in _PARTS.split(plugin.url(privacy=False)):
        for each in {part, unquote(part)} - shown:
            remember(each)


def _addresses(plugin: Any) -> list[Any]:
    """The addresses of a plugin that has several; one None for all of them otherwise."""
    targets = getattr(plugin, "targets", None)
    return list(targets) if isinstance(targets, list) and len(targets) > 1 else [None]


def _headers(letter: Letter) -> dict[str, str]:
    headers = {"X-Andon-Key": letter.key, "Auto-Submitted": "auto-generated"}
    if letter.thread:
        name = re.sub(r"[^A-Za-z0-9.!#$&*+/=?^_{|}~-]", "_", letter.thread)[:150]
        headers["References"] = f"<{name}@andon>"
    return headers


def _body(plugin: Any, letter: Letter) -> str:
    """The message in the form that the service takes."""
    from apprise import NotifyFormat
    from apprise.conversion import convert_between

    if (plugin.body_maxlen or SHORT) < SHORT:
        return letter.short[: plugin.body_maxlen]
    if plugin.notify_format == NotifyFormat.HTML:
        return letter.html
    converted: Any = convert_between
    return str(converted(NotifyFormat.TEXT, plugin.notify_format, letter.text))


def _type(letter: Letter) -> Any:
    from apprise import NotifyType

    kinds = {"critical": NotifyType.FAILURE, "high": NotifyType.FAILURE}
    return kinds.get(letter.severity, NotifyType.WARNING if letter.severity else NotifyType.INFO)


class _Listener(logging.Handler):
    """Takes what Apprise says in one thread."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.said: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps the words of a record of this thread."""
        if record.thread == self._thread and len(self.said) < 100:
            self.said.append(in_a_line(record.getMessage(), 500))


@contextlib.contextmanager
def _listening() -> Iterator[list[str]]:
    """What Apprise says meanwhile; it gives no other reason why a message was not sent."""
    logger, listener = logging.getLogger("apprise"), _Listener()
    # It logs URLs, addresses and bodies: nothing of it may reach the log of the daemon.
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    logger.addHandler(listener)
    try:
        yield listener.said
    finally:
        logger.removeHandler(listener)


def _why(said: list[str]) -> str:
    """The reason in Apprise's words: the exception of the connection, or the last refusal."""
    reasons = [_EXCEPTION.sub("", each) for each in said if _EXCEPTION.match(each)]
    refusals = [each for each in said if "ailed" in each or "rror" in each or "nable" in each]
    words = (reasons or refusals or said or ["Apprise gives no reason"])[-1]
    return _plain(words)


def _probed(url: str, limit: float) -> Probe:
    plugin = _plugin(url, limit)
    if plugin.service_name != _MAIL:
        name = plugin.service_name
        return Probe(
            ok=True, message=f"{name}: not tested: send a message with andon notify FILE test"
        )
    import smtplib

    from gateway.sinks.notify.mail import try_server

    try:
        return Probe(ok=True, message=try_server(plugin))
    except (OSError, smtplib.SMTPException) as error:
        return Probe(ok=False, message=f"{plugin.smtp_host}:{plugin.port}: {_plain(str(error))}")


def _plain(words: str) -> str:
    """The words of a library without secrets and numbers of the system."""
    return in_a_line(mask(_ERRNO.sub("", words)), 300)
