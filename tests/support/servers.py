"""Real servers for tests: each is a program of the distribution, started on a free port.

Where a program is missing the test is skipped with its name, unless ANDON_REAL_SERVERS=1 (as in
the gate), which makes that a failure.
"""

import fcntl
import functools
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest
from patience import PATIENCE

# Hypothesis seeds the usual one, so that two processes would draw the same ports.
_DICE = random.SystemRandom()
_SBIN = "/usr/sbin:/sbin:/usr/local/sbin"
_given: set[int] = set()


def program(name: str) -> str:
    """The path of a server program; skips the test, or fails it in the gate, if it is missing."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":" + _SBIN)
    if path is None:
        if os.environ.get("ANDON_REAL_SERVERS") == "1":
            pytest.fail(f"{name} is not installed and ANDON_REAL_SERVERS=1 forbids skipping")
        pytest.skip(f"{name} is not installed")
    return path


def free_port() -> int:
    """A TCP port on loopback that is handed out once, to one of all the tests on this machine.

    It lies below those that the system hands out, so that it stays free while its server is away.
    """
    while True:
        port = _DICE.randrange(10_000, 32_000)
        if _is_ours(port) and not listens(port):
            return port


@functools.cache
def _ports() -> int:
    """A file of which each process of the tests has locked the bytes of its ports."""
    path = Path(tempfile.gettempdir()) / f"andon-test-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _is_ours(port: int) -> bool:
    if port in _given:
        return False
    try:
        fcntl.lockf(_ports(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    _given.add(port)
    return True


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Server:
    """A server program on `port`; it can be stopped, killed, frozen and started again."""

    command: list[str]
    port: int
    is_up: Callable[[], bool]
    folder: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self, within: float = PATIENCE) -> Self:
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, cwd=self.folder)
        deadline = time.monotonic() + within
        while not self.is_up():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((self.folder / "server.log").read_text(errors="replace"))
            time.sleep(0.05)
        return self

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def mosquitto(folder: Path, extra: str = "") -> Server:
    """An MQTT broker that anybody may use; `extra` is appended to its configuration."""
    path, port = program("mosquitto"), free_port()
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n{extra}\n")
    return Server([path, "-c", str(config)], port, lambda: listens(port), folder)


def victoria_metrics(folder: Path) -> Server:
    """A time-series database that speaks /api/v2/write; query it under /api/v1/."""
    path, port = program("victoria-metrics"), free_port()
    command = [path, f"-httpListenAddr=127.0.0.1:{port}", f"-storageDataPath={folder / 'vm'}"]
    command += ["-retentionPeriod=100y", "-search.latencyOffset=0s"]
    # InfluxDB overwrites a point that comes again; this server does so only when asked.
    command += ["-dedup.minScrapeInterval=1ms"]
    return Server(command, port, lambda: _answers(f"http://127.0.0.1:{port}/health"), folder)


def influxdb(folder: Path, extra: str = "") -> Server:
    """InfluxDB 1.x: a strict /write and InfluxQL under /query; `extra` is added to [http]."""
    path, port = program("influxd"), free_port()
    config = folder / "influxdb.conf"
    config.write_text(
        f"""reporting-disabled = true
bind-address = "127.0.0.1:{free_port()}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
[http]
bind-address = "127.0.0.1:{port}"
{extra}
"""
    )
    command = [path, "-config", str(config)]
    return Server(command, port, lambda: _answers(f"http://127.0.0.1:{port}/ping"), folder)


def create_database(server: Server, name: str) -> None:
    """Creates a database in an InfluxDB 1.x, which answers before its metadata can be written."""
    deadline = time.monotonic() + PATIENCE
    while name not in _influxql(server, f"CREATE DATABASE {name}; SHOW DATABASES"):
        assert time.monotonic() < deadline, (server.folder / "server.log").read_text()
        time.sleep(0.05)


def _influxql(server: Server, query: str) -> list[str]:
    """The first column of the last statement's rows; none after an error."""
    asked = urllib.parse.urlencode({"q": query}).encode()
    with urllib.request.urlopen(f"{server.url}/query", asked, timeout=PATIENCE) as answer:
        result = json.load(answer)["results"][-1]
    rows = result.get("series", [{}])[0].get("values", [])
    return [row[0] for row in rows]
