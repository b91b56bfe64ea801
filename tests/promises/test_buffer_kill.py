"""Promise: when `append` has returned, its points survive kill -9 of the daemon."""

import random
import subprocess
import sys
from contextlib import closing

import pytest

from gateway.buffer.store import Store
from gateway.model import Kind

KILLS = 20
SINKS = {"cloud": frozenset(Kind)}

# Prints a serial number only after its append has returned. Every append is one alert, two
# summaries and a checkpoint with the same serial number.
CHILD = """
import asyncio, sys
from pathlib import Path
from types import SimpleNamespace
from gateway.buffer import open_buffer
from gateway.model import Envelope, Kind

async def main(path, first):
    options = SimpleNamespace(max_bytes=10**9)
    async with open_buffer(path, options, {"cloud": frozenset(Kind)}) as buffer:
        for serial in range(first, first + 10**6):
            body = b"%d" % serial
            batch = [Envelope(kind, serial, body) for kind in (Kind.ALERT, *[Kind.SUMMARY] * 2)]
            await buffer.append(batch, {"machine": body})
            print(serial, flush=True)
            if serial % 10 == 0:
                await buffer.ack("cloud", await buffer.lease("cloud", 5, 10**6))

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


def _run_and_kill(path, first, lines):
    """The last serial number whose append returned before the kill."""
    command = [sys.executable, "-c", CHILD, str(path), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        printed = [int(child.stdout.readline()) for _ in range(lines)]
        child.kill()
        # What was on its way through the pipe was acknowledged as well.
        printed += [int(line) for line in child.stdout.read().split("\n")[:-1]]
    return printed[-1]


@pytest.mark.timeout(300)
def test_no_acknowledged_point_is_lost_in_twenty_kills(tmp_path):
    path, dice, last = tmp_path / "buffer.db", random.Random(20), 0
    delivered: set[int] = set()
    for _ in range(KILLS):
        last = _run_and_kill(path, last + 1, dice.randrange(1, 60))
        with closing(Store(path, 10**9, SINKS, lambda: 0)) as store:
            assert store.set_aside == []
            alerts = [int(e.body) for e in store.lease("cloud", 10**6, 10**9)]
            # One append may have been committed without having been acknowledged.
            newest = alerts[-1]
            assert last <= newest <= last + 1
            assert alerts == list(range(alerts[0], newest + 1))
            assert store.load_checkpoint("machine") == b"%d" % newest
            assert store.stats()["summaries"] == 2 * newest
            # What is missing at the front was acknowledged by the sink.
            assert alerts[0] - 1 <= (newest // 10) * 5
            assert store.stats()["dropped"] == 0
            delivered |= set(range(1, alerts[0]))
            last = newest
    assert delivered
