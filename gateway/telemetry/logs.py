"""One log pipeline with three endings: journal fields, a console, or JSON lines on stderr.

Levels mean: warning = unexpected, nothing lost, it heals; error = data is lost or a person must
act. Change is logged, not repetition. The journal's native protocol is used when stderr is the
journal (systemd.io, JOURNAL_NATIVE_PROTOCOL), so that fields can be matched and levels filter.
No ending shows a secret: a traceback has no local variables, and every text is masked.
"""

import contextlib
import logging
import math
import os
import re
import socket
import struct
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from typing import Any, TextIO, cast

import structlog

from gateway.api.masking import mask
from gateway.api.visible import LINES, shown, visible

_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
_JOURNAL = "/run/systemd/journal/socket"
_OF_NUMPY = r"(overflow|invalid value|divide by zero) encountered"
_LIMIT = 48_000
"""Bytes of one entry; a longer one would need a file descriptor."""


def ending() -> str:
    """'journal', 'console' or 'json', by what stderr is."""
    stream = os.environ.get("JOURNAL_STREAM", "")
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return "json"
    if stream == f"{status.st_dev}:{status.st_ino}":
        return "journal"
    return "console" if sys.stderr.isatty() else "json"


def journal_entry(event: dict[str, Any]) -> bytes:
    """The fields of one entry in the journal's native form."""
    level = str(event.pop("level", "info"))
    trace = event.pop("exception", None)
    name = str(event.pop("event", ""))
    words = " ".join(f"{key}={value}" for key, value in event.items())
    message = f"{name} {words}".strip() + (f"\n{trace}" if trace else "")
    fields = {
        "MESSAGE": message,
        "PRIORITY": str(_PRIORITY.get(level, 6)),
        "SYSLOG_IDENTIFIER": "andon",
        "ANDON_EVENT": name,
    }
    for key, value in event.items():
        fields["ANDON_" + re.sub(r"[^A-Z0-9_]", "_", key.upper())[:58]] = str(value)
    return b"".join(_journal_field(key, value) for key, value in fields.items())[:_LIMIT]


def _journal_field(key: str, value: str) -> bytes:
    data = value.encode(errors="replace")
    if b"\n" not in data:
        return key.encode() + b"=" + data + b"\n"
    return key.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"


def _to_journal() -> Callable[[Any, str, dict[str, Any]], Any]:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    channel.connect(_JOURNAL)

    def send(_logger: Any, _method: str, event: dict[str, Any]) -> Any:
        try:
            channel.send(journal_entry(event))
        except OSError:
            # A journal that is being restarted must not stop the line.
            return ""
        raise structlog.DropEvent

    return send


class FromPlugins(logging.Handler):
    """What plugins and libraries say by the standard library, as events of the same pipeline."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a record on, with its traceback if it has one."""
        record_log = structlog.get_logger().bind(logger=record.name, why=record.getMessage())
        record_log.log(record.levelno, "plugin.says", exc_info=record.exc_info or None)


class Lenient:
    """A stream that may take nothing, as on a full disk: that must not stop the line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write, if it can be written."""
        with contextlib.suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        """Flush; what cannot leave yet is tried again with the next event."""
        with contextlib.suppress(OSError):
            self._stream.flush()


def masked(value: Any) -> Any:
    """A field of an event without secrets; what is neither text nor a number becomes text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no number for it
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {mask(str(key)): masked(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [masked(each) for each in value]
    return mask(value if isinstance(value, str) else str(value))


def without_secrets(_logger: Any, _method: str, event: Any) -> Any:
    """The event with its traceback as text, and each field masked."""
    formatted = structlog.processors.format_exc_info(_logger, _method, event)
    return {key: masked(value) for key, value in formatted.items()}


def with_visible_texts(_logger: Any, _method: str, event: Any) -> Any:
    """The event for people: what devices and servers wrote does not steer their terminal."""
    trace = event.pop("exception", None)
    clean = shown(event)
    return clean if trace is None else clean | {"exception": visible(str(trace), LINES)}


def for_commands() -> None:
    """Events to stderr, until a command sets up logging: stdout is for results."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper("%Y-%m-%d %H:%M:%S", utc=False),
            without_secrets,
            with_visible_texts,
            _console(),
        ],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
    # Numbers beyond any measurement: the infinity or NaN that they lead to is not written.
    warnings.filterwarnings("ignore", _OF_NUMPY, RuntimeWarning)
    sys.excepthook = _print_masked
    threading.excepthook = lambda failure: _print_masked(
        failure.exc_type, failure.exc_value, failure.exc_traceback
    )
    sys.unraisablehook = lambda failure: _print_masked(
        failure.exc_type, failure.exc_value, failure.exc_traceback
    )


def _print_masked(kind: Any, error: Any, trace: Any) -> None:
    """What Python says of an error that no one handles, without secrets."""
    if error is None or issubclass(kind, SystemExit):
        return
    text = visible(mask("".join(traceback.format_exception(kind, error, trace))), LINES)
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text)


def _console() -> structlog.dev.ConsoleRenderer:
    # The default shows the local variables of each function, and so what no text says.
    return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)


def configure(line: str, form: str | None = None, level: int = logging.INFO) -> None:
    """Set up logging for a daemon; `form` overrides `ending()`."""
    form = form or ending()
    before: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
    ]
    if form == "journal":
        before += [without_secrets, with_visible_texts, _to_journal()]
    elif form == "console":
        before += [
            structlog.processors.TimeStamper("%H:%M:%S", utc=False),
            without_secrets,
            with_visible_texts,
            _console(),
        ]
    else:
        before += [
            structlog.processors.TimeStamper("iso", utc=True),
            without_secrets,
            structlog.processors.JSONRenderer(default=str),
        ]
    structlog.configure(
        processors=before,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, Lenient(sys.stderr))),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(line=line)
    logging.basicConfig(level=logging.ERROR, handlers=[FromPlugins()])
    for room in ("connectors", "detectors"):
        logging.getLogger(room).setLevel(logging.INFO)
    # The protocol libraries say every hiccup that the gateway already reports as an event.
    for library in ("pymodbus", "asyncua", "aiomqtt", "aiohttp.access"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
