"""Promise: a crash costs at most one flush of history, and a full disk costs history first."""

import asyncio
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE
from rig import rig, source

from gateway.api.model import SECOND
from gateway.history import table
from gateway.history.names import files_in

SUPPORT = str(Path(__file__).parents[1] / "support")
HISTORY = "history: {flush: 500ms}\n"


def samples(folder):
    """(arrival, time, tag) of all samples on disk."""
    on_disk = []
    for path in files_in(folder):
        rows = table.read(path)
        columns = (rows[name].cast("int64").to_pylist() for name in ("arrived", "time"))
        on_disk += zip(*columns, rows["tag"].to_pylist(), strict=True)
    return on_disk


async def test_kill_minus_9_costs_only_samples_that_were_not_flushed(tmp_path, bundle):
    async with rig(tmp_path, bundle, HISTORY) as line:
        folder = tmp_path / "state" / "history"
        for _ in range(2):
            async with line.daemon() as process:
                facts = await line.until(lambda f: f["history"]["written"] > 200)
                process.send_signal(signal.SIGKILL)
                await process.wait()
            on_disk = samples(folder)
            assert sum(tag is not None for _, _, tag in on_disk) >= facts["history"]["written"]
        assert len({(at, tag) for _, at, tag in on_disk if tag}) == sum(
            bool(t) for *_, t in on_disk
        )
        assert {tag for *_, tag in on_disk if tag} == {tag["tag"] for tag in facts["tags"]}
        assert [arrived for arrived, *_ in on_disk] == sorted(arrived for arrived, *_ in on_disk)


async def test_a_normal_end_writes_all_samples(tmp_path, bundle):
    async with rig(tmp_path, bundle, "history: {}\n") as line:
        async with line.daemon() as process:
            facts = await line.until(lambda f: source(f, "plc")["samples"] > 50)
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(PATIENCE):
                assert await process.wait() == 0
        assert facts["history"]["written"] == 0
        newest = samples(tmp_path / "state" / "history")[-1][0]
        assert newest > facts["now"] - 2 * SECOND


CHILD = """
import os, sys
from pathlib import Path
from types import SimpleNamespace
from fakes import batch
from gateway.history.archive import Archive

folder = Path(sys.argv[1])
options = SimpleNamespace(max_bytes=10**9, max_age=10**18)
archive = Archive(folder / "history", options, {}, ["flow"], reserve=8 * 2**20)
for k in range(1, 6):
    archive.store([(k, batch(k, 1.0))])
    archive.maintain(k)
with open(folder / "filler", "wb") as filler:
    while os.statvfs(folder).f_bavail * 4096 > 10 * 2**20:
        filler.write(bytes(2**16))
        filler.flush()
archive.store([(6, batch(6, 1.0))])
print("kept", archive.facts()["files"])
with open(folder / "filler", "ab") as filler:
    filler.write(bytes(4 * 2**20))
try:
    archive.store([(7, batch(7, 1.0))])
except OSError as refused:
    print("refused", refused.errno)
print("left", archive.facts()["files"])
os.unlink(folder / "filler")
archive.store([(8, batch(8, 1.0))])
print("again", archive.facts()["files"])
"""


@pytest.mark.skipif(not shutil.which("unshare"), reason="unshare is not there")
def test_history_is_deleted_first_on_a_full_disk(tmp_path):
    mount = f"mount -t tmpfs -o size=24m tmpfs {tmp_path}"
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], check=False).returncode:
        pytest.skip("this machine does not allow mounting a private disk")
    command = f'{mount} && exec "$0" -c "$1" {tmp_path}'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", command, sys.executable, CHILD],
        capture_output=True, text=True, check=False, env={"PYTHONPATH": SUPPORT},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["kept 6", "refused 28", "left 0", "again 1"]
