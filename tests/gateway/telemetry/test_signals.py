"""Signals to a daemon that runs as a process: which of them stop it, and which it ignores."""

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import signal
import socket
import sys
import termios
from pathlib import Path

import pytest
from patience import PATIENCE

from gateway.control.client import request

ANDON = [sys.executable, "-m", "gateway"]
LINE = """
version: 1
line: lonely
site: here
state: state
health: {port: 0}
sources:
  plc: {type: modbus, host: 127.0.0.1, port: 1, tags: {flow: {address: 0}}}
detectors:
  guard: {type: limits, tags: {flow: {high: 5}}}
"""
BY_NAME = ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGPWR")
OTHERS = {name: getattr(signal, name) for name in BY_NAME} | {
    "SIGSTKFLT": 16,
    "SIGRTMIN": signal.SIGRTMIN,
    "SIGRTMIN+2": signal.SIGRTMIN + 2,
    "SIGRTMAX": signal.SIGRTMAX,
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "lonely.yaml"
    path.write_text(LINE)
    return path


@contextlib.asynccontextmanager
async def daemon(*words, **options):
    """`andon run` as a process; it is killed at the end if it still runs."""
    options = {"stderr": asyncio.subprocess.PIPE, "stdin": asyncio.subprocess.DEVNULL} | options
    process = await asyncio.create_subprocess_exec(*words, **options)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def logged(process, event):
    """The next such event of the log."""
    async with asyncio.timeout(PATIENCE):
        while True:
            row = await process.stderr.readline()
            assert row, f"the daemon ended with {await process.wait()}"
            facts = json.loads(row)
            if facts["event"] == event:
                return facts


async def ended(process):
    async with asyncio.timeout(PATIENCE):
        return await process.wait()


async def test_signals_that_would_end_it_are_ignored_and_logged(file):
    async with daemon(*ANDON, "run", str(file)) as process:
        await logged(process, "line.started")
        for name, number in OTHERS.items():
            process.send_signal(number)
            assert (await logged(process, "signal.ignored"))["signal"] == name

        process.send_signal(signal.SIGTERM)
        assert (await logged(process, "line.stopping"))["signal"] == "SIGTERM"
        await logged(process, "line.stopped")
        assert await ended(process) == 0


async def test_sighup_says_that_the_file_is_not_read_again(file):
    async with daemon(*ANDON, "run", str(file)) as process:
        await logged(process, "line.started")
        process.send_signal(signal.SIGHUP)

        why = (await logged(process, "signal.ignored"))["why"]
        assert "no reload yet" in why
        assert "restart" in why


def blocked(pid):
    """The signals that a process holds back."""
    row = next(r for r in Path(f"/proc/{pid}/status").read_text().splitlines() if "SigBlk" in r)
    mask = int(row.split()[1], 16)
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}


async def test_a_signal_during_the_start_is_reported_once_it_has_started(file):
    async with daemon(*ANDON, "run", str(file)) as process:
        async with asyncio.timeout(PATIENCE):
            while signal.SIGHUP not in blocked(process.pid):
                await asyncio.sleep(0.001)
        process.send_signal(signal.SIGHUP)

        assert (await logged(process, "signal.ignored"))["signal"] == "SIGHUP"
        await logged(process, "line.started")
        assert not blocked(process.pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_before_the_buffer_is_open_is_polite(file, number):
    """The buffer's folder is not there yet: the signal came before anything was opened."""
    slow = (
        "import os, signal, gateway.app as app\n"
        "build = app.build_detectors\n"
        "def stopped(config):\n"
        f"    os.kill(os.getpid(), {int(number)})\n"
        "    return build(config)\n"
        "app.build_detectors = stopped\n"
        "from gateway.cli import main\n"
        f"main(['run', {str(file)!r}])\n"
    )
    async with daemon(sys.executable, "-c", slow) as process:
        assert (await logged(process, "line.stopping"))["signal"] == signal.Signals(number).name
        await logged(process, "line.stopped")
        assert await ended(process) == 0


async def test_a_second_sigterm_ends_it_at_once(file):
    async with daemon(*ANDON, "run", str(file)) as process:
        await logged(process, "line.started")
        process.send_signal(signal.SIGSTOP)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)
        await logged(process, "line.stopping")
        process.send_signal(signal.SIGTERM)

        assert await ended(process) in (0, -signal.SIGTERM)


# A terminal ------------------------------------------------------------------------------------


def on_terminal():
    """The child's session gets its stdin as controlling terminal."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@contextlib.asynccontextmanager
async def terminal_session(file, tmp_path, *words):
    """A daemon on a terminal of its own that has started; yields it and closes the terminal."""
    master, slave = pty.openpty()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        streams = {"stdin": slave, "stdout": slave, "stderr": slave}
        command = (*words, *ANDON, "run", str(file))
        async with daemon(*command, env=environment, preexec_fn=on_terminal, **streams) as process:
            os.close(slave)
            async with asyncio.timeout(PATIENCE):
                while b"READY=1" not in await asyncio.get_running_loop().sock_recv(manager, 4096):
                    pass
            yield process, lambda: os.close(master)


async def test_sighup_on_an_open_terminal_is_ignored(file, tmp_path):
    async with terminal_session(file, tmp_path) as (process, _close):
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)

        assert await ended(process) == 0


async def test_closing_its_terminal_stops_it_politely(file, tmp_path):
    async with terminal_session(file, tmp_path) as (process, close):
        close()

        assert await ended(process) == 0


async def test_with_nohup_it_outlives_its_terminal(file, tmp_path):
    ignoring = ("sh", "-c", "trap '' HUP; exec \"$@\"", "sh")
    async with terminal_session(file, tmp_path, *ignoring) as (process, close):
        close()
        process.send_signal(signal.SIGHUP)
        facts = await request(tmp_path / "state" / "control.sock")

        assert facts["line"] == "lonely"
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == 0


async def test_ctrl_c_in_the_middle_of_the_imports_is_no_traceback():
    program = (
        # A test run in the background of a shell ignores SIGINT, and so would its processes.
        "import os, signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from gateway.telemetry import signals; signals.hold();"
        "os.kill(os.getpid(), signal.SIGINT)"
    )
    async with daemon(sys.executable, "-c", program) as process:
        _, words = await process.communicate()
        assert (process.returncode, words) == (-signal.SIGINT, b"")
