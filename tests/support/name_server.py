"""A name server that answers for some names and never for others, and processes that ask it.

A process sees it instead of the machine's own by a mount namespace, which needs root.
"""

import contextlib
import os
import random
import socket
import struct
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_DICE = random.SystemRandom()
UNKNOWN = "nxdomain"


@dataclass
class NameServer:
    """What it was asked, and the answers it knows: name to an IPv4 address or UNKNOWN."""

    address: str
    answers: dict[str, str]
    asked: list[str] = field(default_factory=list)

    def inside(self, folder: Path, *command: str) -> list[str]:
        """The command in a mount namespace whose only name server this is.

        A look-up that is not answered lasts far longer than any test waits.
        """
        file = folder / "resolv.conf"
        file.write_text(f"nameserver {self.address}\noptions timeout:30 attempts:5\n")
        # `exec`, so that a signal reaches the command itself.
        script = f'mount --bind {file} /etc/resolv.conf && exec "$@"'
        return ["unshare", "-m", "sh", "-c", script, "sh", *command]


@contextlib.contextmanager
def name_server(**answers):
    """A name server on loopback; dots in names are given as underscores."""
    if os.geteuid():
        words = "only root may give a process another name server"
        if os.environ.get("ANDON_REAL_SERVERS") == "1":
            pytest.fail(f"{words} and ANDON_REAL_SERVERS=1 forbids skipping")
        pytest.skip(words)
    known = {name.replace("_", "."): answer for name, answer in answers.items()}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
        server = NameServer(f"127.{_DICE.randrange(1, 255)}.{_DICE.randrange(1, 255)}.53", known)
        port.bind((server.address, 53))
        port.settimeout(0.2)
        over = threading.Event()
        thread = threading.Thread(target=_serve, args=(port, server, over), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            over.set()
            thread.join()


def _serve(port, server, over):
    while not over.is_set():
        try:
            query, asker = port.recvfrom(2000)
        except TimeoutError:
            continue
        name, end = _name(query)
        server.asked.append(name)
        answer = server.answers.get(name)
        if answer is not None:
            port.sendto(_response(query, end, answer), asker)


def _name(query):
    """The name that is asked for, and where its question ends."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += 1 + query[at]
    return ".".join(labels), at + 5


def _response(query, end, answer):
    (kind,) = struct.unpack("!H", query[end - 4 : end - 2])
    is_unknown, is_a = answer == UNKNOWN, kind == 1
    flags = 0x8183 if is_unknown else 0x8180
    records = int(is_a and not is_unknown)
    head = query[:2] + struct.pack("!5H", flags, 1, records, 0, 0)
    record = (
        struct.pack("!HHHIH", 0xC00C, 1, 1, 60, 4) + socket.inet_aton(answer) if records else b""
    )
    return head + query[12:end] + record
