"""Promise: the buffer survives a full or failing disk without losing stored points."""

import subprocess
import sys
from contextlib import closing

from gateway.api.model import Kind
from gateway.buffer.store import Store

# A file-size limit hits the log and the database as a full disk does, without being root.
CHILD = """
import asyncio, resource, sys
from pathlib import Path
from types import SimpleNamespace
from gateway.buffer import BufferFull, open_buffer
from gateway.api.model import Envelope, Kind

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

async def main(path):
    options = SimpleNamespace(max_bytes=10**9, max_age=2**62)
    stored, refused = 0, 0
    async with open_buffer(path, options, {"cloud": frozenset(Kind)}) as buffer:
        limit(300_000)
        for serial in range(2000):
            batch = [Envelope(Kind.ALERT, serial, b"%06d" % serial + b"x" * 1000)]
            try:
                await buffer.append(batch)
                stored += 1
                print("stored", serial, flush=True)
            except BufferFull:
                refused += 1
                if refused == 50:
                    limit(resource.RLIM_INFINITY)
            if refused > 50 + 3:
                raise SystemExit("it still refuses although there is room")
            if refused >= 50 and stored > 400:
                break
    print("refused", refused, flush=True)

asyncio.run(main(Path(sys.argv[1])))
"""


def test_a_full_disk_raises_and_takes_points_again_when_there_is_room(tmp_path):
    path = tmp_path / "buffer.db"
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    words = [line.split() for line in done.stdout.splitlines() if line[0] != "2"]
    stored = [int(serial) for word, serial in words if word == "stored"]
    assert ["refused", "50"] in words
    with closing(Store(path, 10**9, {"cloud": frozenset(Kind)}, lambda: 0)) as store:
        kept = [int(e.body[:6]) for e in store.lease("cloud", 10**6, 10**9)]
        assert (store.set_aside, store.dropped.total()) == ([], 0)
    assert kept == stored
