"""Servers of other authors for tests: Node.js programs in tests/foreign, started on a free port.

`make foreign` installs their libraries, exactly as locked. Where Node.js or they are missing the
test is skipped, unless ANDON_REAL_SERVERS=1, which makes that a failure.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from servers import Server, free_port, listens, program

HERE = Path(__file__).resolve().parents[1] / "foreign"


def node_server(folder: Path, script: str, *arguments: str) -> Server:
    """`tests/foreign/SCRIPT PORT ARGUMENTS...`; it is up when it listens on its port."""
    _need_libraries()
    path, port = program("node"), free_port()
    command = [path, str(HERE / script), str(port), *arguments]
    return Server(command, port, lambda: listens(port), folder)


@contextmanager
def node_client(folder: Path, script: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """`tests/foreign/SCRIPT PORT`, where PORT is that of the server which it speaks to."""
    _need_libraries()
    with (folder / "client.log").open("ab") as log:
        command = [program("node"), str(HERE / script), str(port)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _need_libraries() -> None:
    if (HERE / "node_modules" / "node-opcua").is_dir():
        return
    what = "tests/foreign/node_modules is not installed: run `make foreign`"
    if os.environ.get("ANDON_REAL_SERVERS") == "1":
        pytest.fail(f"{what}; ANDON_REAL_SERVERS=1 forbids skipping")
    pytest.skip(what)
