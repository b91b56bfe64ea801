"""Signals: which of them stop the daemon, and which it ignores with a log line.

Promises
- SIGTERM and SIGINT stop it politely once; a second one ends the process at once, and
  what is stuck by force after a while (ending.py).
- SIGHUP, SIGUSR1, SIGUSR2, timers and real-time signals, whose default is to end the process, are
  ignored. Each is logged, also one that comes while the daemon starts.
- When the daemon's terminal is closed, the SIGHUP of that stops it, unless `nohup` started it.
"""

import os
import signal
from collections.abc import Callable

_STOPPING = (signal.SIGTERM, signal.SIGINT)
_NAMED = ("HUP", "USR1", "USR2", "ALRM", "VTALRM", "PROF", "IO", "PWR", "STKFLT")
IGNORED: tuple[int, ...] = (
    *(int(getattr(signal, f"SIG{name}")) for name in _NAMED if hasattr(signal, f"SIG{name}")),
    *range(signal.SIGRTMIN, signal.SIGRTMAX + 1),
)
"""SIGQUIT, SIGABRT and others that ask for a core dump are not among them."""


def hold() -> None:
    """Holds back the ignored signals of a daemon that starts, until `handle` is called.

    Ctrl-C ends it at once until then: an import that it interrupts would be a traceback.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, IGNORED)


def stop_early(stop: Callable[[], object]) -> None:
    """Handles the signals that stop, while the line file is read: there is no log of it yet."""
    import asyncio

    loop = asyncio.get_running_loop()
    for number in _STOPPING:
        loop.add_signal_handler(number, stop)


def handle(stop: Callable[[], object]) -> None:
    """Handles all signals in the running loop; `stop` is called at most once."""
    # Both take long to import, and `hold` must not wait for them.
    import asyncio

    import structlog

    from gateway.telemetry import ending

    log = structlog.get_logger()
    loop = asyncio.get_running_loop()
    was_on_terminal = _is_on_terminal()
    is_nohup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN

    def end(name: str, **facts: str) -> None:
        log.info("line.stopping", signal=name, **facts)
        for each in _STOPPING:
            loop.remove_signal_handler(each)
        # A closed terminal may send a second SIGHUP.
        loop.add_signal_handler(signal.SIGHUP, lambda: None)
        stop()

    def ignore(number: int) -> None:
        if number == signal.SIGHUP and was_on_terminal and not is_nohup and not _is_on_terminal():
            end("SIGHUP", why="the terminal was closed")
        else:
            log.warning("signal.ignored", signal=signal_name(number), why=_why(number))

    for number in _STOPPING:
        loop.add_signal_handler(number, end, number.name)
    ending.watch_for(*_STOPPING)
    for other in IGNORED:
        loop.add_signal_handler(other, ignore, other)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, IGNORED)


def signal_name(number: int) -> str:
    """SIGHUP, SIGUSR1, SIGRTMIN+3."""
    if signal.SIGRTMIN < number < signal.SIGRTMAX:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"
    return signal.Signals(number).name


def _why(number: int) -> str:
    if number == signal.SIGHUP:
        return "there is no reload yet: restart the service to read the line file again"
    return "it has no meaning here; SIGTERM stops the line"


def _is_on_terminal() -> bool:
    """Whether stdin or stderr is a terminal that is still open."""
    return os.isatty(0) or os.isatty(2)
