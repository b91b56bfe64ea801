"""A server as a process of its own, to be ended, killed, frozen and asked."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
from patience import PATIENCE

SUPPORT = Path(__file__).parent.parent


class Process:
    """A module of this package as a program; what it says on standard error goes to a log."""

    def __init__(self, module, log, *words):
        self._command = [sys.executable, "-m", f"kill_matrix.{module}", *map(str, words)]
        self._log = log
        self._process = None

    async def start(self, *, says_ready=True):
        environment = {**os.environ, "PYTHONPATH": str(SUPPORT)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with self._log.open("a") as log:
            self._process = subprocess.Popen(self._command, stderr=log, env=environment, **pipes)
        if says_ready and await self._line() != "ready\n":
            raise AssertionError(self._log.read_text())

    async def ask(self, words):
        """What it answers to a line."""
        self.tell(words)
        return await self._line()

    def tell(self, words):
        self._process.stdin.write(words + "\n")
        self._process.stdin.flush()

    async def _line(self):
        return await asyncio.wait_for(asyncio.to_thread(self._process.stdout.readline), PATIENCE)

    def freeze(self):
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self._process.send_signal(signal.SIGCONT)

    async def end(self, *, kill=False):
        """Ended politely, or killed; gone when this returns."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.kill() if kill else process.terminate()
        await asyncio.to_thread(_gone, process)
        process.stdin.close()
        process.stdout.close()

    @property
    def pid(self):
        return self._process.pid


def _gone(process):
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def connections(pid):
    """The (own port, other port) of the TCP connections that a process holds open."""
    held = psutil.Process(pid).net_connections("tcp")
    return [(c.laddr.port, c.raddr.port) for c in held if c.raddr and c.status != "LISTEN"]
